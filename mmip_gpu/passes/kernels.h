// The passes on one tile, compiled once per instruction set; a table of function pointers picks the copy.
// Values: plain structs of pointers (nothing of the standard library crosses, so that no code compiled for a newer
// instruction set can replace code of the baseline). Home: host. Contracts: analyze.h and synthesize.h.
#pragma once

#include <cstdint>

#include "rules/tokens/token_reader.h"

namespace mmip {

struct BlockView {
    int mode, cells, count;
    const uint16_t* scan;                    // see BlockTable of layout.h
    const uint16_t* order;
    const BlockPosition* positions;
};

// Sums over the AC indices of one quality class in a tile, by |q| = 1, 2, 3 and more; see rules/blocks/quantize.h for the unit.
struct QuantizerSums {
    int64_t count[3] = {0, 0, 0};
    int64_t excess[3] = {0, 0, 0};           // sum of 256 |q| - f
    int64_t distortion = 0;                  // sum of (256 |q| - f)^2, all |q|, DCs included
    int64_t rest = 0;                        // the same of q = 0 alone, by the steps that blocks were chosen by, where these differ
};

struct TileView {
    int depth, az, ay, ax;                   // cells
    int64_t cell[3];                         // of the first cell, in the plane
    const uint16_t* raster;                  // coding index -> raster index
    const uint8_t* merges;                   // coding index -> see header_class of rules/tokens/symbols.h
    BlockView blocks[8];                     // by mode; count 0 where there is none
    int per_cell;
    int32_t* dc;                             // raster order
    uint8_t* classes;                        // raster order
    uint8_t* modes;                          // coding order
    int32_t* ac;                             // coding order
};

struct ClassStep {
    float step;
    int reversible;
    int32_t recon[4];                        // 0, d1, d2, d3
};

constexpr int kOutputSlack = 8;              // how many elements past the last one an analysis may write to

struct AnalyzeJob {
    TileView tile;
    const void* samples;                     // the plane, C order
    int sample_type;                         // index of kSampleTypes
    int64_t shape[3];                        // of the plane, in samples
    int32_t offset;
    int32_t rounding;                        // dead zone, in 1/256
    int dc_unit;                             // DCs in 1/dc_unit step; their errors are left out where it is above 1
    int search;                              // Search
    int stages;
    int cuts[16];                            // scan positions per cell at which the stages end, 0 for stage 1
    const uint8_t* token_bits[16];           // per stage from 2 on: see Segment of rules/blocks/decide.h; then one more class, all zeros
    const uint8_t* header_bits[16];
    const uint8_t* header_class[16];         // per cell in coding order; nullptr: guessed from the block itself
    ClassStep classes[8];
    uint16_t* positions;                     // out: the nonzero AC indices, block after block, in scan order; kOutputSlack more
    int32_t* values;
    uint16_t* counts;                        // out: how many of them, at the first cell of each block, 0 at the others
    const int32_t* earlier;                  // the tile's samples as a pass before restored them by stage 2; nullptr: nothing is predicted
    const uint8_t* prediction_bits;          // of symbols with their raw bits: classes x alphabet of the family
    uint8_t* predictions;                    // per cell in coding order; out of a search that predicts, in and out of a close
    int32_t* scaled_dcs;                     // out: all is kept for requantizing, see ScaledTile of layout.h; nullptr: indices are made
};

// An analysis of a tile whose block modes, DCs and predictions are chosen.
struct CloseJob {
    AnalyzeJob analysis;
    const uint16_t* positions;               // indices that the search found, of which those of palettes and exact blocks stay
    const int32_t* values;
    const uint16_t* counts;
    int32_t* restored;                       // scratch: the tile's samples by stage 2
};

constexpr uint8_t kSettledBlock = 255;       // in the place of a prediction: a block that stays empty

// What was kept of one block, to be quantized by another step. Up to kOutputSlack elements after the positions and values are read, and
// written.
struct RequantizeJob {
    const uint16_t* positions;
    const int32_t* values;                   // scaled magnitudes with their signs
    int count;
    float ratio;                             // of the step that they are scaled by over the other
    int32_t rounding;
    uint16_t* out_positions;                 // of the indices that are not 0
    int32_t* out_values;
};

// The indices of one block in one stage, to be listed as tokens. Up to kOutputSlack elements after the positions and values
// are read, and after the tokens written.
struct TokenListJob {
    const uint16_t* positions;
    const int32_t* values;
    int count, low;                          // low: first scan position of the stage
    const BlockPosition* table;
    const uint16_t* places;                  // token_places of layout.h: added to the symbol
    const uint16_t* left_offsets;            // token_left_offsets
    uint8_t* magnitudes;                     // scratch, kMaxBlockCount + 1 zeros; zeros again afterwards
    uint16_t* tokens;                        // out
};

// A block header: class and symbol, and which of the tile's entries follow as tokens.
struct BlockRecord {
    uint32_t first;
    uint16_t count;
    uint16_t header;                         // class * kHeaderAlphabet + symbol
};

constexpr uint32_t kEscapeWord = 1u << 10;   // of token words: the length of |q| and the bits below its leading one follow

// The listed symbols of a tile in one stage, to be written. Words: see symbol_words and token_words of tokens.h.
struct TokenWriteJob {
    const BlockRecord* blocks;
    int64_t block_count;
    const uint16_t* tokens;
    const uint16_t* positions;
    const int32_t* values;
    int low[8];                              // first scan position of the stage, by mode
    const uint32_t *header_words, *token_words;
    const uint16_t* predictions;             // see TokenList; nullptr: blocks have none
    const uint32_t* prediction_words;
    uint8_t* out;
    uint64_t held;                           // bits of the sub-stream that wait to be written, and how many
    int held_bits;
};

struct SynthesizeJob {
    TileView tile;
    void* samples;                           // the output: the sample at `low`
    int sample_type;
    int64_t low[3], high[3];                 // of the output, in the (scaled) plane: first sample, and the one after the last
    int64_t slice, row;                      // samples from a slice, or a row, to the next
    int32_t offset, minimum, maximum;        // clip range
    int scale;                               // 1, 2, 4, 8
    int stages;                              // 1: DC only
    int dc_unit;                             // DCs are in 1/dc_unit step
    const TokenSpan* spans;                  // of stage 2, then stage 3, ..; nullptr: indices are in the entries, or in tile.ac without these
    const uint16_t* positions;               // entries: see Entries of layout.h; not with predictions
    const int32_t* values;
    const uint16_t* counts;
    int cut, second_cut;                     // AC positions per cell that are decoded, in all and of stage 2
    const uint64_t* mask;                    // of a measurement: samples that are left out, see mask.h; or nullptr
    const uint8_t* predictions;              // coding order; nullptr: blocks have none, or the scale or stage 1 alone needs none
    int32_t* decoded;                        // with predictions: room for R2 of the tile
    ClassStep classes[8];
};

// A cell whose masked samples are to be refined; see fill_kernels.h.
struct FillJob {
    float* samples;                          // [z][y][x], changed in place
    const uint64_t* mask;                    // a word per slice
    int depth;
    float step;
};

constexpr int kSampleBytes[] = {1, 1, 2, 2, 4};

struct SampleStatistics {
    int64_t sum;
    int32_t low, high;
};

struct SampleDifference {
    uint64_t squares;
    uint32_t largest;
};

struct Kernels {
    int64_t (*analyze_tile)(const AnalyzeJob&, QuantizerSums*);   // sums: one per quality class; returns how many indices
    int64_t (*close_tile)(const CloseJob&, QuantizerSums*);       // the same with the block modes given
    int (*requantize_block)(const RequantizeJob&, QuantizerSums&);   // added to; returns how many indices
    void (*unpack_tiles)(UnpackJob*, int);                     // AC sub-streams of one stage, two together where there are two
    void (*synthesize_tile)(const SynthesizeJob&);
    void (*measure_tile)(const SynthesizeJob&, SampleDifference*);   // samples: those to compare with; added to, one per class
    void (*project_cell)(const FillJob&);
    SampleStatistics (*statistics)(const void*, int, int64_t);   // samples, SampleType, how many (at least one)
    SampleDifference (*difference)(const void*, const void*, int, int64_t);
    void (*list_tokens)(const TokenListJob&);
    uint8_t* (*write_tokens)(const TokenWriteJob&);            // returns one past the last byte
    const char* name;
};

// The best copy for this machine; `name` (of available_kernels) forces one.
const Kernels& kernels();
bool select_kernels(const char* name);
const char* selected_kernels();
int available_kernels(const char** names, int most);

}  // namespace mmip
