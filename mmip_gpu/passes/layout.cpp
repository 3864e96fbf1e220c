// Builds the block tables, coding orders and buffers of layout.h.
#include "passes/layout.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

namespace mmip {
namespace {

// An AC coefficient: its place in the natural layout, and its frequency inside its part (the same thing without parts).
struct Place {
    int kz, ky, kx;
    int fz, fy, fx, part;
    bool part_dc;            // one of the transformed DCs of the parts
    uint64_t key;
};

// All AC coefficients of a block in scan order.
std::vector<Place> scan_places(int mode, int depth, const BlockShape& cells) {
    const BlockParts parts = block_parts(mode, depth);
    const bool split = parts.z * parts.y * parts.x > 1;
    const int bz = depth * cells.z, by = kCellSize * cells.y, bx = kCellSize * cells.x;
    const int lz = bz / parts.z, ly = by / parts.y, lx = bx / parts.x;
    std::vector<Place> places;
    for (int kz = 0; kz < bz; ++kz)
        for (int ky = 0; ky < by; ++ky)
            for (int kx = 0; kx < bx; ++kx) {
                if (kz < cells.z && ky < cells.y && kx < cells.x) continue;   // the DC or the corner
                const int uz = kz / lz, uy = ky / ly, ux = kx / lx;
                Place p{kz, ky, kx, kz % lz, ky % ly, kx % lx, (uz * parts.y + uy) * parts.x + ux, false, 0};
                p.part_dc = split && p.fz == 0 && p.fy == 0 && p.fx == 0;
                p.key = p.part_dc ? scan_key(uz, uy, ux, bz, by, bx, 0) : scan_key(p.fz, p.fy, p.fx, lz, ly, lx, p.part);
                places.push_back(p);
            }
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.key < b.key; });
    return places;
}

BlockTable make_table(int mode, int depth) {
    const BlockShape cells = block_shape(mode, depth);
    const BlockParts parts = block_parts(mode, depth);
    BlockTable table;
    table.mode = mode;
    table.cells = cells.cells;
    table.size[0] = depth * cells.z, table.size[1] = kCellSize * cells.y, table.size[2] = kCellSize * cells.x;
    const int length[3] = {table.size[0] / parts.z, table.size[1] / parts.y, table.size[2] / parts.x};
    const std::vector<Place> places = scan_places(mode, depth, cells);
    table.count = static_cast<int>(places.size());
    table.order.assign(static_cast<size_t>(table.size[0]) * table.size[1] * table.size[2], kNoPosition);
    std::map<std::tuple<int, int, int>, int> position;
    for (int p = 0; p < table.count; ++p) position[{places[p].kz, places[p].ky, places[p].kx}] = p;
    const auto find = [&](int p, int kz, int ky, int kx) {
        const auto it = position.find({kz, ky, kx});
        return it == position.end() || it->second >= p ? table.count : it->second;
    };
    for (int p = 0; p < table.count; ++p) {
        const Place& at = places[p];
        table.scan.push_back(static_cast<uint16_t>((at.kz * table.size[2] + at.kx) * table.size[1] + at.ky));
        table.order[table.scan[p]] = static_cast<uint16_t>(p);
        const auto near = [&](int d, int dz, int dy, int dx) {   // d steps down the frequency axis, within the part
            const bool inside = at.fz >= d * dz && at.fy >= d * dy && at.fx >= d * dx;
            return inside && !at.part_dc ? find(p, at.kz - d * dz, at.ky - d * dy, at.kx - d * dx) : table.count;
        };
        const auto part_before = [&](int d) {                    // the same frequency, d parts before
            const int part = at.part - d, rest = part % (parts.y * parts.x);
            return find(p, part / (parts.y * parts.x) * length[0] + at.fz, rest / parts.x * length[1] + at.fy, rest % parts.x * length[2] + at.fx);
        };
        int n[6] = {near(1, 1, 0, 0), near(1, 0, 1, 0), near(1, 0, 0, 1), near(2, 1, 0, 0), near(2, 0, 1, 0), near(2, 0, 0, 1)};
        if (!at.part_dc && at.part >= 1) n[3] = part_before(1);
        if (!at.part_dc && at.part >= 2) n[4] = part_before(2);
        for (int i : n) table.neighbours.push_back(static_cast<uint16_t>(i));
    }
    return table;
}

std::vector<BlockPosition> make_positions(const BlockTable& table, const std::vector<int>& cuts) {
    std::vector<BlockPosition> positions(table.count + 1);
    std::fill_n(positions.back().near, 6, static_cast<uint16_t>(table.count));
    for (size_t s = 1; s < cuts.size(); ++s) {
        const int low = table.cells * cuts[s - 1], high = table.cells * cuts[s];
        for (int p = low; p < high; ++p) {
            BlockPosition& at = positions[p];
            std::copy_n(&table.neighbours[6 * static_cast<size_t>(p)], 6, at.near);
            at.room = static_cast<uint8_t>(count_log(static_cast<uint32_t>(high - p)));
            at.place = static_cast<uint8_t>(place_class(p, low, high));
            at.sums = static_cast<uint16_t>((at.room * kPlaceClasses + at.place) * kNeighbourSums);
        }
    }
    return positions;
}

}  // namespace

