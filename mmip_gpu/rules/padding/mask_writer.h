// Writing the padding mask of a tile into its sub-stream.
// Values: a word of 64 bits (8 y + x) per slice of a cell in, cells in raster order; kind, and bytes of a range code, out. Host and
// device. Implements FORMAT.md section 8.1 (mask). How long the code is is known before anything is written.
#pragma once

#include "rules/coding/bitstream.h"
#include "rules/fields.h"
#include "rules/padding/mask.h"

namespace MMIP_NS {

constexpr int kMaskAbsent = -1;                              // kind where the chunk has no mask

// bytes: of the code of a mixed mask.
struct MaskCode {
    int32_t kind;
    uint32_t bytes;
    MMIP_FIELDS(kind, bytes)
};

MMIP_RULE void put_mask_word(const MaskTile& tile, const MaskBuffer& frame, int word, uint64_t bits) {
    for (int j = 0; j < 8; ++j) {
        uint8_t* row = tile.samples(frame, word, j);
        const uint64_t own = (bits >> (8 * j) & 255) * 0x0101010101010101u & 0x8040201008040201u;   // bit i in byte i
        const uint64_t bytes = (own + 0x7f7f7f7f7f7f7f7fu) >> 7 & 0x0101010101010101u;
        for (int i = 0; i < 8; ++i) row[i] = static_cast<uint8_t>(bytes >> (8 * i));
    }
}

// The code of the samples in the frame, of a mixed mask.
template <class Sink>
MMIP_RULE void encode_mask(const MaskBuffer& frame, MaskModel& model, Sink& sink) {
    model.reset();
    RangeEncoder<Sink, MaskModel> coder(sink, model);
    code_mask(frame, coder);
    coder.finish();
}

// What stands before the bytes of the code.
template <class Sink>
MMIP_RULE void put_mask_head(MaskCode code, Sink& sink) {
    if (code.kind == kMaskAbsent) return;
    sink.raw(static_cast<uint32_t>(code.kind), 2);
    if (code.kind == kMaskMixed) sink.gamma(code.bytes + 1);
}

}  // namespace MMIP_NS
