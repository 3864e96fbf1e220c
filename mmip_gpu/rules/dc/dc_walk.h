// The symbols of a stage 1 sub-stream in their order: the class map as runs of right predictions, the DCs as residuals.
// Values: classes, residuals and contexts of a tile's cells in raster order; any sink with reserve(symbols),
// symbol(family, class, symbol), raw(value, bits), gamma(value). Host and device. Implements FORMAT.md section 8.1.
#pragma once

#include "rules/dc/dc.h"

namespace MMIP_NS {

template <class Sink>
MMIP_RULE void put_sign_and_low_bits(Sink& sink, int32_t q, int size) {
    const uint32_t sign = q < 0 ? 1 : 0;
    sink.raw((sign << (size - 1)) | (index_magnitude(q) & ((1u << (size - 1)) - 1)), size);
}

template <class Sink>
MMIP_RULE void walk_classes(const uint8_t* classes, int height, int width, int cells, int class_count, Sink& sink) {
    const int bits = bit_length(static_cast<uint32_t>(class_count - 2));
    uint32_t right = 0;
    for (int i = 0; i < cells; ++i) {
        const int x = i % width, y = i / width % height;
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
MMIP_RULE int put_dc_run(const int32_t* residuals, const uint8_t* contexts, int cells, int i, Sink& sink) {
    uint32_t zeros = 0;
    for (; i < cells && (contexts[i] != 0 || residuals[i] == 0); ++i) zeros += contexts[i] == 0 ? 1 : 0;
    const int symbol = count_symbol(zeros), extra = count_extra_bits(symbol);
    sink.symbol(0, kDcRunClass, symbol);
    sink.raw(zeros & ((1u << extra) - 1), extra);
    return i;
}

template <class Sink>
MMIP_RULE void walk_dcs(const int32_t* residuals, const uint8_t* contexts, int cells, Sink& sink) {
    sink.reserve(2 * static_cast<int64_t>(cells) + 1);
    int run_end = -1;                        // the cell that ends the run at hand
    for (int i = 0; i < cells; ++i) {
        if (contexts[i] == 0) {
            if (i > run_end) run_end = put_dc_run(residuals, contexts, cells, i, sink);
            if (i < run_end) continue;
        }
        const int size = bit_length(index_magnitude(residuals[i]));
        sink.symbol(0, contexts[i], size);
        if (size > 0) put_sign_and_low_bits(sink, residuals[i], size);
    }
}

}  // namespace MMIP_NS
