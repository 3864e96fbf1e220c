// See tokens.h. The predictions of a tile as symbols with their raw bits.
#include "passes/tokens/tokens.h"

#include "rules/prediction/prediction.h"

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
            const int symbol = prediction_symbol(of[i], w, n), word = prediction_class(cells, w, n) * kPredictionAlphabet + symbol;
            ++counts[word];
            found = static_cast<uint16_t>(word << kAngleBits | (symbol == kSymbolAngle ? of[i] - kFirstAngle : 0));
        }
        list.predictions.push_back(found);
        for (int k = 0; k < cells; ++k) near[order.raster[i + k]] = of[i];
        i += cells;
    }
}

}  // namespace mmip
