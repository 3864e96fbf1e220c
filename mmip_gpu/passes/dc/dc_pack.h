// What stage 1 says of a tile, for writers: its class map and its DCs, listed once, then walked to count and to write.
// Values: classes and dc of the Coefficients in; symbols and raw bits to a sink. Home: host; one item of work = one tile.
// Implements FORMAT.md section 8.1. A sink has reserve(symbols), symbol(family, class, symbol), raw(value, bits), gamma(value).
#pragma once

#include <vector>

#include "rules/dc/dc_walk.h"
#include "passes/dc/dc_fit.h"
#include "passes/layout.h"

namespace mmip {

// The DCs of a tile as they are coded, in raster order.
struct DcList {
    std::vector<int32_t> residuals;
    std::vector<uint8_t> contexts;
};

inline DcList list_dcs(const Coefficients& c, const Tile& tile, const std::vector<std::vector<uint32_t>>& steps, const DcWeights& weights) {
    const TileOrder& order = *tile.order;
    const int cells = order.cells();
    const uint8_t* classes = c.classes.get() + tile.base;
    const int32_t* dc = c.dc.get() + tile.base;
    const size_t component = static_cast<size_t>(tile.plane) % steps[0].size();
    std::vector<int64_t> values(cells);
    std::vector<uint32_t> errors(cells);
    DcList list{std::vector<int32_t>(cells), std::vector<uint8_t>(cells)};
    int i = 0;
    for (int z = 0; z < order.az; ++z)
        for (int y = 0; y < order.ay; ++y)
            for (int x = 0; x < order.ax; ++x, ++i) {
                const int64_t step = steps[classes[i]][component];
                const CellPlace at{z, y, x, order.ay, order.ax};
                list.residuals[i] = static_cast<int32_t>(dc[i] - dc_prediction(&values[i], at, step, weights));
                values[i] = dc[i] * step;
                list.contexts[i] = static_cast<uint8_t>(dc_residual_context(&errors[i], at));
                errors[i] = index_magnitude(list.residuals[i]);
            }
    return list;
}

template <class Sink>
void walk_dc(const Coefficients& c, const Tile& tile, int class_count, const DcList& list, Sink& sink) {
    const int cells = tile.order->cells();
    if (class_count > 1) walk_classes(c.classes.get() + tile.base, tile.order->ay, tile.order->ax, cells, class_count, sink);
    walk_dcs(list.residuals.data(), list.contexts.data(), cells, sink);
}

}  // namespace mmip
