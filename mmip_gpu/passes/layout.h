// Where the cells, tiles and blocks of a chunk stand in memory; shared by all passes.
// Values: geometry in cells and tiles, tables of block shapes. Home: host. Implements FORMAT.md sections 3 and 4.4.
// Coefficients of a tile lie cell after cell in coding order, a block's in scan order, so that a block is contiguous.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "rules/blocks/blocks.h"
#include "rules/tokens/symbols.h"
#include "passes/kernels.h"

namespace mmip {

// A defect of the data (Status of rules/format.h) with the place where it was found.
struct DataError : std::runtime_error {
    int status;
    DataError(int code, const std::string& what) : std::runtime_error(what), status(code) {}
};

constexpr uint16_t kNoPosition = 0xffff;

// One block mode at one cell depth.
struct BlockTable {
    int mode = 0, cells = 0, count = 0;      // count = AC coefficients
    int size[3] = {0, 0, 0};                 // samples on z, y, x
    std::vector<uint16_t> scan;              // position -> place [kz][kx][ky] in the transposed block
    std::vector<uint16_t> order;             // place -> position; kNoPosition for the DC and the corner
    std::vector<uint16_t> neighbours;        // 6 per position (three of weight 2, three of weight 1); count = none
};

// nullptr where the mode does not exist at this depth.
const BlockTable* block_table(int mode, int cell_depth);

// The positions of every mode as the token contexts of some stages see them; one more at the end, where a run may lead.
struct ScanContexts {
    int depth;
    std::vector<int> cuts;
    std::vector<BlockPosition> positions[kModeCount];
};

// The chunks of an array have the same cuts, and so have their DC images: they share one.
std::shared_ptr<const ScanContexts> scan_contexts(int depth, const std::vector<int>& cuts);

// What the context of a token stands for, unit_of(context), for each difference of its logarithms (room - left of gap_class, 0 to
// kCountLogs - 1), place_class and neighbour_sum of magnitudes up to kEnoughMagnitude; all are below 2^16.
std::vector<uint16_t> token_places(const std::function<int(int)>& unit_of);

// How far the nonzeros left (0, which counts like 1, to kMaxBlockCount) move back in it from where `sums` of a position points.
const uint16_t* token_left_offsets();

// Coding order of a tile of az x ay x ax cells.
struct TileOrder {
    int depth = 1, az = 0, ay = 0, ax = 0;
    std::vector<uint16_t> raster;            // coding index -> raster index in the tile
    std::vector<uint16_t> z, y, x;           // coding index -> place in the tile
    std::vector<uint8_t> merges;             // coding index -> see header_class of rules/tokens/symbols.h

    int cells() const { return az * ay * ax; }
    // Whether a block of this shape may start at coding index i.
    bool fits(int i, const BlockShape& s) const {
        return s.cells > 0 && z[i] % s.z == 0 && y[i] % s.y == 0 && x[i] % s.x == 0 && z[i] + s.z <= az &&
               y[i] + s.y <= ay && x[i] + s.x <= ax;
    }
};

std::unique_ptr<TileOrder> make_order(int depth, int az, int ay, int ax);

struct Geometry {
    int64_t planes = 0;
    int64_t shape[3] = {0, 0, 0};            // samples on z, y, x
    int depth = 1;
    int tile_log2[3] = {0, 0, 0};

    int64_t grid(int axis) const {
        const int64_t cell = axis == 0 ? depth : kCellSize;
        return (shape[axis] + cell - 1) / cell;
    }
    int64_t tiles(int axis) const { return (grid(axis) + (int64_t{1} << tile_log2[axis]) - 1) >> tile_log2[axis]; }
    int64_t substreams() const { return planes * tiles(0) * tiles(1) * tiles(2); }
};

// The nonzero AC indices of a tile as an encoder holds them: block after block in coding order, each in scan order, and
// kOutputSlack elements of any value after them (kernels take eight at a time).
struct Entries {
    std::vector<uint16_t> position;
    std::vector<int32_t> value;
    std::vector<uint16_t> count;             // at the first cell of each block (coding order), 0 at its other cells
};

// A tile whose blocks are chosen, and whose indices other steps may still be taken for: values are scaled magnitudes with their signs, but
// indices in reversible blocks.
struct ScaledTile {
    Entries entries;
    std::vector<int32_t> dc;                 // scaled, with signs; raster order
    std::vector<uint8_t> mode;               // coding order
    int64_t rest[kMaxClasses] = {};          // distortion of what is not among the entries
};

// A box of tiles, half open, and of planes.
struct TileBox {
    int64_t planes[2] = {0, 0};
    int64_t low[3] = {0, 0, 0}, high[3] = {0, 0, 0};
};

struct Tile {
    int64_t plane, cell[3];                  // plane of the chunk; first cell
    int64_t substream;                       // index among all sub-streams of the chunk
    int64_t base;                            // first cell of the tile in the buffers of the box
    const TileOrder* order;
};

// The quantized chunk, or the tiles of it that a box names: what stands between the transform and the entropy coder.
class Coefficients {
public:
    Coefficients(const Geometry& geometry, const TileBox& box, std::vector<int> cuts);

    Geometry geometry;
    TileBox box;
    std::vector<int> cuts;                   // cuts[0] = 0 .. cuts[stages - 1] = all AC of a cell
    std::shared_ptr<const ScanContexts> contexts;
    std::vector<Tile> tiles;
    int64_t cells = 0;
    std::unique_ptr<int32_t[]> dc;           // per tile in raster order
    std::unique_ptr<uint8_t[]> classes;      // per tile in raster order
    std::unique_ptr<uint8_t[]> modes;        // per tile in coding order
    std::unique_ptr<uint8_t[]> predictions;  // per tile in coding order, see rules/prediction/prediction.h; null: blocks have none
    std::unique_ptr<int32_t[]> ac;           // per tile in coding order; cell_coefficients() per cell; see allocate_ac
    std::unique_ptr<uint64_t[]> mask;        // per tile in raster order, a word per slice of a cell; only with padding, see mask.h
    std::unique_ptr<Coefficients> dc_image;  // of the same tiles; then `dc` is in 1/16 step. See dc_image.h

    std::vector<Entries> entries;            // per tile; what the encoder writes from
    std::vector<ScaledTile> scaled;          // per tile, or none; what requantizing starts from

    // Between the two forms of the AC indices.
    void fill_ac();
    void fill_entries();

    void allocate_ac() { ac.reset(new int32_t[cells * per_cell()]); }   // not zeroed
    void allocate_predictions() { predictions.reset(new uint8_t[cells]()); }
    // Whether any block has one, which is when an encoder says that there are some.
    bool has_predictions() const { return predictions && std::any_of(predictions.get(), predictions.get() + cells, [](uint8_t p) { return p != 0; }); }
    void allocate_mask() { mask.reset(new uint64_t[cells * geometry.depth]()); }

    int stages() const { return static_cast<int>(cuts.size()); }
    int per_cell() const { return cell_coefficients(geometry.depth); }
    // Of the box, in the plane: its first cell, and how many it has.
    int64_t first_cell(int axis) const { return box.low[axis] << geometry.tile_log2[axis]; }
    int64_t box_cells(int axis) const { return std::min(box.high[axis] << geometry.tile_log2[axis], geometry.grid(axis)) - first_cell(axis); }

private:
    std::vector<std::unique_ptr<TileOrder>> orders_;
};

}  // namespace mmip
