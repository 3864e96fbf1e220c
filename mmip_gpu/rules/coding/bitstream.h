// Bits of a sub-stream: a writer and a reader, most significant bit first.
// Values: bytes in the caller's memory. Host and device. Implements FORMAT.md section 0 (bit strings, gamma).
// The reader never touches a byte outside [data, data + size): past the end it reads zeros and `overrun` tells.
#pragma once

#include "rules/tokens/symbols.h"

namespace MMIP_NS {

template <class Writer>
MMIP_RULE void put_gamma(Writer& out, uint32_t value) {
    const int k = bit_length(value) - 1;
    out.put(0, k);
    out.put(value, k + 1);
}

// Appends to `out`, which the caller keeps large enough; up to eight bytes past the last one are written to.
struct BitWriter {
    uint8_t* out;
    uint64_t held = 0;   // the high `count` bits wait to be written
    int count = 0;       // below 8 between calls

    MMIP_RULE explicit BitWriter(uint8_t* destination) : out(destination) {}

    // bits <= 56, value < 2^bits
    MMIP_RULE void put(uint64_t value, int bits) {
        held |= (value << 1) << (63 - count - bits);
        count += bits;
#if !defined(__CUDA_ARCH__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        const uint64_t word = __builtin_bswap64(held);
        __builtin_memcpy(out, &word, 8);
#else
        for (int i = 0; i < 8; ++i) out[i] = static_cast<uint8_t>(held >> (56 - 8 * i));
#endif
        out += count >> 3;
        held <<= count & ~7;
        count &= 7;
    }

    // Pads with zero bits to a byte; returns one past the last byte.
    MMIP_RULE uint8_t* finish() {
        if (count > 0) put(0, 8 - count);
        return out;
    }
};

struct BitReader {
    const uint8_t* data;
    uint64_t size;             // bytes
    uint64_t position = 0;     // bits
    uint64_t window = 0;       // the next bits, left-aligned

    MMIP_RULE BitReader(const uint8_t* bytes, uint64_t byte_count, uint64_t first_bit = 0) : data(bytes), size(byte_count), position(first_bit) {
        refill();
    }

    // At least 57 bits are at hand afterwards.
    MMIP_RULE void refill() { window = bits_at(data, size, position); }

    // 57 bits or more from this one on, left-aligned.
    static MMIP_RULE uint64_t bits_at(const uint8_t* data, uint64_t size, uint64_t position) {
        const uint64_t byte = position >> 3;
        uint64_t word;
#if defined(__CUDA_ARCH__) || defined(MMIP_AS_DEVICE)
        if (byte + 8 <= size) {
            word = eight_bytes(data + byte);
        } else
#else
        if (__builtin_expect(byte + 8 <= size, 1)) {
            __builtin_memcpy(&word, data + byte, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            word = __builtin_bswap64(word);
#endif
        } else
#endif
            word = bytes_at_end(data, size, byte);
        return word << (position & 7);
    }

    // Eight bytes by aligned loads, which devices need; they touch no aligned word but those that hold the bytes.
    static MMIP_RULE uint64_t eight_bytes(const uint8_t* at) {
        const uint64_t address = reinterpret_cast<uint64_t>(at), shift = 8 * (address & 7);
        const uint64_t* words = reinterpret_cast<const uint64_t*>(address - (address & 7));
        return reversed_bytes(shift == 0 ? words[0] : words[0] >> shift | words[1] << (64 - shift));
    }

    static MMIP_RULE uint64_t reversed_bytes(uint64_t v) {
#if defined(__CUDA_ARCH__)
        return static_cast<uint64_t>(__byte_perm(static_cast<uint32_t>(v), 0, 0x0123)) << 32 | __byte_perm(static_cast<uint32_t>(v >> 32), 0, 0x0123);
#else
        return __builtin_bswap64(v);
#endif
    }

    // Eight bytes, zeros past the end.
    static MMIP_COLD_RULE uint64_t bytes_at_end(const uint8_t* data, uint64_t size, uint64_t byte) {
        uint64_t word = 0;
        for (int i = 0; i < 8; ++i) word = (word << 8) | (byte + i < size ? data[byte + i] : 0);
        return word;
    }

    // 1 <= bits <= 32, within what the last refill loaded
    MMIP_RULE uint32_t peek(int bits) const { return static_cast<uint32_t>(window >> (64 - bits)); }

    MMIP_RULE void skip(int bits) {
        window <<= bits;
        position += static_cast<uint64_t>(bits);
    }

    // bits <= 32; 0 bits give 0
    MMIP_RULE uint32_t take(int bits) {
        if (bits == 0) return 0;
        const uint32_t value = peek(bits);
        skip(bits);
        return value;
    }

    // False where the code is longer than the format allows.
    MMIP_RULE bool take_gamma(uint32_t& value) {
        refill();
        const uint32_t head = peek(32);
        if (head == 0) return false;
        const int k = 32 - bit_length(head);
        skip(k);
        refill();
        value = take(k + 1);
        return true;
    }

    MMIP_RULE bool overrun() const { return position > 8 * size; }

    // Whether the rest of the byte at hand is zero.
    MMIP_RULE bool padding_is_zero() {
        const int padding = static_cast<int>((8 - (position & 7)) & 7);
        refill();
        return padding == 0 || peek(padding) == 0;
    }

    // kOk when every byte was used and the padding is zero.
    MMIP_RULE Status finish() {
        if (overrun()) return kStatusTruncated;
        if (!padding_is_zero()) return kStatusTrailing;
        if (position == 0 && size == 1) return data[0] == 0 ? kOk : kStatusTrailing;
        return (position + 7) >> 3 == size ? kOk : kStatusTrailing;
    }
};

}  // namespace MMIP_NS
