// What a batch of chunks is made of, and where a group finds its part of it.
// Values: arrays of chunks, payloads (a stage of a chunk), tiles and block tables in the executor's memory; device/tables/batches.py lays
// them out. Implements FORMAT.md section 3 (tiles, superblocks, coding order). Indices of samples and cells are 64 bits.
#pragma once

#include "rules/blocks/blocks.h"
#include "device/kernels/phases.h"

namespace mmip {

struct ChunkItem {
    int32_t depth, stages, classes, components;
    int32_t predicted;                       // blocks may have a prediction
    int32_t cuts[16];                        // AC positions of a cell before which the stages end, 0 for stage 1
    uint32_t steps[8][3];                    // by class and component, in 1/256
    uint32_t choice_steps[8][3];             // by which blocks are chosen
    int64_t first_payload;                   // of stage 1; those of the later stages follow
    MMIP_FIELDS(depth, stages, classes, components, predicted, cuts, steps, choice_steps, first_payload)
};

struct PayloadItem {
    int64_t first_stream, streams;           // in the arrays of sub-streams; 0: those of stage 1, or none
    int64_t first_symbol;                    // in the histograms and words; those of predictions stand before it
    int64_t first_group;                     // of sub-streams that share a crc
    int64_t body;                            // where its sub-streams begin, in bytes of the output
    MMIP_FIELDS(first_stream, streams, first_symbol, first_group, body)
};

struct TileItem {
    int64_t first_cell;                      // in the arrays of cells
    int64_t first_entry;                     // in the arrays of entries: every cell has room for all its AC
    int64_t first_span;                      // in the arrays of cells by AC stages
    int64_t first_superblock;
    int64_t first_run;                       // in the arrays of superblocks by AC stages
    int64_t cell[3];                         // its first cell, in the plane
    int64_t stream;                          // among the sub-streams of a stage of its chunk
    int64_t plane;
    int32_t chunk, component;
    int32_t size[3];                         // cells on z, y, x
    int32_t reserved;

    MMIP_RULE int cells() const { return size[0] * size[1] * size[2]; }

    MMIP_FIELDS(first_cell, first_entry, first_span, first_superblock, first_run, cell, stream, plane, chunk, component, size,
                reserved)
};

struct BlockItem {
    int32_t cells, count;                    // cells == 0: the mode does not exist
    const uint16_t* order;                   // see BlockTable of passes/layout.h
    const uint16_t* neighbours;
    MMIP_FIELDS(cells, count, order, neighbours)
};

struct Batch {
    int64_t tile_count;
    const TileItem* tiles;
    const ChunkItem* chunks;
    const PayloadItem* payloads;
    const BlockItem* blocks;                 // kModeCount of depth 1, kModeCount of depth 8

    MMIP_RULE const ChunkItem& chunk_of(const TileItem& tile) const { return chunks[tile.chunk]; }
    MMIP_RULE const BlockItem& block(int depth, int mode) const { return blocks[(depth == 1 ? 0 : kModeCount) + mode]; }
    MMIP_RULE const PayloadItem& payload(const ChunkItem& chunk, int stage) const { return payloads[chunk.first_payload + stage - 1]; }
    // Whether stage 2 goes on in the sub-streams of stage 1: the chunk is a DC image.
    MMIP_RULE bool is_dc_image(const ChunkItem& chunk) const { return payload(chunk, 2).streams == 0; }

    MMIP_FIELDS(tile_count, tiles, chunks, payloads, blocks)
};

// The last of `count` items whose `first` is not above `at`; that of the first item is 0.
template <class Item>
MMIP_RULE int64_t item_at(const Item* items, int64_t count, int64_t Item::*first, int64_t at) {
    int64_t low = 0, high = count;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (items[middle].*first <= at) low = middle;
        else high = middle;
    }
    return low;
}

struct SuperblockPlace {
    int z, y, x;                             // its first cell, in the tile
    int first;                               // coding index of that cell
};

MMIP_RULE int smaller_of(int a, int b) { return a < b ? a : b; }

MMIP_RULE int superblocks_along(int cells, int size) { return (cells + size - 1) / size; }

MMIP_RULE int superblocks_of(const TileItem& t, int depth) {
    const int width = superblock_width(depth);
    return superblocks_along(t.size[0], superblock_depth(depth)) * superblocks_along(t.size[1], width) * superblocks_along(t.size[2], width);
}

