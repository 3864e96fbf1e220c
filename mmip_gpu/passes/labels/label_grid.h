// Planes of labels, their tiles and the dtype of their samples.
// Values: sizes in samples; boxes of planes and tiles. Home: host. Implements FORMAT.md section 8.8 (tiles).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace mmip {

struct LabelTile {
    int64_t plane;
    std::array<int64_t, 3> start;            // z, y, x
    std::array<int, 3> size;

    int64_t rows() const { return int64_t{size[0]} * size[1]; }
    int64_t samples() const { return rows() * size[2]; }
};

struct LabelGrid {
    int64_t planes = 0;
    std::array<int64_t, 3> shape{};
    std::array<int, 3> tile_log2{};

    int64_t tiles(int axis) const { return (shape[axis] + (int64_t{1} << tile_log2[axis]) - 1) >> tile_log2[axis]; }
    int64_t substreams() const { return planes * tiles(0) * tiles(1) * tiles(2); }

    int64_t substream(int64_t plane, int64_t z, int64_t y, int64_t x) const { return ((plane * tiles(0) + z) * tiles(1) + y) * tiles(2) + x; }

    LabelTile tile(int64_t substream) const {
        LabelTile t{};
        for (int axis = 2; axis >= 0; --axis) {
            t.start[axis] = (substream % tiles(axis)) << tile_log2[axis];
            t.size[axis] = static_cast<int>(std::min(shape[axis] - t.start[axis], int64_t{1} << tile_log2[axis]));
            substream /= tiles(axis);
        }
        t.plane = substream;
        return t;
    }
};

// From, to: of planes, then of tiles on z, y, x.
using LabelBox = std::array<int64_t, 8>;

// Bytes of a sample, and whether it has a sign.
struct LabelType {
    int bytes;
    bool is_signed;
};

// Calls work(T{}) with the type of the samples.
template <class Work>
auto with_label_type(LabelType type, const Work& work) {
    switch (type.bytes) {
        case 1: return type.is_signed ? work(int8_t{}) : work(uint8_t{});
        case 2: return type.is_signed ? work(int16_t{}) : work(uint16_t{});
        case 4: return type.is_signed ? work(int32_t{}) : work(uint32_t{});
        default: return type.is_signed ? work(int64_t{}) : work(uint64_t{});
    }
}

}  // namespace mmip
