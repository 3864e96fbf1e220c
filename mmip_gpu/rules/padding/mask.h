// The padding mask of a tile: an adaptive binary model of its samples' bits.
// Values: one byte (0 or 1) a sample in a buffer with a frame. Host and device. Implements FORMAT.md section 8.1.
// The walk is the same for writing and reading; a reader does as many decisions as there are samples, whatever the bytes say.
#pragma once

#include "rules/coding/range_coder.h"

namespace MMIP_NS {

constexpr int kMaskNone = 0, kMaskAll = 1, kMaskMixed = 2;   // kinds; 3 is corrupt
constexpr int kMaskFirstSlice = 256, kMaskLaterSlice = 128, kMaskRuns = 6;
constexpr int kMaskContexts = kMaskFirstSlice + kMaskLaterSlice + kMaskRuns;
constexpr int kMaskFrame = 2;                                // samples left and right of a row, rows above a slice

// Probability of a 1 in 1/65536 and number of decisions seen (up to 4), per context.
struct MaskModel {
    uint16_t probability[kMaskContexts];
    uint8_t seen[kMaskContexts];

    MMIP_RULE void reset() {
        for (int c = 0; c < kMaskContexts; ++c) {
            const bool first = c < kMaskFirstSlice;
            const int bits = first ? c : c - kMaskFirstSlice;
            int votes = 0;
            for (int i = 0; i < 8; ++i) votes += (first && i >= 4 ? 1 : 2) * ((bits >> i) & 1);
            probability[c] = static_cast<uint16_t>(1024 * (1 + 62 * votes / (first ? 12 : 14)) + 512);
            seen[c] = 0;
        }
        for (int c = kMaskContexts - kMaskRuns; c < kMaskContexts; ++c) probability[c] = 64000;
    }

    MMIP_RULE void adapt(int context, int bit) {
        const int p = probability[context], shift = 2 + seen[context] / 2;
        probability[context] = static_cast<uint16_t>(bit != 0 ? p + ((65536 - p) >> shift) : p - (p >> shift));
        if (seen[context] < 4) ++seen[context];
    }
};

// Samples of a tile with the frame: slice z, row y, column x stands at ((z * rows + y + 2) * width + x + 2).
struct MaskBuffer {
    uint8_t* bits;
    int nz, ny, nx;

    MMIP_RULE int width() const { return nx + 2 * kMaskFrame; }
    MMIP_RULE uint8_t* row(int z, int y) const { return bits + (static_cast<int64_t>(z) * (ny + kMaskFrame) + y + kMaskFrame) * width() + kMaskFrame; }
};

// A tile of az x ay x ax cells.
struct MaskTile {
    int depth, az, ay, ax;

    MMIP_RULE int words() const { return az * ay * ax * depth; }
    MMIP_RULE int64_t frame_bytes() const { return static_cast<int64_t>(depth * az) * (8 * ay + kMaskFrame) * (8 * ax + 2 * kMaskFrame); }
    MMIP_RULE MaskBuffer buffer(uint8_t* bytes) const { return {bytes, depth * az, 8 * ay, 8 * ax}; }

    // Eight samples in a row: of a word of the mask, its row j.
    MMIP_RULE uint8_t* samples(const MaskBuffer& frame, int word, int j) const {
        const int cell = word / depth, z = cell / (ax * ay), y = cell / ax % ay, x = cell % ax;
        return frame.row(z * depth + word % depth, 8 * y + j) + 8 * x;
    }
};

MMIP_RULE int mask_kind(const uint64_t* words, int count) {
    uint64_t any = 0, all = ~uint64_t{0};
    for (int i = 0; i < count; ++i) any |= words[i], all &= words[i];
    return any == 0 ? kMaskNone : (all == ~uint64_t{0} ? kMaskAll : kMaskMixed);
}

// Whether 8 to 16 samples in a row have one value.
MMIP_RULE bool mask_row_is(const uint8_t* from, int count, int value) {
#if defined(__CUDA_ARCH__) || defined(MMIP_AS_DEVICE)
    int different = 0;
    for (int i = 0; i < count; ++i) different |= from[i] ^ value;
#else
    uint64_t first, last;
    __builtin_memcpy(&first, from, 8);
    __builtin_memcpy(&last, from + count - 8, 8);
    const uint64_t all = 0x0101010101010101u * static_cast<uint64_t>(value), different = (first ^ all) | (last ^ all);
#endif
    return different == 0;
}

// Context of the decision whether the eight samples from x on all are `value`; -1 where it is not asked.
MMIP_RULE int mask_run_context(const uint8_t* above, const uint8_t* above2, const uint8_t* before,
                               const uint8_t* before_below, int x, int value) {
    constexpr int first = kMaskContexts - kMaskRuns;
    if (!mask_row_is(above + x - 1, 10, value)) return -1;
    if (before == nullptr) return first + 2 * value + (mask_row_is(above2 + x - 1, 10, value) ? 1 : 0);
    return mask_row_is(before + x, 9, value) && mask_row_is(before_below + x, 8, value) ? first + 4 + value : -1;
}

// Writes (coder: RangeEncoder) the bits in the buffer, or reads (RangeDecoder) them into it; nx is a multiple of 8.
template <class Coder>
MMIP_RULE void code_mask(const MaskBuffer& m, Coder& coder) {
    for (int z = 0; z < m.nz; ++z) {
        for (int y = -kMaskFrame; y < 0; ++y)
            for (int x = -kMaskFrame; x < m.nx + kMaskFrame; ++x) m.row(z, y)[x] = z > 0 ? m.row(z - 1, 0)[x] : 0;
        for (int y = 0; y < m.ny; ++y) {
            uint8_t* row = m.row(z, y);
            const uint8_t *above = m.row(z, y - 1), *above2 = m.row(z, y - 2);
            const uint8_t* before = z > 0 ? m.row(z - 1, y) : nullptr;
            const uint8_t* before_below = z > 0 ? m.row(z - 1, y + 1 < m.ny ? y + 1 : y) : nullptr;
            row[-1] = row[-2] = above[0];
            for (int x = 0; x < m.nx;) {
                const int value = row[x - 1];
                const int run = x % 8 == 0 ? mask_run_context(above, above2, before, before_below, x, value) : -1;
                if (run >= 0 && coder.decide(run, mask_row_is(row + x, 8, value) ? 1 : 0) != 0) {
                    for (int i = 0; i < 8; ++i) row[x + i] = static_cast<uint8_t>(value);
                    x += 8;
                    continue;
                }
                do {
                    int context = row[x - 1] | above[x] << 1 | above[x - 1] << 2 | above[x + 1] << 3;
                    if (z == 0) context |= row[x - 2] << 4 | above2[x] << 5 | above[x + 2] << 6 | above[x - 2] << 7;
                    else context = kMaskFirstSlice + (context | before[x] << 4 | before[x + 1] << 5 | before_below[x] << 6);
                    row[x] = static_cast<uint8_t>(coder.decide(context, row[x]));
                } while (++x % 8 != 0);
            }
            row[-1] = row[-2] = row[0];
            row[m.nx] = row[m.nx + 1] = row[m.nx - 1];
        }
    }
}

}  // namespace MMIP_NS
