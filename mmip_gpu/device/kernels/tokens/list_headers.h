// The block headers of a batch as symbols, and how often each occurs.
// Values: modes per cell, and of list_tokens.h nonzeros and densities; headers (class and symbol) and histograms out, or classes alone.
// One group = one superblock, all its stages. Implements FORMAT.md section 8.2 (contexts, symbols).
#pragma once

#include "rules/tokens/symbols.h"
#include "device/kernels/atomics.h"
#include "device/kernels/tokens/histograms.h"

namespace mmip {

constexpr uint16_t kNoHeader = 0xffff;       // of a cell at which no header stands

// Class of a header at cell k of a superblock, from the densities of the cells beside it.
MMIP_RULE int header_class_at(const uint32_t* densities, const SuperblockCells& cells, const TileItem& t, const ChunkItem& chunk, int k, int stage) {
    const CellOffset o = superblock_cell(k, chunk.depth);
    const SuperblockPlace place = superblock_at(t, chunk.depth, cells.index);
    const int64_t cell = chunk.stages - 1, row = t.size[2] * cell, slice = t.size[1] * row;
    const uint32_t* at = densities + t.first_span + cells.raster[k] * cell + stage - 2;
    uint32_t sum = 0;
    int neighbours = 0;
    if (place.x + o.x > 0) sum += at[-cell], ++neighbours;
    if (place.y + o.y > 0) sum += at[-row], ++neighbours;
    if (place.z + o.z > 0) sum += at[-slice], ++neighbours;
    return header_class(header_context(sum, neighbours), cells.merges(k, chunk.depth));
}

// The class that a header would have at every cell, for a further analysis; after ListTokensKernel.
struct HeaderClassesKernel {
    static constexpr int kLanes = 64, kPhases = 2;

    struct Params {
        int64_t groups;
        Batch batch;
        const uint32_t* densities;
        uint8_t* header_classes;             // out: coding order, by stage
        MMIP_FIELDS(groups, batch, densities, header_classes)
    };
    struct Shared {
        SuperblockCells cells;
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane < kMostCells) s.cells.find(p.batch, nullptr, nullptr, group, lane);
        } else {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const ChunkItem& chunk = p.batch.chunk_of(t);
            const int stages = chunk.stages - 1;
            for (int i = lane; i < kMostCells * stages; i += kLanes) {
                const int k = i / stages;
                if (s.cells.place[k] < 0) continue;
                const int64_t span = t.first_span + static_cast<int64_t>(s.cells.place[k]) * stages + i % stages;
                p.header_classes[span] = static_cast<uint8_t>(header_class_at(p.densities, s.cells, t, chunk, k, i % stages + 2));
            }
        }
    }
};

// Needs the densities of neighbouring superblocks, so it comes after ListTokensKernel.
struct ListHeadersKernel {
    static constexpr int kLanes = 64, kPhases = 2;

    struct Params {
        int64_t groups;
        Batch batch;
        const uint8_t* modes;
        const uint16_t* nonzeros;
        const uint32_t* densities;
        uint16_t* headers;                   // out: class * kHeaderAlphabet + symbol by stage, or kNoHeader
        Histograms histograms;
        MMIP_FIELDS(groups, batch, modes, nonzeros, densities, headers, histograms)
    };
    struct Shared {
        SuperblockCells cells;
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane < kMostCells) s.cells.find(p.batch, p.modes, nullptr, group, lane);
        } else {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const ChunkItem& chunk = p.batch.chunk_of(t);
            const int stages = chunk.stages - 1;
            for (int i = lane; i < kMostCells * stages; i += kLanes)
                if (s.cells.place[i / stages] >= 0) list(p, s.cells, t, chunk, i / stages, i % stages + 2, group);
        }
    }

private:
    static MMIP_RULE uint32_t nonzeros_at(const Params& p, const SuperblockCells& cells, const TileItem& t, int stages, int k, int stage) {
        return p.nonzeros[t.first_span + static_cast<int64_t>(cells.place[k]) * stages + stage - 2];
    }

    // Later stages cover empty regions with the largest blocks that fit.
    static MMIP_RULE int cover(const Params& p, const SuperblockCells& cells, const TileItem& t, const ChunkItem& chunk, int k, int stage) {
        int mode = kMode8;
        for (int larger = kMode16; larger <= kMode64; ++larger) {
            const int many = block_shape(larger, chunk.depth).cells;
            bool fits = many > 0;
            for (int i = 0; i < many && fits; ++i) {
                const int other = k - k % many + i;
                fits = cells.place[other] >= 0 && nonzeros_at(p, cells, t, chunk.stages - 1, other, stage) == 0;
            }
            if (fits) mode = larger;
        }
        return mode;
    }

    static MMIP_RULE void list(const Params& p, const SuperblockCells& cells, const TileItem& t, const ChunkItem& chunk, int k, int stage, int64_t group) {
        const int stages = chunk.stages - 1;
        const int64_t span = t.first_span + static_cast<int64_t>(cells.place[k]) * stages + stage - 2;
        const uint32_t nonzeros = p.nonzeros[span];
        const int mode = stage == 2 || nonzeros > 0 ? cells.mode[k] : cover(p, cells, t, chunk, k, stage);
        if (k % block_shape(mode, chunk.depth).cells != 0) {
            p.headers[span] = kNoHeader;
            return;
        }
        const int header = header_class_at(p.densities, cells, t, chunk, k, stage) * kHeaderAlphabet + 32 * mode + count_symbol(nonzeros);
        p.headers[span] = static_cast<uint16_t>(header);
        add_to(p.histograms.of(p.batch.payload(chunk, stage), group) + header, 1);
    }
};

}  // namespace mmip
