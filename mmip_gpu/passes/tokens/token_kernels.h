// The entropy coding kernels: the indices of a block to token symbols, listed symbols to a sub-stream.
// Values: TokenListJob, TokenWriteJob. Home: host, per instruction set. One item of work = a block's part of a stage (list), a
// tile (write). Implements FORMAT.md section 8.2; a list depends on the indices alone, never on the codes.
#pragma once

#include "rules/coding/bitstream.h"
#include "rules/lanes.h"
#include "rules/prediction/listed_prediction.h"
#include "passes/kernels.h"

namespace MMIP_NS {

// The last of `before`, then all of `at` but the last.
MMIP_RULE U8x16 shifted_in(U8x16 before, U8x16 at) {
#if defined(__clang__) || __GNUC__ >= 12
    return __builtin_shufflevector(before, at, 7, 8, 9, 10, 11, 12, 13, 14);
#else
    return __builtin_shuffle(before, at, U8x16{7, 8, 9, 10, 11, 12, 13, 14});
#endif
}

// Symbols of eight tokens: R of the run and s of the index. What a float cannot tell exactly is past kEscapeSize anyway.
struct TokenSymbols {
    I8 run, size;

    // runs below 2^13, magnitudes above 0
    MMIP_RULE TokenSymbols(I8 zeros, I8 magnitude) {
        const F8 of_run = to_float(zeros);
        I8 bits;
        __builtin_memcpy(&bits, &of_run, sizeof bits);
        run = zeros < 8 ? zeros : (bits >> 22) - (2 * 130 - 8);   // the exponent and the bit below the leading one
        const I8 length = float_bit_length(magnitude) + 2, half = (magnitude >> 1) + 2;
        const I8 small = magnitude < half ? magnitude : half, large = length < kEscapeSize ? length : I8{} + kEscapeSize;
        size = small < large ? small : large;
    }
};

// Eight entries of a block: the zeros before each, and its index.
struct EntryRuns {
    const uint16_t* positions;
    const int32_t* values;
    U8x16 before;

    MMIP_RULE EntryRuns(const uint16_t* p, const int32_t* v, int low) : positions(p), values(v), before(U8x16{} + static_cast<uint16_t>(low - 1)) {}

