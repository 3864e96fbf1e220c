// Corrections: indices out of sub-streams, a lane each, then added to the samples, a group a tile.
// Values: DecodeParams with the frames of rules/corrections/correction_reader.h as scratch; samples of the items changed in place. Decoder side
// of FORMAT.md sections 2 (last step) and 8.3.
#pragma once

#include "rules/corrections/correction_reader.h"
#include "device/kernels/tokens/unpack.h"

namespace mmip {

MMIP_RULE CorrectionFrame correction_frame(const DecodeParams& p, const DecodeTile& tile) {
    const DecodeItem& item = p.items[tile.item];
    const int64_t size[3] = {tile.size[0] * static_cast<int64_t>(item.depth), tile.size[1] * int64_t{kCellSize}, tile.size[2] * int64_t{kCellSize}};
    const int64_t start[3] = {tile.cell[0] * item.depth, tile.cell[1] * kCellSize, tile.cell[2] * kCellSize};
    return {reinterpret_cast<int32_t*>(p.frames + tile.frame), least(size[0], item.shape[0] - start[0]), least(size[1], item.shape[1] - start[1]),
            least(size[2], item.shape[2] - start[2])};
}

struct CorrectionKernel : EntropyKernel {
    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const int64_t i = group * kLanes + lane;
        if (i >= p.count || p.states[i].status != kOk || p.items[p.tiles[i].item].corrected == 0) return;
        BitReader bits(p.substreams[i].data, p.substreams[i].bytes);
        fail(p.states[i], read_corrections(bits, p.codes[p.tiles[i].item].tokens, correction_frame(p, p.tiles[i])), p.items[p.tiles[i].item].stages + 1);
    }
};

struct CorrectSamplesKernel {
    static constexpr int kLanes = 256, kPhases = 1;
    using Params = DecodeParams;
    struct Shared {};

    template <class T>
    static MMIP_RULE void correct(const DecodeItem& item, int64_t at, int32_t index) {
        T* samples = static_cast<T*>(item.samples);
        samples[at] = static_cast<T>(corrected(static_cast<int32_t>(samples[at]), index, item.error, item.minimum, item.maximum));
    }

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const DecodeTile& tile = p.tiles[group];
        const DecodeItem& item = p.items[tile.item];
        if (p.states[group].status != kOk || item.corrected == 0) return;
        const CorrectionFrame frame = correction_frame(p, tile);
        const int64_t count = frame.rows() * frame.nx;
        for (int64_t i = lane; i < count; i += kLanes) {
            const int64_t row = i / frame.nx, x = i % frame.nx;
            const int64_t at = sample_position(item.size, tile.plane, tile.cell[0] * item.depth + row / frame.ny - item.origin[0],
                                            tile.cell[1] * kCellSize + row % frame.ny - item.origin[1], tile.cell[2] * kCellSize + x - item.origin[2]);
            const int32_t index = frame.row(row)[x];
            switch (item.type) {
                case kSampleU8: correct<uint8_t>(item, at, index); break;
                case kSampleI8: correct<int8_t>(item, at, index); break;
                case kSampleU16: correct<uint16_t>(item, at, index); break;
                case kSampleI16: correct<int16_t>(item, at, index); break;
                default: correct<int32_t>(item, at, index);
            }
        }
    }
};

}  // namespace mmip
