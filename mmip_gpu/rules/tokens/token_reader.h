// Entropy decoding of an AC sub-stream: block headers and tokens in, lists of nonzero indices out.
// Values: UnpackJob. Host and device. Implements FORMAT.md section 8.2. One item of work = one sub-stream; `read_token` is apart
// from the headers, so that a host may decode two sub-streams in turns.
// Never reads outside the bytes, and writes no more than the job's arrays hold; sets a status instead.
#pragma once

#include "rules/blocks/blocks.h"
#include "rules/coding/huffman.h"
#include "rules/fields.h"
#include "rules/palette/palette.h"

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

// One sub-stream: block headers here, tokens by read_token, palette cells by palette_reader.h.
class SubstreamReader {
public:
    MMIP_RULE explicit SubstreamReader(mmip::UnpackJob& job) : job_(job), bits_(job.data, job.bytes, job.first_bit) {
        source_ = {job.data, job.bytes, nullptr, job.magnitudes, job.token_codes, job.token_codes->fast, job.token_places, job.left_offsets, 0};
        cursor_ = {0, 0, 0, job.tokens};
    }

    // Goes on to the next block that has tokens; false at the sub-stream's end, and at a defect.
    MMIP_RULE bool next_block() {
        const int cells = job_.az * job_.ay * job_.ax;
        while (cell_ < cells) {
            const int status = read_header();
            if (status != kOk) return stop(status);
            if (cursor_.left > 0) return true;
        }
        job_.first_bit = bits_.position;
        return stop(job_.palettes > 0 ? static_cast<int>(kOk) : bits_.finish());
    }

    // After read_token: whether there is a block to go on with.
    MMIP_RULE bool go_on(int status) {
        if (status != kOk) {
            bits_.position = cursor_.bit;
            return stop(status);
        }
        if (cursor_.left > 0) return true;
        for (uint32_t p = first_; p < cursor_.p; ++p) job_.magnitudes[p] = 0;
        bits_.position = cursor_.bit;
        return next_block();
    }

    TokenSource source_;
    TokenCursor cursor_;

private:
    MMIP_RULE bool stop(int status) {
        job_.status = status != kOk && bits_.overrun() ? static_cast<int>(kStatusTruncated) : status;
        job_.tokens = cursor_.out;
        return false;
    }

    MMIP_RULE int read_header() {
        const int i = cell_;
        bits_.refill();
        const int header = decode_symbol(bits_, *job_.header_codes, header_class(context(i), job_.merges[i]));
        if (header < 0) return kStatusSymbol;
        const int mode = header >> 5, n_symbol = header & 31;
        const mmip::TokenBlock& block = job_.blocks[mode];
        if (block.cells == 0 || !fits(i, block)) return kStatusMode;
        bits_.refill();
        const uint32_t n = count_base(n_symbol) + bits_.take(count_extra_bits(n_symbol));
        const uint32_t low = static_cast<uint32_t>(block.cells * job_.low), high = static_cast<uint32_t>(block.cells * job_.high);
        if (n > high - low) return kStatusPosition;
        if (mode == kModePalette) return start_palette(i, n);
        if (n > static_cast<uint64_t>(job_.tokens_end - cursor_.out)) return kStatusTruncated;
        const int status = job_.sets_modes ? set_mode(i, mode, n, block.cells) : check_mode(i, mode, n, block.cells);
        if (status != kOk) return status;
        const uint32_t d = density(n, block.cells);
        for (int k = 0; k < block.cells; ++k) {
            job_.density[job_.raster[i + k]] = d;
            job_.spans[i + k] = {cursor_.out, k == 0 ? n : 0};
        }
        source_.positions = block.positions;
        source_.end = high;
        first_ = low;
        cursor_.bit = bits_.position;
        cursor_.p = low;
        cursor_.left = static_cast<int>(n);
        cell_ = i + block.cells;
        return kOk;
    }

    // A palette cell: what it holds comes after all blocks (palette_reader.h).
    MMIP_RULE int start_palette(int i, uint32_t n) {
        if (job_.stage != 2 || job_.high < palette_positions(job_.depth) || n < 1 || n >= kMaxColours) return kStatusMode;
        const int status = set_mode(i, kModePalette, n, 1);
        if (status != kOk) return status;
        job_.density[job_.raster[i]] = density(n, 1);
        job_.spans[i] = {nullptr, n};
        ++job_.palettes;
        cell_ = i + 1;
        return kOk;
    }

    MMIP_RULE bool fits(int i, const mmip::TokenBlock& b) const {
        if (b.cells == 1) return true;
        const int at = job_.raster[i], z = at / (job_.ay * job_.ax), y = at / job_.ax % job_.ay, x = at % job_.ax;
        return z % b.z == 0 && y % b.y == 0 && x % b.x == 0 && z + b.z <= job_.az && y + b.y <= job_.ay && x + b.x <= job_.ax;
    }

    MMIP_RULE int context(int i) const {
        const int at = job_.raster[i], slice = job_.ay * job_.ax;
        uint32_t sum = 0;
        int neighbours = 0;
        if (at % job_.ax > 0) sum += job_.density[at - 1], ++neighbours;
        if (at % slice >= job_.ax) sum += job_.density[at - job_.ax], ++neighbours;
        if (at >= slice) sum += job_.density[at - slice], ++neighbours;
        return header_context(sum, neighbours);
    }

    MMIP_RULE int set_mode(int i, int mode, uint32_t n, int cells) {
        if (job_.stage > 2 && n == 0) {
            if (cells == 1 && mode != kMode8) return kStatusMode;
            mode = kMode8;
        }
        for (int k = 0; k < cells; ++k) job_.modes[i + k] = static_cast<uint8_t>(mode);
        if (job_.reversible == nullptr) return kOk;
        const int first = job_.classes[job_.raster[i]];
        for (int k = 0; k < cells; ++k)
            if (job_.classes[job_.raster[i + k]] != first) return kStatusDisagree;
        return job_.reversible[first] != 0 && mode != kMode8 ? kStatusDisagree : kOk;
    }

    MMIP_RULE int check_mode(int i, int mode, uint32_t n, int cells) const {
        if (n == 0) return cells == 1 && mode != kMode8 ? kStatusMode : kOk;
        for (int k = 0; k < cells; ++k)
            if (job_.modes[i + k] != mode) return kStatusDisagree;
        return kOk;
    }

    mmip::UnpackJob& job_;
    BitReader bits_;
    int cell_ = 0;
    uint32_t first_ = 0;
};

}  // namespace MMIP_NS
