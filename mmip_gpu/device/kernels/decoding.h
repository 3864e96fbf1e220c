// What the decoding kernels share: the items of a batch, the tiles that a launch decodes, and where their arrays stand.
// Values: plain structs in the executor's memory; one DecodeTile per sub-stream, one DecodeItem per chunk. Decoder side of
// FORMAT.md sections 3 to 8. A tile with a status is left alone by every later kernel, and so are the samples it stands for.
#pragma once

#include "rules/samples/sample_positions.h"
#include "rules/palette/palette_reader.h"
#include "device/kernels/phases.h"

namespace mmip {

// Tables of one cell depth and one list of cuts, by block mode.
struct DepthTables {
    TokenBlock blocks[kModeCount];
    const uint16_t* scan[kModeCount];
    MMIP_FIELDS(blocks, scan)
};

// A chunk, or a box of its tiles, at one scale and number of stages. Of columns (columns.h) the output is in cells, not in samples.
struct DecodeItem {
    int64_t shape[3];                        // of a plane in samples, at full scale
    int64_t origin[3], size[3];              // of the output: first sample in the scaled plane, samples
    int64_t scaled[3];                       // of the whole scaled plane
    int64_t image_origin[3], image_size[3];  // of the DC image, if there is one
    void* samples;                           // the output, C order (planes, size)
    const int32_t* image;                    // the DCs as samples (planes, image_size); nullptr: they are in DecodeParams::dc
    const DepthTables* tables;
    int32_t depth, scale, stages;
    int32_t class_count, components;         // classes 0: a stage on its own, whose modes are compared with nothing
    int32_t type;                            // index of kSampleTypes
    int32_t offset, minimum, maximum;
    int32_t padded, padding;                 // whether there is a padding mask; its value
    int32_t dc_unit;                         // DCs are in 1/dc_unit step
    int32_t corrected, error;                // whether corrections are wanted; their e
    int32_t continues;                       // the sub-streams of stage 1 go on with tokens: this is a DC image
    int32_t predicted;                       // blocks may have a prediction
    int32_t cuts[kMaxStages];
    uint32_t steps[kMaxClasses][3];          // in 1/256, by component
    int32_t recon[kMaxClasses][4];           // 0, d1, d2, d3
    uint8_t reversible[kMaxClasses];
    MMIP_FIELDS(shape, origin, size, scaled, image_origin, image_size, samples, image, tables, depth, scale, stages,
                class_count, components, type, offset, minimum, maximum, padded, padding, dc_unit, corrected, error, continues, predicted,
                cuts, steps, recon, reversible)
};

struct DecodeTile {
    int64_t plane;                           // of the output
    int64_t cell[3];                         // first cell, in the plane
    int64_t base;                            // first cell in the arrays per cell
    int64_t spans, tokens, room;             // first span, first token; how many tokens there is room for
    int64_t frame;                           // first byte of the scratch for a mask
    int64_t restored;                        // first sample of R2
    int64_t first_group;                     // of the groups that synthesize the tile
    int64_t image;                           // index of the DC image's tile; -1: none
    int32_t item, order;                     // order: first entry of the coding order
    int32_t size[3];                         // cells on z, y, x
    int32_t component;

    MMIP_RULE int cells() const { return size[0] * size[1] * size[2]; }

    MMIP_FIELDS(plane, cell, base, spans, tokens, room, frame, restored, first_group, image, item, order, size, component)
};

struct DecodeState {
    uint64_t bit;                            // of the sub-stream, where the next reader begins
    int64_t tokens;                          // so far
    int32_t status, stage;                   // stage in which the status arose
    MMIP_FIELDS(bit, tokens, status, stage)
};

struct SubstreamBytes {
    const uint8_t* data;
    uint64_t bytes;
    MMIP_FIELDS(data, bytes)
};

struct StageCodes {
    CodeTables first, headers, tokens;       // first: of DCs, of predictions in stage 2
    int8_t weights[16];                      // of the DC prediction; 11 of them
    MMIP_FIELDS(first, headers, tokens, weights)
};

// Of all decoding kernels.
struct DecodeParams {
    int64_t groups;
    int64_t count;                           // tiles
    int64_t stage;
    const DecodeItem* items;
    const DecodeTile* tiles;
    DecodeState* states;
    const DecodeState* image_states;
    const SubstreamBytes* substreams;        // of this stage, by tile
    const StageCodes* codes;                 // of this stage, by item
    const uint16_t* orders;
    const uint8_t* merges;                   // of the cells of `orders`, see header_class of rules/tokens/symbols.h
    const uint16_t* places;                  // token_code_places
    const uint16_t* left_offsets;            // token_left_offsets
    const int32_t* group_tiles;              // tile of each group
    int32_t* dc;                             // raster order
    uint8_t* classes;                        // raster order
    uint8_t* modes;                          // coding order
    uint8_t* predictions;                    // coding order
    uint8_t* near_predictions;               // raster order
    int32_t* restored;                       // R2, by tile [z][y][x] of whole cells
    uint64_t* mask;                          // raster order, 8 words a cell
    TokenSpan* spans;                        // stage after stage, coding order
    Token* tokens;
    uint32_t* density;
    uint8_t* magnitudes;                     // zeros, kMagnitudeBytes a tile
    PaletteScratch* palettes;                // one a tile
    int64_t* values;
    uint32_t* errors;
    uint8_t* frames;

