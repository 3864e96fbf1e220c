// Entropy decoding of the tokens of a block; the block headers between them are read by substream_reader.h.
// Values: bits in, nonzero indices with their positions out. Host and device. Implements FORMAT.md section 8.2.
// Never reads outside the bytes; returns a status instead.
#pragma once

#include "rules/blocks/blocks.h"
#include "rules/coding/huffman.h"
#include "rules/fields.h"
#include "rules/tokens/symbols.h"

namespace mmip {

constexpr int kMaxBlockCount = 4088;         // AC coefficients of the largest block

// A nonzero AC index of a block, and the tokens of one block in one stage.
struct Token {
    int32_t value;
    uint32_t position;                       // in the block's scan
    MMIP_FIELDS(value, position)
};

struct TokenSpan {
    const Token* first;
    uint32_t count;

    MMIP_RULE Token operator[](uint32_t i) const { return first[i]; }

    MMIP_FIELDS(first, count)
};

struct TokenBlock {
    int cells, z, y, x;                      // cells == 0: the mode does not exist
    const BlockPosition* positions;
    MMIP_FIELDS(cells, z, y, x, positions)
};

// One AC sub-stream. Arrays per cell are in coding order unless said.
struct UnpackJob {
    const uint8_t* data;
    uint64_t bytes, first_bit;               // afterwards the first bit after the blocks
    int stage, depth, az, ay, ax;            // cells of the tile
    int low, high;                           // AC positions of the stage in one cell
    const uint16_t* raster;                  // coding index -> raster index
    const uint8_t* merges;                   // coding index -> see header_class of rules/tokens/symbols.h
    const TokenBlock* blocks;                // by mode
    const CodeTables* header_codes;
    const CodeTables* token_codes;
    const uint16_t* token_places;            // token_code_places
    const uint16_t* left_offsets;            // token_left_offsets
    const uint8_t* classes;                  // raster order
    const uint8_t* reversible;               // by class; nullptr: a stage on its own
    int sets_modes;                          // or compares them with those of stage 2
    uint8_t* modes;
    const CodeTables* prediction_codes;      // of stage 2, if blocks may have one
    uint8_t* predictions;
    uint8_t* near_predictions;               // scratch, raster order
    uint32_t* density;                       // scratch, raster order
    uint8_t* magnitudes;                     // scratch, kMaxBlockCount + 1 zeros; zeros again afterwards if the status is kOk
    Token* tokens;                           // written one after the other; afterwards one past the last
    const Token* tokens_end;                 // of what may be written
    TokenSpan* spans;                        // afterwards those of the blocks at their first cells, empty ones at the others
    int palettes;                            // 0; afterwards how many palette cells are still to be read
    int status;
};

}  // namespace mmip

namespace MMIP_NS {

// What stays the same for the tokens of a block, and what changes from one to the next.
struct TokenSource {
    const uint8_t* data;
    uint64_t bytes;
    const mmip::BlockPosition* positions;
    uint8_t* magnitudes;                 // of the stage's earlier positions, at most kEnoughMagnitude
    const mmip::CodeTables* codes;
    const uint32_t* fast;
    const uint16_t* places;
    const uint16_t* left_offsets;
    uint32_t end;                        // of the stage in the block
};

struct TokenCursor {
    uint64_t bit;
    uint32_t p;
    int left;
    mmip::Token* out;
};

struct SlowToken {
    int status;
    int32_t value;
    uint32_t p;
    uint64_t bit;
};

// A token whose codeword is long or escaped, or whose index is.
MMIP_COLD_RULE SlowToken read_slow_token(const uint8_t* data, uint64_t bytes, uint64_t bit,
                                         const mmip::CodeTables* codes, uint32_t place, uint32_t p, uint32_t end) {
    if (p >= end) return {kStatusPosition, 0, p, bit};
    BitReader bits(data, bytes, bit);
    const int token = decode_special(bits, *codes, static_cast<int>(place / mmip::kFastEntries), codes->fast[place + bits.peek(mmip::kFastBits)]);
    const int size = token & 15;
    if (token < 0 || size == 0) return {kStatusSymbol, 0, p, bits.position};
    p += count_base(token >> 4) + bits.take(count_extra_bits(token >> 4));
    if (p >= end) return {kStatusPosition, 0, p, bits.position};
    const bool negative = bits.take(1) != 0;
    uint32_t m = size_base(size);
    bits.refill();
    if (size < kEscapeSize) {
        m += bits.take(size_bits(size) - 1);
    } else {
        const int log = kEscapeLog + static_cast<int>(bits.take(kEscapeLogBits));
        if (1 << log >= kMaxIndex) return {kStatusValue, 0, p, bits.position};
        m = 1u << log | bits.take(log);
    }
    return {kOk, negative ? -static_cast<int32_t>(m) : static_cast<int32_t>(m), p, bits.position};
}

// The next token of a block that has one left.
MMIP_RULE int read_token(const TokenSource& s, TokenCursor& c) {
    uint64_t window = BitReader::bits_at(s.data, s.bytes, c.bit);
    const mmip::BlockPosition& at = s.positions[c.p];
    const uint32_t v = neighbour_sum(s.magnitudes, at.near);
    const uint32_t place = s.places[at.sums - s.left_offsets[c.left] + v];   // not before the first: at least `left` positions are left
    const uint32_t entry = s.fast[place + (window >> (64 - mmip::kFastBits))];
    int32_t value;
    uint32_t m;
    if (MMIP_RARELY((entry & kTokenBits) == 0)) {
        const SlowToken token = read_slow_token(s.data, s.bytes, c.bit, s.codes, place, c.p, s.end - static_cast<uint32_t>(c.left) + 1);
        if (token.status != kOk) {
            c.bit = token.bit;
            return token.status;
        }
        value = token.value, c.p = token.p, c.bit = token.bit;
        m = static_cast<uint32_t>(value < 0 ? -value : value);
    } else {
        const int extra = static_cast<int>(entry >> 4 & 15), raw = static_cast<int>(entry >> 8 & 15);
        window <<= entry & 15;
        c.p += (entry >> kEntryValue) + static_cast<uint32_t>((window >> 1) >> (63 - extra));
        window <<= extra;
        const int32_t sign = static_cast<int32_t>(static_cast<int64_t>(window) >> 63);
        m = static_cast<uint32_t>((window | uint64_t{1} << 63) >> (64 - raw)) + (entry >> kEntryAdded & 7);   // the sign's place is the leading one's
        value = (static_cast<int32_t>(m) ^ sign) - sign;
        c.bit += entry >> 12 & 31;
        if (MMIP_RARELY(c.p + static_cast<uint32_t>(c.left) > s.end)) {
            c.bit -= static_cast<uint64_t>(raw);   // of which nothing was needed
            return kStatusPosition;
        }
    }
    s.magnitudes[c.p] = static_cast<uint8_t>(m < kEnoughMagnitude ? m : kEnoughMagnitude);
    *c.out++ = {value, c.p++};
    --c.left;
    return kOk;
}

}  // namespace MMIP_NS
