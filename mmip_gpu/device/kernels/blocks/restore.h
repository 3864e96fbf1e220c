// R2 of tiles whose blocks may be predicted: what stages 1 and 2 give, block after block in coding order.
// Values: DecodeParams; indices of stage 2, DCs and predictions in, R2 of the tiles out. One group = one tile; the phases repeat for
// each of its blocks, whose samples the lanes share. Decoder side of FORMAT.md section 4.5.
#pragma once

#include "device/kernels/blocks/restore_block.h"

namespace mmip {

struct RestoreKernel {
    using Params = DecodeParams;
    using Block = BlockRestorer<DecodeParams>;
    using Shared = Block::Shared;
    static constexpr int kLanes = Block::kLanes, kPhases = Block::kPhases + 1, kResident = 8;

    static MMIP_RULE void start(const Params& p, Shared& s, int64_t group, int lane) {
        const int32_t at = p.group_tiles[group];
        if (lane == 0) s.next = p.status(at) == kOk ? 0 : p.tiles[at].cells();
    }

    static MMIP_RULE bool more(const Params& p, const Shared& s, int64_t group) { return s.next < p.tiles[p.group_tiles[group]].cells(); }

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        const DecodeTile& tile = p.tiles[p.group_tiles[group]];
        const DecodeItem& item = p.items[tile.item];
        if constexpr (phase == 0) Block::find(p, s, tile, item, lane);
        else Block::run<phase - 1>(p, s, tile, item, lane);
    }
};

}  // namespace mmip
