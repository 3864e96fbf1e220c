// Entropy decoding of the palette cells of an AC sub-stream, after its blocks.
// Values: UnpackJob as BlockReader leaves it in; gaps and words of colours as tokens of scan positions out. Host and device.
// Implements FORMAT.md section 8.5. Never reads outside the bytes, and writes no more than the job's arrays hold.
#pragma once

#include "rules/palette/palette.h"
#include "rules/tokens/token_reader.h"

namespace MMIP_NS {

struct PaletteScratch {
    PaletteModel model;
    uint8_t colours[kPaletteSamples];
};

// Of a job that has palette cells and is fine so far; returns its status.
MMIP_RULE int read_palettes(mmip::UnpackJob& job, PaletteScratch& scratch) {
    BitReader bits(job.data, job.bytes, job.first_bit);
    if (bits.overrun()) return kStatusTruncated;
    if (!bits.padding_is_zero()) return kStatusTrailing;
    const uint64_t start = (bits.position + 7) >> 3;
    scratch.model.reset();
    RangeDecoder<PaletteModel> coder(job.data + start, static_cast<uint32_t>(job.bytes - start), scratch.model);
    if (coder.code == coder.range) return kStatusMask;
    const int cells = job.az * job.ay * job.ax, samples = 64 * job.depth;
    uint8_t* colours = scratch.colours;
    for (int s = 0; s < samples; ++s) colours[s] = 0;
    for (int i = 0; i < cells; ++i) {
        if (job.modes[i] != kModePalette) continue;
        if (palette_positions(job.depth) > job.tokens_end - job.tokens) return kStatusTruncated;
        const uint32_t gaps = job.spans[i].count;
        const mmip::Token* first = job.tokens;
        for (uint32_t k = 0; k < gaps; ++k) {
            const uint32_t gap = code_gap(0, coder);
            if (gap == 0) return kStatusValue;
            *job.tokens++ = {static_cast<int32_t>(gap), k};
        }
        code_colours(colours, job.depth, static_cast<int>(gaps) + 1, coder);
        for (int w = 0; w * kWordSamples < samples; ++w) {
            int32_t word = 0;
            for (int s = 0; s < kWordSamples && w * kWordSamples + s < samples; ++s) word |= colours[w * kWordSamples + s] << (2 * s);
            if (word != 0) *job.tokens++ = {word, static_cast<uint32_t>(kPaletteGaps + w)};
        }
        job.spans[i] = {first, static_cast<uint32_t>(job.tokens - first)};
    }
    return job.bytes - start > coder.used ? kStatusTrailing : kOk;
}

}  // namespace MMIP_NS
