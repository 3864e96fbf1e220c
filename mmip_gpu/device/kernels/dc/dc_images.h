// Between the DCs of a chunk and its DC image: the DCs of tiles as samples of planes, and back what a decoder will find there.
// Values: DCs per cell (raster order of the tile) in 1/16 step; int32 planes of the image. One group = one tile. Implements
// FORMAT.md section 8.4; squared differences are integers.
#pragma once

#include "rules/samples/sample_positions.h"
#include "device/kernels/items.h"

namespace mmip {

struct DcImageItem {
    int32_t* samples;                        // (planes, shape)
    int64_t shape[3];                        // cells of the chunk
    MMIP_FIELDS(samples, shape)
};

struct DcImageKernel {
    static constexpr int kLanes = 128;

    struct Params {
        int64_t groups;
        Batch batch;
        const DcImageItem* items;            // by chunk
        int32_t* dcs;
        int64_t* squares;                    // by tile
        MMIP_FIELDS(groups, batch, items, dcs, squares)
    };

    // Calls use(DC, its sample) for the cells of the lane.
    template <class Use>
    static MMIP_RULE void each(const Params& p, int64_t group, int lane, const Use& use) {
        const TileItem& t = p.batch.tiles[group];
        const DcImageItem& item = p.items[t.chunk];
        const int cells = t.cells();
        for (int i = lane; i < cells; i += kLanes)
            use(p.dcs[t.first_cell + i], item.samples[sample_position(item.shape, t.plane, t.cell[0] + i / (t.size[1] * t.size[2]), t.cell[1] + i / t.size[2] % t.size[1], t.cell[2] + i % t.size[2])]);
    }
};

struct DcsToImageKernel : DcImageKernel {
    static constexpr int kPhases = 1;
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        each(p, group, lane, [](int32_t dc, int32_t& sample) { sample = dc; });
    }
};

struct ImageToDcsKernel : DcImageKernel {
    static constexpr int kPhases = 2;
    struct Shared {
        int64_t part[kLanes];
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            int64_t squares = 0;
            each(p, group, lane, [&squares](int32_t& dc, int32_t sample) {
                const int64_t apart = dc - static_cast<int64_t>(sample);
                squares += apart * apart;
                dc = sample;
            });
            s.part[lane] = squares;
        } else if (lane == 0) {
            int64_t sum = 0;
            for (int i = 0; i < kLanes; ++i) sum += s.part[i];
            p.squares[group] = sum;
        }
    }
};

}  // namespace mmip
