// What the branch-free decisions of decide_kernels.h hold of an entry: 64 bits, so that one load has all of it.
// Values: scaled magnitudes and positions of eight entries in; eight words out. Home: host, per instruction set. One item of work =
// eight entries. Encoder's own, not part of the format; the rules are those of rules/blocks/decide.h.
#pragma once

#include "rules/blocks/decide.h"
#include "passes/tokens/token_kernels.h"

namespace MMIP_NS {

// An entry while it is decided on, from the lowest bit: what lowering it would add to the distortion (see lowering_harm), summed up in
// kHarmBits; its number; whether it was lowered; one bit less than lowering must save; whether |q| = 1; position + 1; token_size.
struct EntryWord {
    static constexpr int kHarmBits = 24, kNumber = 24, kSaving = 40, kPosition = 48, kSize = 60;
    static constexpr uint64_t kLowered = uint64_t{1} << 36, kNever = 112;   // no saving is so large
    static constexpr uint64_t kLower = kLowered + (kNever << kSaving) - (uint64_t{1} << kSize);   // lowers it, for good
    static constexpr uint32_t kPositionMask = 4095;

    // Of eight entries.
    static void put(I8 scaled, I8 magnitude, I8 position, I8 number, uint64_t* words) {
        const I8 over = (magnitude << 8) - scaled, size = TokenSymbols(I8{}, magnitude).size;
        const I8 saving = where(may_lower(magnitude, over), least_saving(over) - 1, I8{} + static_cast<int32_t>(kNever)) | ((magnitude == 1) & 128);
        const I8 low = (lowering_harm(over) & 255) | number << 24, high = number >> 8 | saving << 8 | (position + 1) << 16 | size << 28;
        const I8 first = MMIP_MIX(low, high, 0, 8, 1, 9, 2, 10, 3, 11), last = MMIP_MIX(low, high, 4, 12, 5, 13, 6, 14, 7, 15);
        __builtin_memcpy(words, &first, sizeof first);
        __builtin_memcpy(words + 4, &last, sizeof last);
    }
};

}  // namespace MMIP_NS
