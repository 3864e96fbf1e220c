// The range coder that carries binary decisions, each of a probability that a model has and adapts.
// Values: decisions (0 or 1) and bytes of the code. Host and device. Implements the coder of FORMAT.md section 8.1.
// A reader does as many decisions as it is asked for, whatever the bytes say.
#pragma once

#include "rules/tokens/symbols.h"

namespace MMIP_NS {

constexpr uint32_t kRangeLow = 1u << 24;

// Sink::byte takes the bytes of the code in order; trailing zeros may be left away.
template <class Sink, class Model>
struct RangeEncoder {
    Sink& sink;
    Model& model;
    uint64_t low = 0;                                        // 33 bits: the carry is bit 32
    uint32_t range = 0xFFFFFFFFu;
    uint32_t held = 0;                                       // the byte that a carry may still change, and how many 255 follow it
    uint32_t waiting = 0;
    bool started = false;

    MMIP_RULE RangeEncoder(Sink& s, Model& m) : sink(s), model(m) {}

    MMIP_RULE int decide(int context, int bit) {
        const uint32_t bound = static_cast<uint32_t>((static_cast<uint64_t>(range) * model.probability[context]) >> 16);
        const uint32_t upper = 0u - static_cast<uint32_t>(bit == 0);   // what bits do, without a branch
        low += bound & upper;
        range = (range & upper) + ((bound ^ upper) - upper);           // bound, or range - bound
        model.adapt(context, bit);
        while (range < kRangeLow) {
            range <<= 8;
            shift();
        }
        return bit;
    }

    MMIP_RULE void shift() {
        if (low < 0xFF000000u || low > 0xFFFFFFFFu) {
            const uint32_t carry = static_cast<uint32_t>(low >> 32);
            if (started) sink.byte(static_cast<uint8_t>(held + carry));
            for (; waiting > 0; --waiting) sink.byte(static_cast<uint8_t>(0xFFu + carry));
            held = static_cast<uint32_t>(low >> 24) & 0xFFu;
            started = true;
        } else {
            ++waiting;
        }
        low = (low & 0x00FFFFFFu) << 8;
    }

    MMIP_RULE void finish() {
        low = (low + 0x00FFFFFFu) & ~static_cast<uint64_t>(0x00FFFFFFu);   // of the values that decode alike, the one with most zeros
        for (int i = 0; i < 5; ++i) shift();
    }
};

// Reads `size` bytes, the first of them `shift` bits into `data`, and zeros after them.
template <class Model>
struct RangeDecoder {
    const uint8_t* data;
    uint32_t size, used = 0;
    int shift;
    Model& model;
    uint32_t code = 0, range = 0xFFFFFFFFu;

    MMIP_RULE RangeDecoder(const uint8_t* bytes, uint32_t count, Model& m, int first_bit = 0) : data(bytes), size(count), shift(first_bit), model(m) {
        for (int i = 0; i < 4; ++i) next();
    }

    MMIP_RULE uint32_t byte() const {
        const uint32_t high = static_cast<uint32_t>(data[used]) << shift;
        return (shift == 0 ? high : high | data[used + 1] >> (8 - shift)) & 0xFFu;
    }

    MMIP_RULE void next() {
        code = (code << 8) | (used < size ? byte() : 0u);
        ++used;
    }

    // Two bytes at most: a range is at least 2^8.
    MMIP_RULE void renew() {
        if (MMIP_RARELY(used + 2 > size || shift != 0)) {
            while (range < kRangeLow) {
                range <<= 8;
                next();
            }
            return;
        }
        const int bits = (32 - bit_length(range)) & 24;
        const uint32_t two = static_cast<uint32_t>(data[used]) << 8 | data[used + 1];
        code = code << bits | two >> (16 - bits);
        range <<= bits;
        used += static_cast<uint32_t>(bits) >> 3;
    }

    MMIP_RULE int decide(int context, int) {
        const uint32_t bound = static_cast<uint32_t>((static_cast<uint64_t>(range) * model.probability[context]) >> 16);
        const uint32_t upper = 0u - static_cast<uint32_t>(code >= bound);
        const int bit = static_cast<int>(upper + 1);
        code -= bound & upper;
        range = (range & upper) + ((bound ^ upper) - upper);           // bound, or range - bound
        model.adapt(context, bit);
        renew();
        return bit;
    }
};

}  // namespace MMIP_NS
