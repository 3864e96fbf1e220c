// Block modes and where their cells and coefficients stand.
// Values: small integers. Host and device. Implements FORMAT.md sections 3 (modes, coding order) and 4.3, 4.4 (layout, scan key).
#pragma once

#include "rules/format.h"

namespace MMIP_NS {

// Cells of a block on each axis; cells == 0: the mode does not exist at this depth.
struct BlockShape {
    int z, y, x, cells;
};

MMIP_RULE BlockShape block_shape(int mode, int cell_depth) {
    if (mode == kMode8 || mode == kMode4 || mode == kModePalette) return {1, 1, 1, 1};
    if (mode == kModeZ1 && cell_depth == 8) return {1, 1, 1, 1};
    if (mode == kMode16) return cell_depth == 8 ? BlockShape{2, 2, 2, 8} : BlockShape{1, 2, 2, 4};
    if (mode == kMode32 && cell_depth == 1) return {1, 4, 4, 16};
    if (mode == kMode64 && cell_depth == 1) return {1, 8, 8, 64};
    return {0, 0, 0, 0};
}

// Cells on y and x of a block of so many; on z too where the cell depth is 8. By reference: a copy costs a GPU lane a register.
template <class Count>
MMIP_RULE int cells_along(const Count& cells) { return cells == 64 ? 8 : (cells == 16 ? 4 : (cells > 1 ? 2 : 1)); }

// Parts of a split cell on each axis; 1, 1, 1 for blocks of one transform.
struct BlockParts {
    int z, y, x;
};

MMIP_RULE BlockParts block_parts(int mode, int cell_depth) {
    if (mode == kModeZ1) return {8, 1, 1};
    if (mode == kMode4) return {cell_depth == 8 ? 2 : 1, 2, 2};
    return {1, 1, 1};
}

MMIP_RULE int cell_coefficients(int cell_depth) { return cell_depth * 64 - 1; }  // AC of a cell

MMIP_RULE constexpr int superblock_depth(int cell_depth) { return cell_depth == 8 ? 2 : 1; }
MMIP_RULE constexpr int superblock_width(int cell_depth) { return cell_depth == 8 ? 2 : 8; }

// Z order inside a superblock: the i-th of its cells.
struct CellOffset {
    int z, y, x;
};

MMIP_RULE CellOffset superblock_cell(int i, int cell_depth) {
    if (cell_depth == 8) return {(i >> 2) & 1, (i >> 1) & 1, i & 1};
    return {0, ((i >> 1) & 1) | ((i >> 2) & 2) | ((i >> 3) & 4), (i & 1) | ((i >> 1) & 2) | ((i >> 2) & 4)};
}

MMIP_RULE constexpr int superblock_cells(int cell_depth) { return cell_depth == 8 ? 8 : 64; }

// The Z order index of a cell: what superblock_cell undoes.
MMIP_RULE int superblock_index(CellOffset c, int cell_depth) {
    if (cell_depth == 8) return c.z << 2 | c.y << 1 | c.x;
    return (c.x & 1) | (c.y & 1) << 1 | (c.x & 2) << 1 | (c.y & 2) << 2 | (c.x & 4) << 2 | (c.y & 4) << 3;
}

// A superblock of a tile of az x ay x ax cells: its first cell, its size inside the tile, and the coding index of its first cell.
struct SuperblockBox {
    int z, y, x;
    int nz, ny, nx;
    int first;
};

MMIP_RULE int superblocks(int cells, int width) { return (cells + width - 1) / width; }

MMIP_RULE int superblock_count(int az, int ay, int ax, int cell_depth) {
    const int width = superblock_width(cell_depth);
    return superblocks(az, superblock_depth(cell_depth)) * superblocks(ay, width) * superblocks(ax, width);
}

// The i-th superblock in raster order.
MMIP_RULE SuperblockBox superblock_at(int i, int az, int ay, int ax, int cell_depth) {
    const int deep = superblock_depth(cell_depth), width = superblock_width(cell_depth);
    const int rows = superblocks(ay, width), columns = superblocks(ax, width);
    SuperblockBox s{i / (rows * columns) * deep, i / columns % rows * width, i % columns * width, deep, width, width, 0};
    if (s.z + s.nz > az) s.nz = az - s.z;
    if (s.y + s.ny > ay) s.ny = ay - s.y;
    if (s.x + s.nx > ax) s.nx = ax - s.x;
    s.first = (s.z * ay + s.nz * s.y) * ax + s.nz * s.ny * s.x;
    return s;
}

MMIP_RULE bool superblock_has(const SuperblockBox& s, CellOffset c) { return c.z < s.nz && c.y < s.ny && c.x < s.nx; }

// Coding index in the tile of the superblock's cell with this Z order index.
MMIP_RULE int coding_index(const SuperblockBox& s, int i, int cell_depth) {
    int before = 0;
    if (s.nz * s.ny * s.nx == superblock_cells(cell_depth)) return s.first + i;
    for (int k = 0; k < i; ++k) before += superblock_has(s, superblock_cell(k, cell_depth)) ? 1 : 0;
    return s.first + before;
}

// Sort key of a coefficient in the scan: ascending (sum, largest, kx, raster, part), packed into 64 bits.
MMIP_RULE uint64_t scan_key(int kz, int ky, int kx, int bz, int by, int bx, int part) {
    const int fz = bz > 1 ? 32 * kz / bz : 0, fy = 32 * ky / by, fx = 32 * kx / bx;
    const int largest = fz > fy ? (fz > fx ? fz : fx) : (fy > fx ? fy : fx);
    const uint64_t raster = static_cast<uint64_t>((kz * by + ky) * bx + kx);
    return (static_cast<uint64_t>(fz + fy + fx) << 40) | (static_cast<uint64_t>(largest) << 32) |
           (static_cast<uint64_t>(kx) << 24) | (raster << 8) | static_cast<uint64_t>(part);
}

}  // namespace MMIP_NS
