// Prediction and context of a DC index from its neighbours in the tile.
// Values: dequantized integers v = q * step (int64) and |residual| (uint32) of the cells before, in raster order of the tile.
// Host and device. Implements FORMAT.md section 8.1.
#pragma once

#include "rules/tokens/symbols.h"

namespace MMIP_NS {

constexpr int kLargestDcRunSymbol = 27;      // N(n) of n < 2^13: a tile has at most 2^12 cells

struct CellPlace {
    int z, y, x;       // of the cell, in the tile
    int height, width; // of the tile, in cells
};

constexpr int kDcFirstWeights = 4, kDcLaterWeights = 7, kDcWeights = kDcFirstWeights + kDcLaterWeights;

// Of W, N, NW, NE in the first slice of a tile, of W, N, NW, NE, P, PW, PN in later ones; in 1/64.
struct DcWeights {
    int8_t of[kDcWeights];
};

MMIP_RULE DcWeights builtin_dc_weights() { return {{36, 26, -12, 14, 22, 26, -4, 4, 48, -14, -18}}; }

// v points at the cell itself; earlier cells lie before it.
MMIP_RULE int64_t dc_prediction(const int64_t* v, CellPlace at, int64_t step, const DcWeights& weights) {
    const int row = at.width, slice = at.width * at.height;
    int64_t sum = 0;
    if (at.x > 0 && at.y > 0) {
        const int64_t w = v[-1], n = v[-row], nw = v[-row - 1];
        const int64_t ne = at.x + 1 < at.width ? v[-row + 1] : n;
        int64_t low = least(least(w, n), ne), high = greatest(greatest(w, n), ne);
        if (at.z == 0) {
            const int8_t* k = weights.of;
            sum = k[0] * w + k[1] * n + k[2] * nw + k[3] * ne;
        } else {
            const int64_t p = v[-slice], pw = v[-slice - 1], pn = v[-slice - row];
            low = least(low, p), high = greatest(high, p);
            const int8_t* k = weights.of + kDcFirstWeights;
            sum = k[0] * w + k[1] * n + k[2] * nw + k[3] * ne + k[4] * p + k[5] * pw + k[6] * pn;
        }
        sum = least(greatest(sum, 64 * low), 64 * high);
    } else if (at.x > 0) {
        sum = 64 * (at.z == 0 ? v[-1] : median_prediction(v[-1], v[-slice], v[-slice - 1]));
    } else if (at.y > 0) {
        sum = 64 * (at.z == 0 ? v[-row] : median_prediction(v[-row], v[-slice], v[-slice - row]));
    } else if (at.z > 0) {
        sum = 64 * v[-slice];
    }
    return floor_divide(sum + 32 * step, 64 * step);
}

// e points at the place of the cell's own |residual|.
MMIP_RULE int dc_residual_context(const uint32_t* e, CellPlace at) {
    const int row = at.width, slice = at.width * at.height;
    uint64_t sum = 0;
    uint32_t weight = 0;
    if (at.x > 0) sum += 2 * static_cast<uint64_t>(e[-1]), weight += 2;
    if (at.y > 0) sum += 2 * static_cast<uint64_t>(e[-row]), weight += 2;
    if (at.x > 0 && at.y > 0) sum += e[-row - 1], weight += 1;
    if (at.y > 0 && at.x + 1 < at.width) sum += e[-row + 1], weight += 1;
    if (at.z > 0) sum += 2 * static_cast<uint64_t>(e[-slice]), weight += 2;
    return dc_context(sum, weight);
}

}  // namespace MMIP_NS
