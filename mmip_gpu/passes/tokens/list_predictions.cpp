// See tokens.h. The predictions of a tile as symbols with their raw bits.
#include "passes/tokens/tokens.h"

#include "rules/prediction/listed_prediction.h"

namespace mmip {

void list_predictions(const Coefficients& c, const Tile& tile, TokenList& list, uint32_t* counts) {
    const TileOrder& order = *tile.order;
    const uint8_t *modes = c.modes.get() + tile.base, *of = c.predictions.get() + tile.base;
    std::vector<uint8_t> near(order.cells());   // raster order
    for (int i = 0; i < order.cells();) {
        const int cells = block_table(modes[i], c.geometry.depth)->cells, at = order.raster[i];
        uint16_t found = kNoPrediction;
        if (modes[i] != kModePalette && may_be_predicted(cells, order.z[i], order.y[i], order.x[i])) {
            const int w = order.x[i] > 0 ? near[at - 1] : kPredictNone, n = order.y[i] > 0 ? near[at - order.ax] : kPredictNone;
            found = listed_prediction(of[i], cells, w, n);
            ++counts[listed_symbol(found)];
        }
        list.predictions.push_back(found);
        for (int k = 0; k < cells; ++k) near[order.raster[i + k]] = of[i];
        i += cells;
    }
}

}  // namespace mmip
