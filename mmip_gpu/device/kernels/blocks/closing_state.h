// What a close of tiles takes and gives, and what a group knows of the block at hand.
// Values: plain structs in the executor's memory; the state in shared memory. One group = one tile. Encoder side of FORMAT.md sections 3
// to 5.
#pragma once

#include "rules/prediction/tried_predictions.h"
#include "device/kernels/blocks/analysis_items.h"
#include "device/kernels/blocks/restore_block.h"

namespace mmip {

constexpr int kCandidates = 1 + kMostClosed; // of a block; the first has no prediction

// Scratch of a group.
struct ClosingScratch {
    float samples[4096];                     // of the block, [y][x]
    float own[4096];                         // its coefficients, in scan order
    Entry entries[kCandidates][4096];
    uint8_t magnitudes[kCandidates][4096];   // zeros between blocks
};

struct ClosingParams {
    int64_t groups;
    const int32_t* group_tiles;              // tile of each group
    const DecodeItem* items;                 // of which R2 is made: `stages` is 2
    const DecodeTile* tiles;
    const ChunkItem* chunks;
    const SampleItem* sources;
    const uint16_t* orders;
    const int32_t* dc;                       // raster order
    const uint8_t* classes;                  // raster order
    const uint8_t* hidden;                   // raster order: cells under the padding mask; nullptr: none are
    uint8_t* modes;                          // coding order
    uint16_t* counts;                        // coding order
    uint16_t* positions;                     // in the room of the block's cells
    int32_t* values;
    IndexSums* sums;                         // of kMaxClasses for each tile; added to
    uint8_t* predictions;                    // coding order: those of the search in, of the block out
    uint8_t* near_predictions;               // out: raster order
    int32_t* restored;                       // out: R2, see DecodeParams
    const uint8_t* rates;                    // as those of SearchParams
    const int64_t* first_rates;
    const uint8_t* header_classes;
    const uint8_t* prediction_bits;          // of symbols with their raw bits: classes x alphabet
    ClosingScratch* scratch;                 // one a group

    MMIP_RULE CodedEntries list(const DecodeTile& tile, const DecodeItem& item, int coding, int) const {
        const int64_t first = room(tile, coding);
        const CodedEntries all{positions + first, values + first, counts[tile.base + coding]};
        return all.of_stages(item, block_shape(modes[tile.base + coding], 1).cells);
    }
    MMIP_RULE int64_t room(const DecodeTile& tile, int coding) const { return tile.tokens + static_cast<int64_t>(coding) * cell_coefficients(1); }

    MMIP_FIELDS(groups, group_tiles, items, tiles, chunks, sources, orders, dc, classes, hidden, modes, counts, positions, values, sums,
                predictions, near_predictions, restored, rates, first_rates, header_classes, prediction_bits, scratch)
};

struct ClosingState {
    static constexpr int kMostTried = 10, kWords = 128;

    BlockRestorer<ClosingParams>::Shared block;
    int32_t edge[kEdgeSamples], smooth[kEdgeSamples];
    uint32_t found[kWords], before[kWords];  // see SuperblockState
    float dcs[64];
    int32_t decides;                         // whether indices of the block are decided on
    int32_t settled;                         // whether it stays empty
    uint32_t left;                           // whether rounding leaves any index without a prediction
    int32_t w, n;                            // predictions of the cells at its left and above
    int32_t tried[kMostTried], tried_count, step;
    uint64_t hints;
    int64_t differences[kMostTried];
    FoundPredictions best;
    int32_t candidates[kCandidates], candidate_count, chosen;
    int64_t distortion[kCandidates], bits[kCandidates];
    uint16_t begins[kCandidates][kMostStages + 1], kept[kCandidates][kMostStages];
};

}  // namespace mmip
