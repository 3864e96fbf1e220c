// Where tiles stand, their planes, and the layers of their residuals. See tiles.h.
#include "passes/soft/tiles.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace mmip {
namespace {

template <class T>
void load_rows(const T* from, int64_t row_samples, int height, int width, int32_t offset, uint32_t limit, int32_t* to) {
    uint32_t outside = 0;
    for (int y = 0; y < height; ++y, from += row_samples, to += width)
        for (int x = 0; x < width; ++x) {
            const int32_t v = static_cast<int32_t>(from[x]) + offset;
            outside |= static_cast<uint32_t>(v) & ~limit;
            to[x] = v;
        }
    if (outside != 0) throw std::invalid_argument("a sample does not fit the depth of the codebook");
}

}  // namespace

int64_t soft_tiles(const SoftGrid& grid, const SoftCodebook& book) { return grid.substreams() / (book.colour ? 3 : 1); }

SoftTile soft_tile(const SoftGrid& grid, const SoftCodebook& book, int64_t item) {
    SoftTile t;
    t.planes = book.colour ? 3 : 1;
    t.plane = item / grid.slice_tiles() * t.planes;
    t.place = item % grid.slice_tiles();
    const int64_t x = (t.place % grid.tiles(1)) << grid.tile_log2[1], y = (t.place / grid.tiles(1) % grid.tiles(0)) << grid.tile_log2[0];
    const int64_t z = t.place / (grid.tiles(0) * grid.tiles(1));
    t.first = (z * grid.shape[2] + y) * grid.shape[3] + x;
    t.height = static_cast<int>(std::min(int64_t{1} << grid.tile_log2[0], grid.shape[2] - y));
    t.width = static_cast<int>(std::min(int64_t{1} << grid.tile_log2[1], grid.shape[3] - x));
    return t;
}

void soft_load(const Samples& samples, const SoftGrid& grid, const SoftCodebook& book, const SoftTile& tile, std::vector<int32_t>& planes) {
    const int64_t volume = grid.shape[1] * grid.shape[2] * grid.shape[3], size = int64_t{1} * tile.height * tile.width;
    const uint32_t limit = (uint32_t{1} << book.depth) - 1;
    planes.resize(static_cast<size_t>(size) * tile.planes);
    for (int c = 0; c < tile.planes; ++c) {
        const int64_t at = (tile.plane + c) * volume + tile.first;
        const auto load = [&](const auto* from) { load_rows(from + at, grid.shape[3], tile.height, tile.width, book.offset(), limit, planes.data() + c * size); };
        switch (samples.type) {
            case kSampleU8: load(static_cast<const uint8_t*>(samples.data)); break;
            case kSampleI8: load(static_cast<const int8_t*>(samples.data)); break;
            case kSampleU16: load(static_cast<const uint16_t*>(samples.data)); break;
            case kSampleI16: load(static_cast<const int16_t*>(samples.data)); break;
            default: throw std::invalid_argument("samples of this width are not supported");
        }
    }
    if (!book.colour) return;
    int32_t *a = planes.data(), *b = a + size, *c = b + size;
    const int32_t middle = book.components[1].zero;
    for (int64_t i = 0; i < size; ++i) {
        const SoftColour v = soft_colour_forward(a[i], b[i], c[i]);
        a[i] = v.a, b[i] = v.b + middle, c[i] = v.c + middle;
    }
}

void SoftLayers::fold(const int32_t* plane, int h, int w, const SoftComponent& c) {
    height = h, width = w;
    folded.resize(static_cast<size_t>(h) * w);
    const int bits = c.bits;
    uint32_t* to = folded.data();
    to[0] = soft_fold(plane[0], c.zero, bits);
    for (int x = 1; x < w; ++x) to[x] = soft_fold(plane[x], plane[x - 1], bits);
    for (int y = 1; y < h; ++y) {
        const int32_t *row = plane + int64_t{1} * y * w, *north = row - w;
        to += w;
        to[0] = soft_fold(row[0], north[0], bits);
        for (int x = 1; x < w; ++x) to[x] = soft_fold(row[x], soft_prediction(row[x - 1], north[x], north[x - 1]), bits);
    }
}

void SoftLayers::split(int shift) {
    upper.assign(static_cast<size_t>(stride()) * (height + kSoftSide - 1), 0);
    nonzeros.clear();
    for (int y = 0; y < height; ++y) {
        const uint32_t* from = folded.data() + static_cast<size_t>(y) * width;
        uint8_t* to = upper.data() + static_cast<size_t>(y) * stride();
        uint32_t any = 0;
        for (int x = 0; x < width; ++x) {
            const uint32_t v = from[x] >> shift;
            any |= v;
            to[x] = static_cast<uint8_t>(v < 255 ? v : 255);
        }
        if (any == 0) continue;
        for (int x = 0; x < stride(); x += 8) {
            uint64_t eight = 0;
            std::memcpy(&eight, to + x, static_cast<size_t>(std::min(8, stride() - x)));
            if (eight == 0) continue;
            for (int i = x; i < std::min(x + 8, width); ++i)
                if (to[i] != 0) nonzeros.push_back(static_cast<uint32_t>(y * width + i));
        }
    }
}

SoftShape SoftLayers::patch(int y, int x) const {
    SoftShape s;
    s.height = s.width = kSoftSide;
    for (int i = 0; i < kSoftSide; ++i) {
        const uint8_t* at = upper.data() + static_cast<size_t>(y + i) * stride() + x;
        s.rows[i] = at[0] | static_cast<uint32_t>(at[1]) << 8 | static_cast<uint32_t>(at[2]) << 16 | static_cast<uint32_t>(at[3]) << 24;
    }
    return s;
}

}  // namespace mmip