// Those used last are kept.
std::shared_ptr<const ScanContexts> scan_contexts(int depth, const std::vector<int>& cuts) {
    constexpr size_t kKept = 4;
    static std::mutex guard;
    static std::vector<std::shared_ptr<const ScanContexts>> kept;   // the last one used first
    const std::lock_guard<std::mutex> lock(guard);
    const auto found = std::find_if(kept.begin(), kept.end(), [&](const auto& k) { return k->depth == depth && k->cuts == cuts; });
    if (found != kept.end()) {
        std::rotate(kept.begin(), found, found + 1);
        return kept.front();
    }
    auto made = std::make_shared<ScanContexts>();
    made->depth = depth, made->cuts = cuts;
    for (int mode = 0; mode < kModeCount; ++mode)
        if (const BlockTable* table = block_table(mode, depth)) made->positions[mode] = make_positions(*table, cuts);
    if (kept.size() == kKept) kept.pop_back();
    kept.insert(kept.begin(), made);
    return made;
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
    for (int i = 0; i < order->cells(); ++i)
        order->merges.push_back(order->fits(i, block_shape(kMode32, depth)) ? 2 : order->fits(i, block_shape(kMode16, depth)) ? 1 : 0);
    return order;
}

const BlockTable* block_table(int mode, int cell_depth) {
    static const BlockTable flat[] = {make_table(kMode8, 1), make_table(kMode4, 1), make_table(kMode16, 1), make_table(kMode32, 1), make_table(kMode64, 1), make_table(kModePalette, 1)};
    static const BlockTable deep[] = {make_table(kMode8, 8), make_table(kMode4, 8), make_table(kModeZ1, 8), make_table(kMode16, 8), make_table(kModePalette, 8)};
    const BlockTable* tables = cell_depth == 8 ? deep : flat;
    for (int i = 0; i < (cell_depth == 8 ? 5 : 6); ++i)
        if (tables[i].mode == mode) return &tables[i];
    return nullptr;
}

std::vector<uint16_t> token_places(const std::function<int(int)>& unit_of) {
    std::vector<uint16_t> places;
    places.reserve(static_cast<size_t>(kCountLogs) * kPlaceClasses * kNeighbourSums);
    for (int difference = 0; difference < kCountLogs; ++difference)
        for (int place = 0; place < kPlaceClasses; ++place)
            for (uint32_t v = 0; v < static_cast<uint32_t>(kNeighbourSums); ++v)
                places.push_back(static_cast<uint16_t>(unit_of(token_context(gap_class(difference, 0), place, v))));
    return places;
}

const uint16_t* token_left_offsets() {
    static const std::vector<uint16_t> offsets = [] {
        std::vector<uint16_t> made;
        for (uint32_t left = 0; left <= kMaxBlockCount; ++left)
            made.push_back(static_cast<uint16_t>(count_log(left) * kPlaceClasses * kNeighbourSums));
        return made;
    }();
    return offsets.data();
}

Coefficients::Coefficients(const Geometry& g, const TileBox& b, std::vector<int> stage_cuts)
    : geometry(g), box(b), cuts(std::move(stage_cuts)), contexts(scan_contexts(g.depth, cuts)) {
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

void Coefficients::fill_ac() {
    allocate_ac();
    std::fill_n(ac.get(), cells * per_cell(), 0);
    for (size_t t = 0; t < tiles.size(); ++t) {
        const Entries& from = entries[t];
        int32_t* to = ac.get() + tiles[t].base * per_cell();
        size_t k = 0;
        for (size_t i = 0; i < from.count.size(); ++i)
            for (int n = 0; n < from.count[i]; ++n, ++k) to[i * per_cell() + from.position[k]] = from.value[k];
    }
}

void Coefficients::fill_entries() {
    entries.assign(tiles.size(), {});
    for (size_t t = 0; t < tiles.size(); ++t) {
        Entries& to = entries[t];
        const int cell_count = tiles[t].order->cells();
        to.count.assign(cell_count, 0);
        for (int i = 0; i < cell_count;) {
            const BlockTable& table = *block_table(modes[tiles[t].base + i], geometry.depth);
            const int32_t* q = ac.get() + (tiles[t].base + i) * per_cell();
            for (int p = 0; p < table.count; ++p)
                if (q[p] != 0) {
                    to.position.push_back(static_cast<uint16_t>(p));
                    to.value.push_back(q[p]);
                    ++to.count[i];
                }
            i += table.cells;
        }
        to.position.resize(to.position.size() + kOutputSlack), to.value.resize(to.value.size() + kOutputSlack);
    }
}

}  // namespace mmip
