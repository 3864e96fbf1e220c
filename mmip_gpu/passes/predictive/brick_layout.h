// Tiles and bricks of a chunk of the predictive kinds.
// Values: sizes in samples; numbers of planes, bricks and sub-streams. Home: host. Implements FORMAT.md section 3.1.
#pragma once

#include <algorithm>
#include <cstdint>

namespace mmip {

struct Brick {
    int64_t origin[3];
    int extent[3];
};

struct BrickLayout {
    int64_t planes = 0, shape[3] = {0, 0, 0};
    int tile_log2[3] = {0, 0, 0}, brick_log2[3] = {0, 0, 0};

    static int64_t over(int64_t n, int log2) { return (n + (int64_t{1} << log2) - 1) >> log2; }
    int64_t bricks(int axis) const { return over(shape[axis], brick_log2[axis]); }
    int64_t tiles(int axis) const { return over(shape[axis], tile_log2[axis]); }
    int64_t bricks_of_plane() const { return bricks(0) * bricks(1) * bricks(2); }
    int64_t tiles_of_plane() const { return tiles(0) * tiles(1) * tiles(2); }
    int64_t substreams() const { return planes * tiles_of_plane(); }

    Brick brick(int64_t number) const {
        const int64_t at[3] = {number / (bricks(1) * bricks(2)), number / bricks(2) % bricks(1), number % bricks(2)};
        Brick b;
        for (int a = 0; a < 3; ++a) {
            b.origin[a] = at[a] << brick_log2[a];
            b.extent[a] = static_cast<int>(std::min(int64_t{1} << brick_log2[a], shape[a] - b.origin[a]));
        }
        return b;
    }

    // Number of the first sub-stream of a brick; its others follow in raster order.
    int64_t first_substream(int64_t plane, const Brick& b) const {
        const int64_t z = over(b.extent[0], tile_log2[0]), y = over(b.extent[1], tile_log2[1]);
        return plane * tiles_of_plane() + (b.origin[0] >> tile_log2[0]) * tiles(1) * tiles(2) +
               z * ((b.origin[1] >> tile_log2[1]) * tiles(2) + y * (b.origin[2] >> tile_log2[2]));
    }
};

// work(number of the tile in the brick, its first sample, its extent) in raster order.
template <class Work>
void for_tiles(const BrickLayout& layout, const int* extent, const Work& work) {
    const int* log2 = layout.tile_log2;
    int number = 0;
    int first[3], size[3];
    for (first[0] = 0; first[0] < extent[0]; first[0] += 1 << log2[0])
        for (first[1] = 0; first[1] < extent[1]; first[1] += 1 << log2[1])
            for (first[2] = 0; first[2] < extent[2]; first[2] += 1 << log2[2]) {
                for (int a = 0; a < 3; ++a) size[a] = std::min(1 << log2[a], extent[a] - first[a]);
                work(number++, first, size);
            }
}

}  // namespace mmip
