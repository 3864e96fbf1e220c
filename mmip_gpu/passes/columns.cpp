// See columns.h.
#include "passes/columns.h"

#include <algorithm>

#include "rules/palette/palette.h"
#include "rules/prediction/prediction.h"

namespace mmip {
namespace {

// Where cells stand in an array that begins with the first plane and cell of a box.
class CellPlaces {
public:
    CellPlaces(const Coefficients& c, const int64_t* grid) : box_(c.box), grid_(grid), first_{c.first_cell(0), c.first_cell(1), c.first_cell(2)} {}

    int64_t operator()(const Tile& tile, int raster) const {
        const int row = tile.order->ax, slice = tile.order->ax * tile.order->ay;
        const int64_t z = tile.cell[0] - first_[0] + raster / slice, y = tile.cell[1] - first_[1] + raster / row % tile.order->ay;
        const int64_t x = tile.cell[2] - first_[2] + raster % row;
        return (((tile.plane - box_.planes[0]) * grid_[1] + z) * grid_[2] + y) * grid_[3] + x;
    }

private:
    const TileBox& box_;
    const int64_t* grid_;
    int64_t first_[3];
};

bool any_nonzero(const int32_t* q, int from, int to) {
    return std::any_of(q + from, q + to, [](int32_t v) { return v != 0; });
}

[[noreturn]] void refuse(const Tile& tile, const char* what) {
    throw DataError(kStatusDisagree, "stage array, tile at cell (" + std::to_string(tile.cell[0]) + ", " + std::to_string(tile.cell[1]) +
                                         ", " + std::to_string(tile.cell[2]) + "): " + what);
}

// Each slice of a cell as two columns: the bits of rows 0..3, then of rows 4..7.
void mask_to_columns(const uint64_t* mask, int depth, int32_t* to) {
    for (int k = 0; k < depth; ++k) {
        to[2 * k] = static_cast<int32_t>(static_cast<uint32_t>(mask[k]));
        to[2 * k + 1] = static_cast<int32_t>(static_cast<uint32_t>(mask[k] >> 32));
    }
}

void mask_from_columns(const int32_t* from, int depth, uint64_t* mask) {
    for (int k = 0; k < depth; ++k)
        mask[k] = static_cast<uint32_t>(from[2 * k]) | static_cast<uint64_t>(static_cast<uint32_t>(from[2 * k + 1])) << 32;
}

// Where the AC of a stage array stand: the scan positions [low, high) of a cell, in the columns from `first` on.
struct AcColumns {
    int low, high, first, columns;
    bool predicted;                          // column 0 has predictions beside the modes
};

AcColumns ac_columns(const Coefficients& c, int stage) { return {c.cuts[stage - 2], c.cuts[stage - 1], 1, stage_columns(c, stage), stage == 2}; }

constexpr int kImageFirst = 2;               // after mode and DC

// Mode and AC of the tile's blocks; `later` stages tell no mode of an empty block.
void ac_to_columns(const Coefficients& c, const Tile& tile, const AcColumns& at, bool later, const CellPlaces& place, int32_t* array) {
    const TileOrder& order = *tile.order;
    for (int i = 0; i < order.cells();) {
        const BlockTable& table = *block_table(c.modes[tile.base + i], c.geometry.depth);
        const int m = table.cells;
        const int32_t* q = c.ac.get() + (tile.base + i) * c.per_cell();
        const int mode = later && !any_nonzero(q, m * at.low, m * at.high) ? kMode8 : table.mode;
        const int column = at.predicted && c.predictions ? mode + kPredictionUnit * c.predictions[tile.base + i] : mode;
        for (int j = 0; j < m; ++j) {
            int32_t* to = array + place(tile, order.raster[i + j]) * at.columns;
            to[0] = column;
            for (int p = at.low; p < at.high; ++p) to[at.first + p - at.low] = q[m * p + j];
        }
        i += m;
    }
}

// The prediction that column 0 of stage 2 says beside the mode, checked against its place.
void prediction_from_column(Coefficients& c, const Tile& tile, int i, const BlockTable& table, int prediction) {
    if (prediction == kPredictNone) return;
    const TileOrder& order = *tile.order;
    if (table.mode == kModePalette || c.geometry.depth != 1 || !prediction_fits(prediction, table.cells, order.z[i], order.y[i], order.x[i]))
        refuse(tile, "prediction that does not exist or does not fit there");
    if (!c.predictions) c.allocate_predictions();
    std::fill_n(c.predictions.get() + tile.base + i, table.cells, static_cast<uint8_t>(prediction));
}

void ac_from_columns(Coefficients& c, const Tile& tile, const AcColumns& at, bool later, const CellPlaces& place, const int32_t* array) {
    const TileOrder& order = *tile.order;
    for (int i = 0; i < order.cells();) {
        const int32_t* from = array + place(tile, order.raster[i]) * at.columns;
        const int mode = at.predicted ? from[0] % kPredictionUnit : from[0];
        const BlockTable* table = from[0] < 0 || mode >= kModeCount ? nullptr : block_table(mode, c.geometry.depth);
        if (table == nullptr || !order.fits(i, block_shape(mode, c.geometry.depth))) refuse(tile, "block mode out of range or misplaced");
        const int m = table->cells;
        int32_t* q = c.ac.get() + (tile.base + i) * c.per_cell();
        for (int j = 0; j < m; ++j) {
            const int32_t* cell = array + place(tile, order.raster[i + j]) * at.columns;
            if (cell[0] != from[0]) refuse(tile, "cells of a merged block differ in mode or prediction");
            for (int p = at.low; p < at.high; ++p) {
                const int32_t v = cell[at.first + p - at.low];
                if (v <= -kMaxIndex || v >= kMaxIndex) refuse(tile, "coefficient out of range");
                q[m * p + j] = v;
            }
            c.modes[tile.base + i + j] = static_cast<uint8_t>(mode);
        }
        if (at.predicted) prediction_from_column(c, tile, i, *table, from[0] / kPredictionUnit);
        if (table->mode == kModePalette && (later || !is_palette(q, c.geometry.depth, at.high))) refuse(tile, "not a palette");
        if (later && table->mode != kMode8 && !any_nonzero(q, m * at.low, m * at.high)) refuse(tile, "an empty block whose mode is not 0");
        i += m;
    }
}

int32_t checked_dc(const Tile& tile, int32_t dc) {
    if (dc <= -kMaxIndex || dc >= kMaxIndex) refuse(tile, "DC index out of range");
    return dc;
}

void allocate_zeros(Coefficients& c) {
    c.allocate_ac();
    std::fill_n(c.ac.get(), c.cells * c.per_cell(), 0);
}

}  // namespace

int stage_columns(const Coefficients& c, int stage) {
    if (stage > 1) return 1 + c.cuts[stage - 1] - c.cuts[stage - 2];
    return c.dc_image ? kImageFirst + cell_coefficients(1) : c.mask ? 2 + 2 * c.geometry.depth : 2;
}

void stage_to_columns(const Coefficients& c, int stage, const int64_t* grid, int32_t* array) {
    const int columns = stage_columns(c, stage);
    std::fill_n(array, grid[0] * grid[1] * grid[2] * grid[3] * columns, -1);
    const Coefficients& of_dcs = stage == 1 && c.dc_image ? *c.dc_image : c;
    const CellPlaces place(of_dcs, grid);
    if (stage > 1) {
        for (const Tile& tile : c.tiles) ac_to_columns(c, tile, ac_columns(c, stage), stage > 2, place, array);
        return;
    }
    for (const Tile& tile : of_dcs.tiles) {
        if (c.dc_image) ac_to_columns(of_dcs, tile, {0, cell_coefficients(1), kImageFirst, columns, false}, false, place, array);
        for (int i = 0; i < tile.order->cells(); ++i) {
            int32_t* to = array + place(tile, i) * columns;
            to[1] = of_dcs.dc[tile.base + i];
            if (c.dc_image) continue;
            to[0] = c.classes[tile.base + i];
            if (c.mask) mask_to_columns(c.mask.get() + (tile.base + i) * c.geometry.depth, c.geometry.depth, to + 2);
        }
    }
}

void stage_from_columns(Coefficients& c, int stage, const int64_t* grid, const int32_t* array, int class_count) {
    const int columns = stage_columns(c, stage);
    Coefficients& of_dcs = stage == 1 && c.dc_image ? *c.dc_image : c;
    const CellPlaces place(of_dcs, grid);
    if (stage > 1) {
        allocate_zeros(c);
        if (stage == 2 && c.predictions) c.allocate_predictions();
        for (const Tile& tile : c.tiles) ac_from_columns(c, tile, ac_columns(c, stage), stage > 2, place, array);
        return;
    }
    if (c.dc_image) allocate_zeros(of_dcs);
    for (const Tile& tile : of_dcs.tiles) {
        if (c.dc_image) ac_from_columns(of_dcs, tile, {0, cell_coefficients(1), kImageFirst, columns, false}, false, place, array);
        for (int i = 0; i < tile.order->cells(); ++i) {
            const int32_t* from = array + place(tile, i) * columns;
            of_dcs.dc[tile.base + i] = checked_dc(tile, from[1]);
            if (c.dc_image) continue;
            if (from[0] < 0 || from[0] >= class_count) refuse(tile, "class out of range");
            c.classes[tile.base + i] = static_cast<uint8_t>(from[0]);
            if (c.mask) mask_from_columns(from + 2, c.geometry.depth, c.mask.get() + (tile.base + i) * c.geometry.depth);
        }
    }
}

}  // namespace mmip
