// Reading the corrections of a tile out of its sub-stream.
// Values: bits in; indices (int32) of the tile's samples inside the plane out, in a buffer with a frame of zeros, so that every
// neighbour exists. Host and device. Implements FORMAT.md section 8.3 for readers. Returns a Status.
#pragma once

#include "rules/corrections/corrections.h"
#include "rules/coding/huffman.h"

namespace MMIP_NS {

// Rows of nx samples, ny in each of nz slices; two more above a slice, two to the left and one to the right of a row.
struct CorrectionFrame {
    int32_t* values;                         // count() zeros
    int64_t nz, ny, nx;

    MMIP_RULE int64_t width() const { return nx + 3; }
    MMIP_RULE int64_t rows() const { return nz * ny; }
    MMIP_RULE int64_t count() const { return nz * (ny + 2) * width() + 1; }
    MMIP_RULE int32_t* row(int64_t r) const { return values + (r / ny * (ny + 2) + r % ny + 2) * width() + 2; }

    MMIP_RULE CorrectionContext context(const int32_t* k) const {
        const int64_t w = width();
        return correction_context({k[-1], k[-2], k[-w], k[-w - 1], k[1 - w], k[-2 * w]});
    }
};

constexpr int kLargestCorrectionCount = 53;  // N of 2^26 - 1

MMIP_RULE bool take_correction_run(BitReader& bits, const mmip::CodeTables& codes, int c, uint32_t& n) {
    bits.refill();
    const int symbol = decode_symbol(bits, codes, c);
    if (symbol < 0 || symbol > kLargestCorrectionCount) return false;
    n = count_base(symbol) + bits.take(count_extra_bits(symbol));
    return true;
}

MMIP_RULE bool take_correction_index(BitReader& bits, const mmip::CodeTables& codes, const CorrectionContext& context, int32_t& k) {
    bits.refill();
    const int symbol = decode_symbol(bits, codes, context.code_class);
    const int n = (symbol + 1) >> 1;
    if (symbol < 0 || n > kLargestCorrectionCount) return false;
    const int32_t magnitude = static_cast<int32_t>(count_base(n) + bits.take(count_extra_bits(n)));
    k = ((symbol & 1) != 0) == context.flipped ? -magnitude : magnitude;
    return true;
}

MMIP_RULE Status read_correction_indices(BitReader& bits, const mmip::CodeTables& codes, const CorrectionFrame& tile) {
    const bool all_runs = bits.take(1) != 0;
    uint32_t zeros = 0, before = 0;
    int64_t left = tile.rows() * tile.nx;
    bool after_run = false;
    for (int64_t r = 0; r < tile.rows(); ++r) {
        int32_t* k = tile.row(r);
        for (int64_t x = 0; x < tile.nx; ++x, ++k, --left) {
            if (zeros > 0) {
                --zeros;
                continue;
            }
            CorrectionContext context{kAfterRunClass + (before < 8 ? 0 : 1), 0, false};
            if (!after_run) {
                context = tile.context(k);
                if (all_runs || context.activity == 0) {
                    if (!take_correction_run(bits, codes, run_class(before), zeros)) return kStatusSymbol;
                    if (zeros > left) return kStatusPosition;
                    before = zeros, after_run = true;
                    context = {kAfterRunClass + (before < 8 ? 0 : 1), 0, false};
                    if (zeros > 0) {
                        --zeros;
                        continue;
                    }
                }
            }
            if (!take_correction_index(bits, codes, context, *k) || (after_run && *k == 0)) return kStatusSymbol;
            after_run = false;
        }
    }
    return kOk;
}

// The whole sub-stream of a tile.
MMIP_RULE Status read_corrections(BitReader& bits, const mmip::CodeTables& codes, const CorrectionFrame& tile) {
    const Status status = read_correction_indices(bits, codes, tile);
    return status != kOk ? (bits.overrun() ? kStatusTruncated : status) : bits.finish();
}

}  // namespace MMIP_NS
