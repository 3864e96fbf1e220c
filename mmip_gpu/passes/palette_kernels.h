// The samples of a palette cell, at full scale and as means over windows.
// Values: the cell's AC positions of stage 2 (gaps, words of colours) in; float samples [z][y][x] out. Home: host, per
// instruction set. One item of work = one cell. Implements FORMAT.md section 5 (palette cells).
#pragma once

#include "../rules/palette.h"

namespace MMIP_NS {

// `step` of the cell's class; `mean` from its DC.
inline void paint_palette(const int32_t* held, int depth, float mean, float step, float* out) {
    const int samples = 64 * depth;
    const int32_t offsets[kMaxColours] = {0, held[0], held[0] + held[1], held[0] + held[1] + held[2]};
    const auto colour = [&](int s) { return (held[kPaletteGaps + s / kWordSamples] >> (2 * (s % kWordSamples))) & 3; };
    int64_t total = 0;
    for (int s = 0; s < samples; ++s) total += offsets[colour(s)];
    const PaletteValues values = palette_values(mean, held, total, samples, palette_unit(depth) * step);
    for (int s = 0; s < samples; ++s) out[s] = values.of[colour(s)];
}

// Mean of a window of `scale` samples on y and x, and of `deep` on z, of a cell of 8 x 8 slices.
inline float window_mean(const float* cell, int z, int y, int x, int scale, int deep) {
    float sum = 0.0f;
    for (int k = z * deep; k < (z + 1) * deep; ++k)
        for (int j = y * scale; j < (y + 1) * scale; ++j)
            for (int i = x * scale; i < (x + 1) * scale; ++i) sum += cell[(k * 8 + j) * 8 + i];
    return sum * (1.0f / static_cast<float>(deep * scale * scale));
}

}  // namespace MMIP_NS
