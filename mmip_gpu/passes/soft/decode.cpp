// Reads sub-streams. See tiles.h.
#include <algorithm>

#include "passes/coding/payload.h"
#include "passes/layout.h"
#include "passes/parallel.h"
#include "passes/soft/tiles.h"

namespace mmip {
namespace {

struct Work {
    std::vector<uint32_t> folded;
    std::vector<int32_t> planes;
};

inline uint32_t take_symbol(BitReader& bits, const SoftCode& code) {
    const uint32_t entry = code.table()[bits.peek(code.longest())];
    bits.skip(static_cast<int>(entry & 15));
    return entry >> 4;
}

template <bool has_raw>
void read_pairs(BitReader& bits, const SoftComponent& c, int width, uint32_t* upper, uint32_t* lower) {
    const int raw = c.raw_bits, detail = c.detail_bits;
    const uint32_t mask = (uint32_t{1} << detail) - 1;
    const auto take = [&](int x) {
        const uint32_t pair = take_symbol(bits, c.pair);
        uint32_t a = pair >> detail, b = pair & mask;
        if (has_raw) a = a << raw | bits.take(raw), b = b << raw | bits.take(raw);
        upper[x] = a, lower[x] = b;
    };
    constexpr int at_once = has_raw ? 1 : 4;
    int x = 0;
    for (; x + at_once <= width; x += at_once) {
        bits.refill();
        for (int i = 0; i < at_once; ++i) take(x + i);
    }
    for (; x < width; ++x) bits.refill(), take(x);
}

void read_lower(BitReader& bits, const SoftComponent& c, int height, int width, uint32_t* folded) {
    int y = 0;
    for (; y + 1 < height; y += 2, folded += 2 * width) {
        if (c.raw_bits > 0) read_pairs<true>(bits, c, width, folded, folded + width);
        else read_pairs<false>(bits, c, width, folded, folded + width);
        if (bits.overrun()) throw DataError(kStatusTruncated, "sub-stream: ends early");
    }
    if (y == height) return;
    for (int x = 0; x < width; ++x) {
        bits.refill();
        const uint32_t detail = take_symbol(bits, c.detail);
        folded[x] = detail << c.raw_bits | bits.take(c.raw_bits);
    }
}

void read_shapes(BitReader& bits, const SoftComponent& c, int height, int width, uint32_t* folded) {
    bits.refill();
    const uint32_t parameter = bits.take(kSoftParameterBits), size = static_cast<uint32_t>(height) * static_cast<uint32_t>(width);
    if (parameter == 0) return;
    const int shift = c.detail_bits + c.raw_bits;
    const uint32_t lower = (uint32_t{1} << shift) - 1, escape = static_cast<uint32_t>(c.shapes.size());
    for (uint32_t next = 0;;) {              // one past the last place
        if (bits.overrun()) throw DataError(kStatusTruncated, "sub-stream: ends early");
        const uint32_t gap = soft_take_gap(bits, parameter, size - next);
        if (gap == 0) return;
        if (gap > size - next) throw DataError(kStatusPosition, "sub-stream: a shape past the end of the tile");
        next += gap;
        bits.refill();
        const uint32_t symbol = take_symbol(bits, c.shape), place = next - 1;
        if (symbol == escape) {
            const uint32_t value = bits.take(c.shape_bits());
            if (value == 0) throw DataError(kStatusValue, "sub-stream: an escaped value of 0");
            folded[place] = (folded[place] & lower) | value << shift;
            continue;
        }
        const SoftShape& s = c.shapes[symbol];
        if (place / width + s.height > static_cast<uint32_t>(height) || place % width + s.width > static_cast<uint32_t>(width))
            throw DataError(kStatusPosition, "sub-stream: a shape past the end of the tile");
        for (int y = 0; y < s.height; ++y)
            for (int x = 0; x < s.width; ++x) {
                uint32_t& at = folded[place + static_cast<uint32_t>(y * width + x)];
                at = (at & lower) | static_cast<uint32_t>(s.cell(y, x)) << shift;
            }
    }
}

void unfold(const uint32_t* folded, int height, int width, const SoftComponent& c, int32_t* plane) {
    const int bits = c.bits;
    plane[0] = soft_unfold(folded[0], c.zero, bits);
    for (int x = 1; x < width; ++x) plane[x] = soft_unfold(folded[x], plane[x - 1], bits);
    for (int y = 1; y < height; ++y) {
        folded += width;
        const int32_t* north = plane;
        plane += width;
        int32_t west = plane[0] = soft_unfold(folded[0], north[0], bits);
        for (int x = 1; x < width; ++x) plane[x] = west = soft_unfold(folded[x], soft_prediction(west, north[x], north[x - 1]), bits);
    }
}

template <class T>
void store_rows(const int32_t* from, int height, int width, int32_t offset, T* to, int64_t row_samples) {
    for (int y = 0; y < height; ++y, from += width, to += row_samples)
        for (int x = 0; x < width; ++x) to[x] = static_cast<T>(from[x] - offset);
}

void store(const Samples& samples, const SoftGrid& grid, const SoftCodebook& book, const SoftTile& tile, std::vector<int32_t>& planes) {
    const int64_t volume = grid.shape[1] * grid.shape[2] * grid.shape[3], size = int64_t{1} * tile.height * tile.width;
    if (book.colour) {
        int32_t *a = planes.data(), *b = a + size, *c = b + size;
        const int32_t middle = book.components[1].zero;
        uint32_t all = 0;
        for (int64_t i = 0; i < size; ++i) {
            const SoftColour v = soft_colour_inverse(a[i], b[i] - middle, c[i] - middle);
            a[i] = v.a, b[i] = v.b, c[i] = v.c;
            all |= static_cast<uint32_t>(v.a) | static_cast<uint32_t>(v.b) | static_cast<uint32_t>(v.c);
        }
        if (all >> book.depth != 0) throw DataError(kStatusValue, "sub-stream: a colour outside of the depth");
    }
    for (int p = 0; p < tile.planes; ++p) {
        const int64_t at = (tile.plane + p) * volume + tile.first;
        const auto put = [&](auto* to) { store_rows(planes.data() + p * size, tile.height, tile.width, book.offset(), to + at, grid.shape[3]); };
        switch (samples.type) {
            case kSampleU8: put(static_cast<uint8_t*>(samples.data)); break;
            case kSampleI8: put(static_cast<int8_t*>(samples.data)); break;
            case kSampleU16: put(static_cast<uint16_t*>(samples.data)); break;
            default: put(static_cast<int16_t*>(samples.data)); break;
        }
    }
}

// Number of the sub-stream of a plane of a tile of the box, in the whole array.
int64_t substream_of(const SoftGrid& whole, const SoftGrid& inner, const SoftBox& box, const SoftTile& tile, int plane) {
    const int64_t x = tile.place % inner.tiles(1), y = tile.place / inner.tiles(1) % inner.tiles(0), z = tile.place / (inner.tiles(0) * inner.tiles(1));
    const int64_t place = ((box.low[1] + z) * whole.tiles(0) + box.low[2] + y) * whole.tiles(1) + box.low[3] + x;
    return (box.low[0] + tile.plane + plane) * whole.slice_tiles() + place;
}

SoftGrid grid_of_box(const SoftGrid& whole, const SoftBox& box) {
    SoftGrid inner = whole;
    inner.shape[0] = box.high[0] - box.low[0];
    inner.shape[1] = box.high[1] - box.low[1];
    for (int a = 0; a < 2; ++a) {
        const int log2 = whole.tile_log2[a];
        inner.shape[2 + a] = std::min(box.high[2 + a] << log2, whole.shape[2 + a]) - (box.low[2 + a] << log2);
    }
    return inner;
}

}  // namespace

void soft_decode(const uint8_t* payload, uint64_t size, const SoftGrid& whole, const SoftBox& box, const SoftCodebook& book, bool check_crc, const Samples& samples, int threads) {
    const ParameterPayload head = read_parameter_payload(payload, size, size, whole.substreams(), check_crc);
    if (head.parameter_bytes != 0) throw DataError(kStatusTrailing, "payload: parameters where there are none");
    const SoftGrid inner = grid_of_box(whole, box);
    std::vector<uint8_t> needed(static_cast<size_t>(head.groups()));
    for (int64_t item = 0; item < soft_tiles(inner, book); ++item) {
        const SoftTile tile = soft_tile(inner, book, item);
        for (int p = 0; p < tile.planes; ++p) needed[static_cast<size_t>(substream_of(whole, inner, box, tile, p) / kGroupSubstreams)] = 1;
    }
    parallel_for(head.groups(), threads, [&](int64_t group, int) {
        if (needed[static_cast<size_t>(group)] != 0) head.check_group(group);
    });
    std::vector<Work> works(static_cast<size_t>(std::max(threads, 1)));
    parallel_for(soft_tiles(inner, book), threads, [&](int64_t item, int worker) {
        Work& work = works[static_cast<size_t>(worker)];
        const SoftTile tile = soft_tile(inner, book, item);
        work.folded.resize(tile.samples());
        work.planes.resize(tile.samples() * tile.planes);
        for (int p = 0; p < tile.planes; ++p) {
            const SoftComponent& c = component_of(book, box.low[0] + tile.plane + p);
            const int64_t number = substream_of(whole, inner, box, tile, p);
            BitReader bits(head.substream(number), head.substream_bytes(number));
            read_lower(bits, c, tile.height, tile.width, work.folded.data());
            read_shapes(bits, c, tile.height, tile.width, work.folded.data());
            const Status end = bits.finish();
            if (end != kOk) throw DataError(end, end == kStatusTruncated ? "sub-stream: ends early" : "sub-stream: bytes left over");
            unfold(work.folded.data(), tile.height, tile.width, c, work.planes.data() + p * tile.samples());
        }
        store(samples, inner, book, tile, work.planes);
    });
}

}  // namespace mmip
