// The samples of a palette cell.
// Values: the cell's AC positions of stage 2 (gaps, words of colours) in; float samples [z][y][x] out. Home: host, per
// instruction set. One item of work = one cell. Implements FORMAT.md section 5 (palette cells).
#pragma once

#include "rules/palette/palette.h"

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

}  // namespace MMIP_NS
