// Builds the block tables, coding orders and buffers of layout.h.
#include "layout.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace mmip {
namespace {

struct Place {
    int kz, ky, kx, part;
    uint64_t key;
};

// All AC coefficients of a block in scan order.
std::vector<Place> scan_places(int mode, int depth, const BlockShape& cells) {
    const int bz = depth * cells.z, by = kCellSize * cells.y, bx = kCellSize * cells.x;
    std::vector<Place> places;
    for (int kz = 0; kz < bz; ++kz)
        for (int ky = 0; ky < by; ++ky)
            for (int kx = 0; kx < bx; ++kx) {
                if (kz < cells.z && ky < cells.y && kx < cells.x) continue;   // the DC or the corner
                if (mode == kModeZ1 && (ky > 0 || kx > 0))
                    places.push_back({kz, ky, kx, kz, scan_key(0, ky, kx, bz, by, bx, kz)});
                else
                    places.push_back({kz, ky, kx, 0, scan_key(kz, ky, kx, bz, by, bx, 0)});
            }
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.key < b.key; });
    return places;
}

BlockTable make_table(int mode, int depth) {
    const BlockShape cells = block_shape(mode, depth);
    BlockTable table;
    table.mode = mode;
    table.cells = cells.cells;
    table.size[0] = depth * cells.z, table.size[1] = kCellSize * cells.y, table.size[2] = kCellSize * cells.x;
    const std::vector<Place> places = scan_places(mode, depth, cells);
    table.count = static_cast<int>(places.size());
    std::map<std::tuple<int, int, int>, int> position;
    for (int p = 0; p < table.count; ++p) position[{places[p].kz, places[p].ky, places[p].kx}] = p;
    const auto find = [&](int p, int kz, int ky, int kx) {
        const auto it = position.find({kz, ky, kx});
        return it == position.end() || it->second >= p ? table.count : it->second;
    };
    for (int p = 0; p < table.count; ++p) {
        const Place& at = places[p];
        table.scan.push_back(static_cast<uint16_t>((at.kz * table.size[2] + at.kx) * table.size[1] + at.ky));
        table.position_class.push_back(static_cast<uint8_t>(position_class(p, table.count)));
        int n[6] = {find(p, at.kz - 1, at.ky, at.kx), find(p, at.kz, at.ky - 1, at.kx), find(p, at.kz, at.ky, at.kx - 1),
                    find(p, at.kz - 2, at.ky, at.kx), find(p, at.kz, at.ky - 2, at.kx), find(p, at.kz, at.ky, at.kx - 2)};
        if (mode == kModeZ1) {
            const bool split = at.ky > 0 || at.kx > 0;
            n[0] = table.count;
            n[3] = split && at.part >= 1 ? find(p, at.kz - 1, at.ky, at.kx) : table.count;
            if (split && at.part >= 2) n[4] = find(p, at.kz - 2, at.ky, at.kx);
        }
        for (int i : n) table.neighbours.push_back(static_cast<uint16_t>(i));
    }
    return table;
}

std::unique_ptr<TileOrder> make_order(int depth, int az, int ay, int ax) {
    auto order = std::make_unique<TileOrder>();
    order->depth = depth, order->az = az, order->ay = ay, order->ax = ax;
    const int sz = superblock_depth(depth), sy = superblock_width(depth);
    const int inside = sz * sy * sy;
    for (int z = 0; z < az; z += sz)
        for (int y = 0; y < ay; y += sy)
            for (int x = 0; x < ax; x += sy)
                for (int i = 0; i < inside; ++i) {
                    const CellOffset o = superblock_cell(i, depth);
                    const int cz = z + o.z, cy = y + o.y, cx = x + o.x;
                    if (cz >= az || cy >= ay || cx >= ax) continue;
                    order->raster.push_back(static_cast<uint16_t>((cz * ay + cy) * ax + cx));
                    order->z.push_back(static_cast<uint16_t>(cz));
                    order->y.push_back(static_cast<uint16_t>(cy));
                    order->x.push_back(static_cast<uint16_t>(cx));
                }
    return order;
}

}  // namespace

const BlockTable* block_table(int mode, int cell_depth) {
    static const BlockTable tables[] = {make_table(kMode8, 1),  make_table(kMode16, 1), make_table(kMode32, 1),
                                        make_table(kMode8, 8),  make_table(kModeZ1, 8), make_table(kMode16, 8)};
    const int first = cell_depth == 8 ? 3 : 0;
    for (int i = first; i < first + 3; ++i)
        if (tables[i].mode == mode) return &tables[i];
    return nullptr;
}

Coefficients::Coefficients(const Geometry& g, const TileBox& b, std::vector<int> stage_cuts)
    : geometry(g), box(b), cuts(std::move(stage_cuts)) {
    std::map<std::tuple<int, int, int>, const TileOrder*> known;
    const int64_t ny = g.tiles(1), nx = g.tiles(2), nz = g.tiles(0);
    for (int64_t p = b.planes[0]; p < b.planes[1]; ++p)
        for (int64_t z = b.low[0]; z < b.high[0]; ++z)
            for (int64_t y = b.low[1]; y < b.high[1]; ++y)
                for (int64_t x = b.low[2]; x < b.high[2]; ++x) {
                    const int64_t at[3] = {z, y, x};
                    Tile tile{p, {0, 0, 0}, ((p * nz + z) * ny + y) * nx + x, cells, nullptr};
                    int size[3];
                    for (int a = 0; a < 3; ++a) {
                        tile.cell[a] = at[a] << g.tile_log2[a];
                        size[a] = static_cast<int>(std::min<int64_t>(int64_t{1} << g.tile_log2[a], g.grid(a) - tile.cell[a]));
                    }
                    auto& order = known[{size[0], size[1], size[2]}];
                    if (order == nullptr) {
                        orders_.push_back(make_order(g.depth, size[0], size[1], size[2]));
                        order = orders_.back().get();
                    }
                    tile.order = order;
                    cells += order->cells();
                    tiles.push_back(tile);
                }
    dc.reset(new int32_t[cells]);
    classes.reset(new uint8_t[cells]());
    modes.reset(new uint8_t[cells]());
}

}  // namespace mmip
