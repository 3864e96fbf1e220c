// What stage 1 says of a tile, for writers: its class map and its DCs, listed once, then walked to count and to write.
// Values: classes and dc of the Coefficients in; symbols and raw bits to a sink. Home: host; one item of work = one tile.
// Implements FORMAT.md section 8.1. A sink has reserve(symbols), symbol(family, class, symbol), raw(value, bits), gamma(value).
#pragma once

#include <vector>

#include "../rules/dc.h"
#include "dc_fit.h"
#include "layout.h"

namespace mmip {

inline uint32_t magnitude(int32_t q) { return static_cast<uint32_t>(q < 0 ? -q : q); }

template <class Sink>
void put_sign_and_low_bits(Sink& sink, int32_t q, int size) {
    const uint32_t sign = q < 0 ? 1 : 0;
    sink.raw((sign << (size - 1)) | (magnitude(q) & ((1u << (size - 1)) - 1)), size);
}

template <class Sink>
void walk_classes(const uint8_t* classes, const TileOrder& order, int class_count, Sink& sink) {
    const int width = order.ax, row_cells = order.ax * order.ay, cells = order.cells();
    const int bits = bit_length(static_cast<uint32_t>(class_count - 2));
    uint32_t right = 0;
    for (int i = 0; i < cells; ++i) {
        const int x = i % width, y = (i % row_cells) / width;
        const int predicted = predicted_class(x > 0, y > 0, x > 0 ? classes[i - 1] : 0, y > 0 ? classes[i - width] : 0,
                                              x > 0 && y > 0 ? classes[i - width - 1] : 0, i > 0 ? classes[i - 1] : 0);
        if (classes[i] == predicted) {
            ++right;
            continue;
        }
        sink.reserve(4);
        sink.gamma(right + 1);
        sink.raw(static_cast<uint32_t>(classes[i] > predicted ? classes[i] - 1 : classes[i]), bits);
        right = 0;
    }
    if (right > 0) {
        sink.reserve(2);
        sink.gamma(right + 1);
    }
}

// Sends how many cells of context 0 from cell i on have residual 0; returns the cell that ends the run.
template <class Sink>
int put_run(const std::vector<uint8_t>& contexts, const std::vector<int32_t>& residuals, int i, Sink& sink) {
    uint32_t zeros = 0;
    const int cells = static_cast<int>(contexts.size());
    for (; i < cells && (contexts[i] != 0 || residuals[i] == 0); ++i) zeros += contexts[i] == 0 ? 1 : 0;
    const int symbol = count_symbol(zeros), extra = count_extra_bits(symbol);
    sink.symbol(0, kDcRunClass, symbol);
    sink.raw(zeros & ((1u << extra) - 1), extra);
    return i;
}

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
                errors[i] = magnitude(list.residuals[i]);
            }
    return list;
}

template <class Sink>
void walk_dc(const Coefficients& c, const Tile& tile, int class_count, const DcList& list, Sink& sink) {
    const int cells = tile.order->cells();
    if (class_count > 1) walk_classes(c.classes.get() + tile.base, *tile.order, class_count, sink);
    const std::vector<int32_t>& residuals = list.residuals;
    const std::vector<uint8_t>& contexts = list.contexts;
    sink.reserve(2 * static_cast<int64_t>(cells) + 1);
    int run_end = -1;                        // the cell that ends the run at hand
    for (int i = 0; i < cells; ++i) {
        if (contexts[i] == 0) {
            if (i > run_end) run_end = put_run(contexts, residuals, i, sink);
            if (i < run_end) continue;
        }
        const int size = bit_length(magnitude(residuals[i]));
        sink.symbol(0, contexts[i], size);
        if (size > 0) put_sign_and_low_bits(sink, residuals[i], size);
    }
}

}  // namespace mmip
