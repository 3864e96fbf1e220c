// What an encoder asks of all samples of an array, one sample at a time: how far two arrays are apart.
// Values: samples of up to 32 bits, sums of 64. Host and device. The encoder's own: FORMAT.md section 1 stores what follows from it.
#pragma once

#include "rules/fields.h"
#include "rules/format.h"

namespace MMIP_NS {

struct Difference {
    uint64_t squares, largest;

    MMIP_RULE void add(int64_t a, int64_t b) {
        const uint64_t apart = static_cast<uint64_t>(a < b ? b - a : a - b);
        squares += apart * apart;
        largest = apart > largest ? apart : largest;
    }

    MMIP_RULE void join(const Difference& other) {
        squares += other.squares;
        largest = other.largest > largest ? other.largest : largest;
    }

    MMIP_FIELDS(squares, largest)
};

}  // namespace MMIP_NS
