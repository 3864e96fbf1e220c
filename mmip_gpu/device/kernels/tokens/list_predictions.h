// The predictions of a batch as symbols, and how often each occurs.
// Values: modes per cell (coding order) and predictions (raster order) of tiles whose blocks may have one; listed predictions (coding
// order) and histograms out. One group = one superblock. Implements FORMAT.md section 8.2.
#pragma once

#include "rules/prediction/listed_prediction.h"
#include "device/kernels/atomics.h"
#include "device/kernels/tokens/histograms.h"

namespace mmip {

struct ListPredictionsKernel {
    static constexpr int kLanes = kMostCells, kPhases = 2;

    struct Params {
        int64_t groups;
        Batch batch;
        const uint8_t* modes;
        const uint8_t* predictions;
        uint16_t* listed;                    // out: kNoPrediction where nothing is sent
        Histograms histograms;
        MMIP_FIELDS(groups, batch, modes, predictions, listed, histograms)
    };
    struct Shared {
        SuperblockCells cells;
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            s.cells.find(p.batch, p.modes, nullptr, group, lane);
        } else if (s.cells.place[lane] >= 0) {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const ChunkItem& chunk = p.batch.chunk_of(t);
            const uint16_t found = chunk.predicted != 0 ? listed_at(p, s.cells, t, lane) : kNoPrediction;
            p.listed[t.first_cell + s.cells.place[lane]] = found;
            if (found != kNoPrediction) add_to(p.histograms.predictions_of(p.batch.payload(chunk, 2), group) + listed_symbol(found), 1);
        }
    }

private:
    static MMIP_RULE uint16_t listed_at(const Params& p, const SuperblockCells& cells, const TileItem& t, int k) {
        const int many = block_shape(cells.mode[k], 1).cells, at = cells.raster[k];
        const int z = at / (t.size[1] * t.size[2]), y = at / t.size[2] % t.size[1], x = at % t.size[2];
        if (k % many != 0 || cells.mode[k] == kModePalette || !may_be_predicted(many, z, y, x)) return kNoPrediction;
        const uint8_t* of = p.predictions + t.first_cell + at;
        return listed_prediction(of[0], many, x > 0 ? of[-1] : kPredictNone, y > 0 ? of[-t.size[2]] : kPredictNone);
    }
};

}  // namespace mmip
