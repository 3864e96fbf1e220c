// What stands in a sub-stream for a block header and for a token: the codeword, then the raw bits.
// Values: words of the chosen codes (the bits to put << kWordShift | how many, an escape's raw bits included); any writer with
// put(value, bits). Host and device. Implements FORMAT.md section 8.2; counting and writing share these functions.
#pragma once

#include "rules/coding/bitstream.h"

namespace MMIP_NS {

constexpr int kWordShift = 5;

// Counts what a BitWriter would write.
struct BitCounter {
    uint32_t count = 0;

    MMIP_RULE void put(uint64_t, int bits) { count += static_cast<uint32_t>(bits); }
};

// A word and `bits` low bits of `raw` after it.
template <class Writer>
MMIP_RULE void put_word(Writer& out, uint32_t word, uint32_t raw, int bits) {
    const uint64_t value = (static_cast<uint64_t>(word >> kWordShift) << bits) | (raw & ((1u << bits) - 1));
    out.put(value, static_cast<int>(word & ((1u << kWordShift) - 1)) + bits);
}

template <class Writer>
MMIP_RULE void put_header(Writer& out, uint32_t word, int symbol, uint32_t nonzeros) {
    put_word(out, word, nonzeros, count_extra_bits(symbol & 31));
}

// A token of index q != 0 after `run` zeros; run_bits = count_extra_bits(count_symbol(run)), size = token_size(|q|).
template <class Writer>
MMIP_RULE void put_token(Writer& out, uint32_t word, uint32_t run, int run_bits, int size, int32_t q) {
    const uint32_t magnitude = index_magnitude(q), raw_run = run & ((1u << run_bits) - 1);
    if (size < kEscapeSize) {
        const int bits = size_bits(size);
        const uint32_t sign = q < 0 ? 1 : 0;
        put_word(out, word, (raw_run << bits) | (sign << (bits - 1)) | (magnitude - size_base(size)), run_bits + bits);
    } else {
        put_word(out, word, (raw_run << 1) | (q < 0 ? 1 : 0), run_bits + 1);
        const int log = bit_length(magnitude) - 1;
        out.put(static_cast<uint32_t>(log - kEscapeLog), kEscapeLogBits);
        out.put(magnitude ^ (1u << log), log);
    }
}

}  // namespace MMIP_NS
