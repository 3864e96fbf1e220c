// A writer of bits at any place of a zeroed buffer that many lanes write to.
// Values: 32-bit words of the buffer, bits most significant first into bytes. Implements FORMAT.md section 0 (bit strings).
// Words are or-ed, so that lanes whose bits share one need no order.
#pragma once

#include "rules/coding/bitstream.h"
#include "device/kernels/atomics.h"

namespace mmip {

struct PlacedBits {
    uint32_t* word;                          // where the held bits go
    uint64_t held = 0;                       // the high `count` bits, of which the first stand for what others write
    int count;                               // below 32 between calls

    MMIP_RULE PlacedBits(uint32_t* words, int64_t first_bit) : word(words + (first_bit >> 5)), count(static_cast<int>(first_bit & 31)) {}

    // bits <= 56, value < 2^bits
    MMIP_RULE void put(uint64_t value, int bits) {
        if (bits > 32) {
            put_few(value >> 32, bits - 32);
            bits = 32;
        }
        put_few(value & 0xffffffffu, bits);
    }

    // The next bit's place in the buffer.
    MMIP_RULE int64_t position(const uint32_t* words) const { return 32 * (word - words) + count; }

    MMIP_RULE void finish() {
        if (held != 0) flush();
    }

private:
    MMIP_RULE void put_few(uint64_t value, int bits) {
        held |= (value << 1) << (63 - count - bits);
        count += bits;
        if (count >= 32) flush();
    }

    MMIP_RULE void flush() {
        const uint32_t v = static_cast<uint32_t>(held >> 32);
        or_into(word, (v >> 24) | ((v >> 8) & 0xff00u) | ((v << 8) & 0xff0000u) | (v << 24));   // the first byte is the lowest
        ++word;
        held <<= 32;
        count -= 32;
    }
};

}  // namespace mmip
