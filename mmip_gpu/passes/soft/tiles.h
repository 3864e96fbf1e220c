// Tiles of planes as sub-streams of soft compression, and back.
// Values: samples (planes, Z, Y, X) and a codebook in; a sub-stream for each tile of each plane out. Home: host.
// Implements FORMAT.md section 8.11. Bytes are equal for any number of threads.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "passes/blocks/analyze.h"
#include "passes/soft/codebook.h"

namespace mmip {

// How an array is cut into tiles of one slice of one plane.
struct SoftGrid {
    std::array<int64_t, 4> shape{};    // planes, Z, Y, X
    std::array<int, 2> tile_log2{};    // on y, x

    int64_t tiles(int axis) const { return (shape[2 + axis] + (int64_t{1} << tile_log2[axis]) - 1) >> tile_log2[axis]; }
    int64_t slice_tiles() const { return shape[1] * tiles(0) * tiles(1); }
    int64_t substreams() const { return shape[0] * slice_tiles(); }
};

// One tile of the planes that are transformed together: where it stands, and its place among those of a plane.
struct SoftTile {
    int64_t plane, place, first;       // first: of its samples, in the plane
    int height, width, planes;

    size_t samples() const { return static_cast<size_t>(height) * static_cast<size_t>(width); }
    int64_t substream(int component, const SoftGrid& grid) const { return (plane + component) * grid.slice_tiles() + place; }
};

int64_t soft_tiles(const SoftGrid& grid, const SoftCodebook& book);
SoftTile soft_tile(const SoftGrid& grid, const SoftCodebook& book, int64_t item);

// Component of a plane of an array.
inline const SoftComponent& component_of(const SoftCodebook& book, int64_t plane) { return book.components[plane % static_cast<int64_t>(book.components.size())]; }

// The layers of one tile of one plane.
struct SoftLayers {
    int height = 0, width = 0;
    std::vector<uint32_t> folded;         // residuals
    std::vector<uint8_t> upper;           // shape layer, at most 255, and zeros: four columns, three rows
    std::vector<uint32_t> nonzeros;       // their places in `folded`, in raster order

    int stride() const { return width + kSoftSide; }
    void fold(const int32_t* plane, int height, int width, const SoftComponent& c);
    void split(int shift);
    // The largest patch at (y, x), zeros past the end.
    SoftShape patch(int y, int x) const;
};

// The planes of a tile as integers from 0 on, one after another. Throws std::invalid_argument for a sample outside of the depth.
void soft_load(const Samples& samples, const SoftGrid& grid, const SoftCodebook& book, const SoftTile& tile, std::vector<int32_t>& planes);

// Where an encoder puts shapes: `found[i]` is the shape at the i-th nonzero, the escape, or -1.
struct SoftPlacement {
    std::vector<int32_t> found;
    void place(const SoftLayers& layers, const SoftComponent& c);

private:
    struct Candidate {
        uint32_t nonzero;
        int32_t shape;
    };
    // Fills ordered_: by shape, each in raster order.
    void find_candidates(const SoftLayers& layers, const SoftComponent& c);

    std::vector<Candidate> candidates_, ordered_;
    std::vector<uint32_t> starts_;
    std::vector<uint8_t> covered_;
};

// The payload of an array (FORMAT.md section 6).
std::string soft_encode(const Samples& samples, const SoftGrid& grid, const SoftCodebook& book, int threads);

// What the shapes of a component take, in bits.
struct SoftUse {
    int64_t shapes = 0, location_bits = 0, codeword_bits = 0;
    int64_t layer_bits = 0;            // of the shape layer as it is
};

std::vector<SoftUse> soft_uses(const Samples& samples, const SoftGrid& grid, const SoftCodebook& book);

// Planes, slices and tiles on y and x of an array, from .. to.
struct SoftBox {
    std::array<int64_t, 4> low{}, high{};
};

// Fills samples of the tiles of a box from the payload of the whole array (FORMAT.md section 6).
void soft_decode(const uint8_t* payload, uint64_t size, const SoftGrid& whole, const SoftBox& box, const SoftCodebook& book, bool check_crc, const Samples& samples, int threads);

}  // namespace mmip
