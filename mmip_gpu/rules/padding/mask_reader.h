// Reading the padding mask of a tile out of its sub-stream.
// Values: bits of a sub-stream in; a word of 64 bits (8 y + x) per slice of a cell out, cells in raster order. Host and device.
// Implements FORMAT.md section 8.1 (mask). Never takes more bytes than the sub-stream has; returns a Status.
#pragma once

#include "rules/coding/bitstream.h"
#include "rules/padding/mask.h"

namespace MMIP_NS {

// frame: scratch of frame_bytes().
MMIP_RULE Status read_mask(BitReader& bits, const MaskTile& tile, MaskModel& model, uint8_t* frame, uint64_t* words) {
    const int count = tile.words();
    bits.refill();
    const int kind = static_cast<int>(bits.take(2));
    if (kind > kMaskMixed) return kStatusMask;
    for (int i = 0; i < count; ++i) words[i] = kind == kMaskAll ? ~uint64_t{0} : 0;
    if (kind != kMaskMixed) return kOk;
    uint32_t bytes = 0;
    if (!bits.take_gamma(bytes)) return kStatusMask;
    --bytes;
    if (bits.overrun() || (bits.position & 7) + 8 * static_cast<uint64_t>(bytes) > 8 * bits.size - (bits.position & ~uint64_t{7})) return kStatusTruncated;
    model.reset();
    RangeDecoder<MaskModel> coder(bits.data + (bits.position >> 3), bytes, model, static_cast<int>(bits.position & 7));
    bits.position += 8 * static_cast<uint64_t>(bytes);
    bits.refill();
    if (coder.code == coder.range) return kStatusMask;
    const MaskBuffer buffer = tile.buffer(frame);
    code_mask(buffer, coder);
    if (bytes > coder.used) return kStatusTrailing;
    for (int i = 0; i < count; ++i)
        for (int j = 0; j < 8; ++j) {
            const uint8_t* row = tile.samples(buffer, i, j);
            for (int x = 0; x < 8; ++x) words[i] |= static_cast<uint64_t>(row[x]) << (8 * j + x);
        }
    return mask_kind(words, count) == kMaskMixed ? kOk : kStatusMask;
}

}  // namespace MMIP_NS
