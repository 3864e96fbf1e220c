// The palette cells of a batch: what follows the blocks in the sub-streams of stage 2.
// Values: modes and counts per cell (coding order), entries in the room of their cells; bytes of a tile's code, then the code at
// its place, out. One group = one tile, coded once to count and once to write.
// Implements FORMAT.md section 8.5.
#pragma once

#include "rules/palette/palette.h"
#include "device/kernels/items.h"
#include "device/kernels/coding/range_bytes.h"

namespace mmip {

struct PaletteKernel : RangeCodingKernel {
    struct Shared {
        PaletteModel model;
        uint8_t colours[kPaletteSamples];
    };

    struct Cells {
        const uint8_t* modes;
        const uint16_t* counts;
        const uint16_t* positions;
        const int32_t* values;

        // The code of a tile's palette cells; nothing goes to the sink where it has none.
        template <class Sink>
        MMIP_RULE void code(const TileItem& t, int depth, Shared& s, Sink& sink) const {
            RangeEncoder<Sink, PaletteModel> coder(sink, s.model);
            const int cells = t.cells();
            bool any = false;
            for (int i = 0; i < cells; ++i) {
                if (modes[t.first_cell + i] != kModePalette) continue;
                if (!any) coder.model.reset();
                any = true;
                const int64_t room = t.first_entry + static_cast<int64_t>(i) * cell_coefficients(depth);
                code_palette(positions + room, values + room, counts[t.first_cell + i], depth, s.colours, coder);
            }
            if (any) coder.finish();
        }

        MMIP_FIELDS(modes, counts, positions, values)
    };
};

struct CountPalettesKernel : PaletteKernel {
    struct Params {
        int64_t groups;
        Batch batch;
        Cells cells;
        uint32_t* palettes;                  // out: bytes of the tile's code
        MMIP_FIELDS(groups, batch, cells, palettes)
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t tile, int) {
        const TileItem& t = p.batch.tiles[tile];
        CountedBytes sink;
        p.cells.code(t, p.batch.chunk_of(t).depth, s, sink);
        p.palettes[tile] = sink.kept;
    }
};

struct WritePalettesKernel : PaletteKernel {
    struct Params {
        int64_t groups;
        Batch batch;
        Cells cells;
        const uint32_t* palettes;
        const uint32_t* sizes;               // of the sub-streams, which end with this code
        const int64_t* offsets;
        uint32_t* output;                    // zeroed
        MMIP_FIELDS(groups, batch, cells, palettes, sizes, offsets, output)
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t tile, int) {
        if (p.palettes[tile] == 0) return;
        const TileItem& t = p.batch.tiles[tile];
        const ChunkItem& chunk = p.batch.chunk_of(t);
        const PayloadItem& payload = p.batch.payload(chunk, 2);
        const int64_t stream = payload.first_stream + t.stream;
        PlacedBits out(p.output, 8 * (payload.body + p.offsets[stream] + p.sizes[stream] - p.palettes[tile]));
        PlacedBytes sink{out, p.palettes[tile]};
        p.cells.code(t, chunk.depth, s, sink);
        out.finish();
    }
};

}  // namespace mmip