    MMIP_RULE int status(int64_t tile) const { return states[tile].status; }
    MMIP_RULE const uint64_t* mask_of(const DecodeTile& tile) const { return mask + 8 * tile.base; }

    // Indices of the block that starts at a cell (coding order): a list a stage from 2 on.
    MMIP_RULE int lists(const DecodeItem& item) const { return item.stages - 1; }
    MMIP_RULE TokenSpan list(const DecodeTile& tile, const DecodeItem&, int coding, int n) const {
        return spans[tile.spans + static_cast<int64_t>(n) * tile.cells() + coding];
    }

    MMIP_FIELDS(groups, count, stage, items, tiles, states, image_states, substreams, codes, orders, merges, places,
                left_offsets, group_tiles, dc, classes, modes, predictions, near_predictions, restored, mask, spans, tokens,
                density, magnitudes, palettes, values,
                errors, frames)
};

// The indices of a block as an encoder holds them: all stages in one list.
struct CodedEntries {
    const uint16_t* positions;
    const int32_t* values;
    uint32_t count;

    MMIP_RULE Token operator[](uint32_t i) const { return {values[i], positions[i]}; }

    // Those of stages 2 .. the item's last one, of a block of so many cells.
    MMIP_RULE CodedEntries of_stages(const DecodeItem& item, int cells) const {
        const int limit = cells * item.cuts[item.stages - 1];
        uint32_t low = 0, high = count;
        if (count == 0 || positions[count - 1] < limit) return *this;
        while (low < high) {
            const uint32_t middle = (low + high) / 2;
            if (positions[middle] < limit) low = middle + 1;
            else high = middle;
        }
        return {positions, values, low};
    }
};

// What a synthesis of coefficients takes that were never a bitstream; DecodeTile::tokens is the tile's first entry, DecodeItem::stages
// says of which stages.
struct CodedParams {
    int64_t groups;
    const DecodeItem* items;
    const DecodeTile* tiles;
    const int32_t* group_tiles;
    const int32_t* dc;                       // raster order
    const uint8_t* classes;                  // raster order
    const uint8_t* modes;                    // coding order
    const uint8_t* predictions;              // coding order; of tiles whose blocks may have one
    int32_t* restored;                       // R2 of these, see DecodeParams
    const uint64_t* mask;                    // raster order, a word a slice of a cell
    const uint16_t* counts;                  // coding order
    const uint16_t* positions;               // in the room of the block's cells
    const int32_t* values;

    MMIP_RULE int status(int64_t) const { return kOk; }
    MMIP_RULE const uint64_t* mask_of(const DecodeTile& tile) const { return mask + (tile.tokens + tile.base) / 64; }   // entries and DCs before
    MMIP_RULE int lists(const DecodeItem&) const { return 1; }
    MMIP_RULE CodedEntries list(const DecodeTile& tile, const DecodeItem& item, int coding, int) const {
        const int64_t first = tile.tokens + static_cast<int64_t>(coding) * cell_coefficients(item.depth);
        const CodedEntries all{positions + first, values + first, counts[tile.base + coding]};
        return all.of_stages(item, block_shape(modes[tile.base + coding], item.depth).cells);
    }

    MMIP_FIELDS(groups, items, tiles, group_tiles, dc, classes, modes, predictions, restored, mask, counts, positions, values)
};

MMIP_RULE void put_sample(void* samples, int type, int64_t at, int32_t value) {
    switch (type) {
        case kSampleU8: static_cast<uint8_t*>(samples)[at] = static_cast<uint8_t>(value); break;
        case kSampleI8: static_cast<int8_t*>(samples)[at] = static_cast<int8_t>(value); break;
        case kSampleU16: static_cast<uint16_t*>(samples)[at] = static_cast<uint16_t>(value); break;
        case kSampleI16: static_cast<int16_t*>(samples)[at] = static_cast<int16_t>(value); break;
        default: static_cast<int32_t*>(samples)[at] = value;
    }
}

constexpr int kMagnitudeBytes = 4096;        // at least kMaxBlockCount + 1

}  // namespace mmip
