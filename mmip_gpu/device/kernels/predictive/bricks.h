// What the kernels of the predictive codec share: the chunks of a batch, their bricks and tiles, and where their arrays stand.
// Values: plain structs in the executor's memory; a BrickChunk per chunk, a BrickPlace per brick of all its components, a status
// per sub-stream. Numbers: residuals, then values, of a launch's bricks: component after component, rows with one of room on
// both sides. Implements FORMAT.md section 3.1.
#pragma once

#include "device/kernels/decoding.h"
#include "rules/predictive/colour_forms.h"
#include "rules/predictive/predict.h"
#include "rules/predictive/residual_reader.h"

namespace mmip {

constexpr int kCodedComponents = 3;
constexpr int kResidualEntries = (kResidualTables + 1) << kResidualCodeLimit;   // of a component; the last table is of zeros

// A chunk of kind 2, or a box of its bricks.
struct BrickChunk {
    int64_t origin[3], size[3];              // of the output: first sample in the plane, samples
    int64_t bricks;                          // of all planes of a component
    void* samples;                           // the output, C order (planes, size)
    const uint32_t* entries;                 // kResidualEntries of every component
    const Predictor<int32_t>* sets;          // kMaxSets of every component
    const uint8_t* set_of_brick;             // `bricks` of every component
    const int32_t* values;                   // what ranks stand for; of a palette, by channel; nullptr: neither
    int32_t value_count;                     // of a channel
    int32_t components, channels, colour_form, bits;
    int32_t step, offset, minimum, maximum;
    int32_t type;                            // index of kSampleTypes
    int32_t tile_log2[3];
    int32_t cross[kCodedComponents][2], context[kCodedComponents];
    MMIP_FIELDS(origin, size, bricks, samples, entries, sets, set_of_brick, values, value_count, components, channels,
                colour_form, bits, step, offset, minimum, maximum, type, tile_log2, cross, context)

    MMIP_RULE int bits_of(int component) const { return component_bits(colour_form, bits, component); }
};

struct BrickPlace {
    int64_t plane;                           // of the output: that of its first channel
    int64_t origin[3];                       // first sample, in the plane
    int64_t number;                          // among the bricks of all planes of a component
    int64_t first_stream, component_streams; // its sub-streams of component 0; from those to the ones of the next component
    int64_t first_tile;                      // among the tiles of the batch
    int64_t first_number;                    // among the numbers of the launch
    int32_t extent[3];
    int32_t chunk;
    MMIP_FIELDS(plane, origin, number, first_stream, component_streams, first_tile, first_number, extent, chunk)

    MMIP_RULE int64_t row() const { return extent[2] + 2; }
    MMIP_RULE int64_t slice() const { return row() * extent[1]; }
};

// Of all kernels of this chapter: a wave of bricks and their tiles.
struct BrickParams {
    int64_t groups;
    int64_t first_brick, brick_count, first_tile, tile_count;
    const BrickChunk* chunks;
    const BrickPlace* bricks;                // of the batch
    const int32_t* tile_bricks;              // brick of each tile of the batch
    const SubstreamBytes* substreams;
    DecodeState* states;                     // of the sub-streams
    int32_t* numbers;
    int32_t* magnitudes;                     // `magnitude_room` a tile
    int64_t magnitude_room;
    MMIP_FIELDS(groups, first_brick, brick_count, first_tile, tile_count, chunks, bricks, tile_bricks, substreams, states,
                numbers, magnitudes, magnitude_room)

    // Sample 0 of a component of a brick.
    MMIP_RULE int32_t* component_of(const BrickPlace& b, int component) const { return numbers + b.first_number + component * b.slice() * b.extent[0] + 1; }
};

// First sample and extent of a tile (raster order) of a brick.
struct TileInBrick {
    int first[3], size[3];

    MMIP_RULE TileInBrick(const BrickPlace& b, const int32_t* tile_log2, int number) {
        int rest = number;
        for (int a = 2; a >= 0; --a) {
            const int tiles = (b.extent[a] + (1 << tile_log2[a]) - 1) >> tile_log2[a];
            first[a] = rest % tiles << tile_log2[a];
            size[a] = least(1 << tile_log2[a], b.extent[a] - first[a]);
            rest /= tiles;
        }
    }
    MMIP_RULE int64_t start(const BrickPlace& b) const { return first[0] * b.slice() + first[1] * b.row() + first[2]; }
};

// work(z, y, x, place among the numbers) for what a lane takes of a brick: lanes side by side have samples side by side.
template <int lanes, class Work>
MMIP_RULE void each_number(const BrickPlace& b, int lane, const Work& work) {
    constexpr int across = 32;
    for (int row = lane / across; row < b.extent[0] * b.extent[1]; row += lanes / across)
        for (int x = lane % across; x < b.extent[2]; x += across) work(row / b.extent[1], row % b.extent[1], x, row * b.row() + x);
}

}  // namespace mmip
