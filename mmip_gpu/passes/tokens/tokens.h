// The AC symbols of a tile: found by one walk over its indices, then written with any codes without walking again.
// Values: Coefficients in; TokenList, counts and sub-stream bytes out. Home: host; one item of work = one tile.
// Implements FORMAT.md section 8.2. A list depends on the indices alone, so counting and writing cannot disagree.
#pragma once

#include <cstdint>
#include <vector>

#include "rules/coding/bitstream.h"
#include "passes/coding/codebook.h"
#include "passes/kernels.h"
#include "passes/layout.h"

namespace mmip {

struct TokenList {
    std::vector<BlockRecord> blocks;
    std::vector<uint8_t> palettes;    // code of the palette cells, after everything else
    std::vector<uint16_t> tokens;     // class * kTokenAlphabet + symbol, one per entry of the blocks
    std::vector<uint16_t> predictions;   // of the blocks, see rules/prediction/listed_prediction.h
};

// What is put for every symbol of the codes of stage 2 and later. `predictions` is empty where blocks have none.
struct StageWords {
    std::vector<uint32_t> headers, tokens, predictions;
};

// The symbols of a stage (2 or later); `headers` and `tokens` (classes x alphabet) are added to.
void list_tokens(const Coefficients& c, const Tile& tile, int stage, TokenList& list, uint32_t* headers, uint32_t* tokens);

// Fills list.predictions of stage 2, which list_tokens has listed; `counts` (classes x alphabet) is added to.
void list_predictions(const Coefficients& c, const Tile& tile, TokenList& list, uint32_t* counts);

// Tokens per context (kTokenContexts x kTokenAlphabet), added to `counts`.
void add_token_contexts(const Coefficients& c, const Tile& tile, int stage, uint32_t* counts);

// Class of the header at every cell in coding order, with the densities of all cells known.
void find_header_classes(const Coefficients& c, const Tile& tile, int stage, uint8_t* classes);

// Most bytes that write_tokens may touch.
size_t token_room(const TokenList& list);

// What is put for every (class, symbol) of a code family, the raw bits of an escape included: see rules/tokens/tokens.h; of tokens, as
// their kernel takes them, bits << 11 | kEscapeWord | raw bits of run and index << 5 | how many.
std::vector<uint32_t> symbol_words(const EncodingTables& tables);
void put_symbol_words(const EncodingTables& tables, uint32_t* words);
std::vector<uint32_t> token_words(const EncodingTables& tables);

// Writes a list after the bits of `from`. Returns one past the sub-stream's last byte.
uint8_t* write_tokens(const Coefficients& c, const Tile& tile, int stage, const TokenList& list, const StageWords& words, const BitWriter& from);

}  // namespace mmip
