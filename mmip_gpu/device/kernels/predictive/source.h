// What the encoding kernels of the predictive codec share: chunks to code, and their bricks as values of components.
// Values: SourceParams; samples of any type in, numbers 0 .. 2^bits - 1 out. Encoder side of FORMAT.md sections 2.1 and 3.1.
#pragma once

#include "device/kernels/predictive/bricks.h"
#include "rules/samples/sample_positions.h"

namespace mmip {

constexpr int kResidualCodes = kClassNumbers * kResidualAlphabet;   // symbols of a component, class after class

struct SourceChunk {
    int64_t size[3];                         // of a plane
    int64_t bricks;                          // of all planes of a component
    const void* samples;                     // C order (planes, size)
    const int32_t* ranks;                    // of sample - offset; nullptr: samples are not ranked
    const int32_t* palette;                  // colours in ascending order, each R, G, B and its number; nullptr: none
    const Predictor<int32_t>* sets;          // kMaxSets of every component
    uint8_t* set_of_brick;                   // out: `bricks` of every component
    const uint32_t* codes;                   // kResidualCodes of every component: codeword, in the low 4 bits its length
    uint32_t* counts;                        // out: kResidualCodes of every component
    int32_t palette_count, components, channels, colour_form, bits;
    int32_t near, offset;
    int32_t type;                            // index of kSampleTypes
    int32_t tile_log2[3];
    int32_t set_count[kCodedComponents];
    int32_t cross[kCodedComponents][2], context[kCodedComponents];
    MMIP_FIELDS(size, bricks, samples, ranks, palette, sets, set_of_brick, codes, counts, palette_count, components, channels,
                colour_form, bits, near, offset, type, tile_log2, set_count, cross, context)

    MMIP_RULE int bits_of(int component) const { return component_bits(colour_form, bits, component); }
    MMIP_RULE bool has_cross(int component) const { return cross[component][0] != 0 || cross[component][1] != 0; }
};

// Tiles of one chunk that a group of lanes counts and writes together.
struct TileGroup {
    int64_t first_tile;
    int32_t tiles, chunk;
    MMIP_FIELDS(first_tile, tiles, chunk)
};

struct SourceParams {
    int64_t groups, brick_count;
    const SourceChunk* chunks;
    const BrickPlace* bricks;
    const int32_t* tile_bricks;              // brick of each tile
    const TileGroup* tile_groups;
    int32_t *values, *residuals;             // numbers of all bricks
    int32_t* magnitudes;                     // `magnitude_room` a tile
    int64_t magnitude_room, stream_room;
    uint8_t* streams;                        // out: `stream_room` bytes a sub-stream
    uint32_t* sizes;                         // out: bytes of each
    MMIP_FIELDS(groups, brick_count, chunks, bricks, tile_bricks, tile_groups, values, residuals, magnitudes, magnitude_room,
                stream_room, streams, sizes)

    // Sample 0 of a component of a brick.
    MMIP_RULE int64_t start_of(const BrickPlace& b, int component) const { return b.first_number + component * b.slice() * b.extent[0] + 1; }
};

MMIP_RULE int32_t sample_at(const void* samples, int type, int64_t at) {
    switch (type) {
        case kSampleU8: return static_cast<const uint8_t*>(samples)[at];
        case kSampleI8: return static_cast<const int8_t*>(samples)[at];
        case kSampleU16: return static_cast<const uint16_t*>(samples)[at];
        case kSampleI16: return static_cast<const int16_t*>(samples)[at];
        default: return static_cast<const int32_t*>(samples)[at];
    }
}

// Values of the components of a brick, then what stands before and after its rows. One group = one brick.
struct LoadBricksKernel {
    static constexpr int kLanes = 128, kPhases = 2;
    using Params = SourceParams;
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const BrickPlace& brick = p.bricks[group];
        const SourceChunk& chunk = p.chunks[brick.chunk];
        if constexpr (phase == 0) {
            each_number<kLanes>(brick, lane, [&](int z, int y, int x, int64_t at) {
                const int64_t from = sample_position(chunk.size, brick.plane, brick.origin[0] + z, brick.origin[1] + y, brick.origin[2] + x);
                int32_t v[kCodedComponents];
                values_of(chunk, from, v);
                for (int c = 0; c < chunk.components; ++c) p.values[p.start_of(brick, c) + at] = v[c];
            });
        } else {
            const int rows = brick.extent[0] * brick.extent[1];
            for (int i = lane; i < rows * chunk.components; i += kLanes) {
                int32_t* row = p.values + p.start_of(brick, i / rows) + i % rows * brick.row();
                row[-1] = i % rows % brick.extent[1] > 0 ? row[-brick.row()] : row[0];
                row[brick.extent[2]] = row[brick.extent[2] - 1];
            }
        }
    }

    static MMIP_RULE void values_of(const SourceChunk& chunk, int64_t at, int32_t* v) {
        const int64_t plane = chunk.size[0] * chunk.size[1] * chunk.size[2];
        int32_t s[kCodedComponents] = {};
        for (int channel = 0; channel < chunk.channels; ++channel) s[channel] = sample_at(chunk.samples, chunk.type, at + channel * plane);
        if (chunk.palette != nullptr) {
            v[0] = number_of(chunk, s);
            return;
        }
        for (int channel = 0; channel < chunk.channels; ++channel)
            s[channel] = chunk.ranks != nullptr ? chunk.ranks[s[channel] - chunk.offset] : (s[channel] - chunk.offset + chunk.near) / (2 * chunk.near + 1);
        if (chunk.components == 1) v[0] = s[0];
        else to_components(chunk.colour_form, chunk.bits, s[0], s[1], s[2], v);
    }

    // The number of a colour, which is in the palette.
    static MMIP_RULE int32_t number_of(const SourceChunk& chunk, const int32_t* colour) {
        int low = 0, high = chunk.palette_count;
        while (high - low > 1) {
            const int middle = (low + high) / 2;
            const int32_t* c = chunk.palette + 4 * middle;
            const bool is_above = c[0] != colour[0] ? c[0] > colour[0] : (c[1] != colour[1] ? c[1] > colour[1] : c[2] > colour[2]);
            if (is_above) high = middle;
            else low = middle;
        }
        return chunk.palette[4 * low + 3];
    }
};

}  // namespace mmip