    MMIP_RULE void next(I8& zeros, I8& value) {
        U8x16 at;
        __builtin_memcpy(&at, positions, sizeof at);
        __builtin_memcpy(&value, values, sizeof value);
        zeros = __builtin_convertvector(static_cast<U8x16>(at - shifted_in(before, at) - 1), I8);
        before = at;
        positions += 8;
        values += 8;
    }
};

// The tokens of one block in one stage: code place of the context plus symbol. Up to kOutputSlack more are written to.
inline void list_tokens(const mmip::TokenListJob& job) {
    // Copies: the compiler takes a byte written to `magnitudes` for one that may change the job.
    const uint16_t *const positions = job.positions, *const places = job.places, *const left_offsets = job.left_offsets;
    const mmip::BlockPosition* const table = job.table;
    uint16_t* const tokens = job.tokens;
    uint8_t* const magnitudes = job.magnitudes;
    const int count = job.count, low = job.low;
    alignas(32) uint16_t small[mmip::kMaxBlockCount + mmip::kOutputSlack];   // |q|, at most kEnoughMagnitude
    EntryRuns runs(positions, job.values, low);
    for (int k = 0; k < count; k += 8) {
        I8 zeros, value;
        runs.next(zeros, value);
        const I8 magnitude = value < 0 ? -value : value, most = I8{} + static_cast<int32_t>(kEnoughMagnitude);
        const TokenSymbols of(zeros, magnitude);
        const U8x16 symbols = __builtin_convertvector(16 * of.run + of.size, U8x16);
        const U8x16 enough = __builtin_convertvector(magnitude < most ? magnitude : most, U8x16);
        __builtin_memcpy(tokens + k, &symbols, sizeof symbols);
        __builtin_memcpy(small + k, &enough, sizeof enough);
    }
    // Neighbours come before in the scan, so all may be set before any is asked for.
    for (int k = 0; k < count; ++k) magnitudes[positions[k]] = static_cast<uint8_t>(small[k]);
    int p = low;
    for (int k = 0; k < count; ++k) {
        const mmip::BlockPosition& at = table[p];
        const uint32_t v = neighbour_sum(magnitudes, at.near);
        tokens[k] = static_cast<uint16_t>(tokens[k] + places[at.sums - left_offsets[count - k] + v]);
        p = positions[k] + 1;
    }
    for (int k = 0; k < count; ++k) magnitudes[positions[k]] = 0;
}

// The raw bits of tokens: low bits of the run, sign, what is above the smallest |q| of its size; without the latter where the
// size is escaped.
inline void find_raw_bits(const uint16_t* positions, const int32_t* values, int low, int count, uint32_t* raw) {
    EntryRuns runs(positions, values, low);
    for (int k = 0; k < count; k += 8) {
        I8 zeros, value;
        runs.next(zeros, value);
        const I8 sign = value < 0, magnitude = (value ^ sign) - sign;
        const TokenSymbols of(zeros, magnitude);
        const I8 extra = of.run < 8 ? I8{} : (of.run >> 1) - 2, one = I8{} + 1;
        const I8 above = magnitude < 8 ? (magnitude < 4 ? one : (magnitude & 1) | 2) : magnitude;     // and a leading one
        const I8 size_bits = of.size < kEscapeSize ? float_bit_length(above) : one;
        const I8 tail = of.size < kEscapeSize ? above ^ ((sign + 1) << (size_bits - 1)) : -sign;      // the sign in the place of the leading one
        const I8 bits = (zeros & ((one << extra) - 1)) << size_bits | tail;
        __builtin_memcpy(raw + k, &bits, sizeof bits);
    }
}

// The sub-stream of a tile's listed symbols; returns one past its last byte.
inline uint8_t* write_tokens(const mmip::TokenWriteJob& job) {
    const uint16_t* token = job.tokens;
    const uint32_t *const header_words = job.header_words, *const token_words = job.token_words;
    alignas(32) uint32_t raw[mmip::kMaxBlockCount + mmip::kOutputSlack];
    BitWriter writer(job.out);
    writer.held = job.held, writer.count = job.held_bits;
    for (const mmip::BlockRecord *b = job.blocks, *end = b + job.block_count; b < end; ++b) {
        const int symbol = b->header % kHeaderAlphabet, extra = count_extra_bits(symbol & 31), count = b->count;
        const uint32_t head = header_words[b->header];
        writer.put((static_cast<uint64_t>(head >> 5) << extra) | (static_cast<uint32_t>(count) & ((1u << extra) - 1)), static_cast<int>(head & 31) + extra);
        if (__builtin_expect(job.predictions != nullptr, 0)) put_prediction(writer, job.prediction_words, job.predictions[b - job.blocks]);
        find_raw_bits(job.positions + b->first, job.values + b->first, job.low[symbol >> 5], count, raw);
        for (int k = 0; k < count; ++k) {
            const uint32_t word = token_words[*token++];
            const int raw_bits = static_cast<int>(word >> 5 & 31);
            writer.put((static_cast<uint64_t>(word >> 11) << raw_bits) | raw[k], static_cast<int>(word & 31) + raw_bits);
            if (__builtin_expect((word & mmip::kEscapeWord) != 0, 0)) {
                const int32_t q = job.values[b->first + static_cast<uint32_t>(k)];
                const uint32_t m = static_cast<uint32_t>(q < 0 ? -q : q);
                const int log = bit_length(m) - 1;
                writer.put(static_cast<uint64_t>(log - kEscapeLog) << log | (m ^ 1u << log), kEscapeLogBits + log);
            }
        }
    }
    return writer.finish();
}

}  // namespace MMIP_NS
