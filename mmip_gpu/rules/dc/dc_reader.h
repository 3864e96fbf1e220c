// Reading what stage 1 says of a tile: its class map and its DCs.
// Values: bits of a sub-stream in; classes and DC indices of the tile's cells in raster order out. Host and device.
// Implements FORMAT.md section 8.1 for readers. Never reads outside the bytes; returns a Status.
#pragma once

#include "rules/dc/dc.h"
#include "rules/coding/huffman.h"

namespace MMIP_NS {

struct DcJob {
    int az, ay, ax;                          // cells of the tile
    int class_count;
    const uint32_t* steps;                   // of the tile's component in 1/256, `step_stride` apart per class
    int step_stride;
    mmip::CodeTables codes;
    DcWeights weights;
    uint8_t* classes;                        // zeros where there is one class
    int32_t* dc;
    int64_t* values;                         // scratch, one per cell
    uint32_t* errors;                        // scratch, one per cell

    MMIP_RULE int cells() const { return az * ay * ax; }
};

MMIP_RULE Status read_classes(const DcJob& job, BitReader& bits) {
    uint8_t* classes = job.classes;
    const int width = job.ax, slice = job.ax * job.ay, cells = job.cells();
    const int raw_bits = bit_length(static_cast<uint32_t>(job.class_count - 2));
    uint32_t right = 0;
    if (!bits.take_gamma(right)) return kStatusClass;
    --right;
    for (int i = 0; i < cells; ++i) {
        const int x = i % width, y = (i % slice) / width;
        const int predicted = predicted_class(x > 0, y > 0, x > 0 ? classes[i - 1] : 0, y > 0 ? classes[i - width] : 0,
                                              x > 0 && y > 0 ? classes[i - width - 1] : 0, i > 0 ? classes[i - 1] : 0);
        if (right > 0) {
            classes[i] = static_cast<uint8_t>(predicted);
            --right;
            continue;
        }
        bits.refill();
        const int other = static_cast<int>(bits.take(raw_bits));
        const int value = other >= predicted ? other + 1 : other;
        if (value >= job.class_count) return kStatusClass;
        classes[i] = static_cast<uint8_t>(value);
        if (i + 1 < cells) {
            if (!bits.take_gamma(right)) return kStatusClass;
            --right;
        }
    }
    return right == 0 ? kOk : kStatusClass;
}

MMIP_RULE Status read_dc_indices(const DcJob& job, BitReader& bits) {
    const int cells = job.cells();
    int64_t zeros = -1;                      // left of the run of context 0; -1: the next run is not read yet
    int i = 0;
    for (int z = 0; z < job.az; ++z)
        for (int y = 0; y < job.ay; ++y)
            for (int x = 0; x < job.ax; ++x, ++i) {
                const int64_t step = job.steps[job.classes[i] * job.step_stride];
                const CellPlace at{z, y, x, job.ay, job.ax};
                const int context = dc_residual_context(job.errors + i, at);
                if (context == 0 && zeros < 0) {
                    bits.refill();
                    const int symbol = decode_symbol(bits, job.codes, kDcRunClass);
                    if (symbol < 0 || symbol > kLargestDcRunSymbol) return kStatusSymbol;
                    zeros = count_base(symbol) + bits.take(count_extra_bits(symbol));
                    if (zeros > cells - i) return kStatusPosition;
                }
                int64_t residual = 0;
                if (context != 0 || zeros-- == 0) {
                    bits.refill();
                    const int size = decode_symbol(bits, job.codes, context);
                    if (size < 0 || (size == 0 && context == 0)) return kStatusSymbol;
                    bits.refill();
                    if (size > 0) {
                        const bool negative = bits.take(1) != 0;
                        residual = (int64_t{1} << (size - 1)) | bits.take(size - 1);
                        if (negative) residual = -residual;
                    }
                }
                const int64_t q = dc_prediction(job.values + i, at, step, job.weights) + residual;
                if (q <= -kMaxIndex || q >= kMaxIndex) return kStatusValue;
                job.errors[i] = static_cast<uint32_t>(residual < 0 ? -residual : residual);
                job.dc[i] = static_cast<int32_t>(q);
                job.values[i] = q * step;
            }
    return zeros <= 0 ? kOk : kStatusPosition;
}

MMIP_RULE Status read_dcs(const DcJob& job, BitReader& bits) {
    const Status status = job.class_count > 1 ? read_classes(job, bits) : kOk;
    return status != kOk ? status : read_dc_indices(job, bits);
}

}  // namespace MMIP_NS