// The superblock of this index (raster order) in a tile.
MMIP_RULE SuperblockPlace superblock_at(const TileItem& t, int depth, int index) {
    const int height = superblock_depth(depth), width = superblock_width(depth);
    const int nx = superblocks_along(t.size[2], width), ny = superblocks_along(t.size[1], width);
    const int z = index / (nx * ny) * height, y = index / nx % ny * width, x = index % nx * width;
    const int dz = smaller_of(height, t.size[0] - z), dy = smaller_of(width, t.size[1] - y);
    return {z, y, x, z * t.size[1] * t.size[2] + dz * (y * t.size[2] + dy * x)};
}

constexpr int kMostCells = superblock_cells(1);
constexpr int kMostStages = 15;              // with AC

// The cells of a superblock in Z order, and the blocks that start at them.
struct SuperblockCells {
    int64_t tile;
    int32_t index;                           // of the superblock, in the tile
    int32_t place[kMostCells];               // coding index in the tile, -1: outside the tile
    int32_t raster[kMostCells];
    int32_t mode[kMostCells];
    int32_t count[kMostCells];               // entries of the block that starts there, else 0; those of palette cells are no tokens: 0
    int32_t starts[kMostCells + 1];          // entries before them

    // Phase of lanes k < kMostCells: what is known of the cell itself.
    MMIP_RULE void find(const Batch& b, const uint8_t* modes, const uint16_t* counts, int64_t group, int k) {
        const int64_t at = item_at(b.tiles, b.tile_count, &TileItem::first_superblock, group);
        const TileItem& t = b.tiles[at];
        const int depth = b.chunk_of(t).depth, cells = superblock_cells(depth);
        const SuperblockPlace s = superblock_at(t, depth, static_cast<int>(group - t.first_superblock));
        if (k == 0) tile = at, index = static_cast<int32_t>(group - t.first_superblock);
        int before = 0;
        bool inside = false;
        for (int i = 0; i <= k; ++i) {
            const CellOffset o = superblock_cell(i, depth);
            before += inside ? 1 : 0;
            inside = i < cells && s.z + o.z < t.size[0] && s.y + o.y < t.size[1] && s.x + o.x < t.size[2];
        }
        const CellOffset o = superblock_cell(k, depth);
        place[k] = inside ? s.first + before : -1;
        raster[k] = ((s.z + o.z) * t.size[1] + s.y + o.y) * t.size[2] + s.x + o.x;
        mode[k] = inside && modes != nullptr ? modes[t.first_cell + place[k]] : 0;
        count[k] = inside && counts != nullptr && mode[k] != kModePalette ? counts[t.first_cell + place[k]] : 0;
    }

    // The phase after it, of lanes k <= kMostCells.
    MMIP_RULE void add_up(int k) {
        int sum = 0;
        for (int i = 0; i < k; ++i) sum += count[i];
        starts[k] = sum;
    }

    MMIP_RULE int total() const { return starts[kMostCells]; }

    // Whether a block of so many cells may start at cell k, which is in the tile: then its last cell is too.
    MMIP_RULE bool fits(int k, int many) const { return many > 0 && k % many == 0 && place[k + many - 1] >= 0; }

    // As header_class of rules/tokens/symbols.h takes it.
    MMIP_RULE int merges(int k, int depth) const {
        return fits(k, block_shape(kMode32, depth).cells) ? 2 : (fits(k, block_shape(kMode16, depth).cells) ? 1 : 0);
    }
};

// Walks the entries of a superblock in ascending order; `k` is the cell whose block holds entry e, j its place in the block.
struct EntryWalk {
    int k = 0, j = 0;

    MMIP_RULE void move_to(const SuperblockCells& cells, int e) {
        while (e >= cells.starts[k + 1]) ++k;
        j = e - cells.starts[k];
    }
};

// An entry as a token: its stage, the positions low .. high - 1 of that, and the first position that the entry may have had.
struct TokenPlace {
    int stage, low, high, from;
};

// `cells` = those of the block.
MMIP_RULE TokenPlace token_place_of(const ChunkItem& chunk, int cells, const uint16_t* positions, int j) {
    const int at = positions[j], after = j > 0 ? positions[j - 1] + 1 : 0;
    int stage = 2;
    while (at >= cells * chunk.cuts[stage - 1]) ++stage;
    const int low = cells * chunk.cuts[stage - 2];
    return {stage, low, cells * chunk.cuts[stage - 1], after > low ? after : low};
}

}  // namespace mmip
