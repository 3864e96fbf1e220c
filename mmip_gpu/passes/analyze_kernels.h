// The analysis kernel: samples of one tile in, block modes and nonzero indices out.
// Values: AnalyzeJob. Home: host, per instruction set. One item of work = one superblock; its phases are load, transform,
// decide, store. Encoder side of FORMAT.md sections 2 to 5; the choice of modes is the encoder's own.
#pragma once

#include "../rules/blocks.h"
#include "../rules/decide.h"
#include "block_kernels.h"
#include "candidate.h"
#include "kernels.h"

namespace MMIP_NS {

template <int depth>
struct Superblock {
    static constexpr int width = depth == 8 ? 16 : 32;           // samples on y and x
    static constexpr int slices = depth == 8 ? 16 : 1;
    static constexpr int cells = depth == 8 ? 8 : 16;
    static constexpr int cell_samples = depth * 64;
    static constexpr int group = depth == 8 ? 8 : 4;             // cells of mode 16
    static constexpr int quads = cells / group;

    alignas(64) F8 samples[slices * width * width / 8];          // natural layout of the superblock
    alignas(64) F8 scratch[slices * width * width / 8];
    alignas(64) F8 work[slices * width * width / 8];             // coefficients of the candidate at hand
    alignas(64) F8 in_plane[cell_samples / 8];                     // the same for mode z1
    Candidate<cell_samples> cell[cells + 1];                     // the best mode of each cell, and a rival
    Candidate<group * cell_samples> quad[quads];                 // mode 16
    Candidate<depth == 8 ? 1 : 1024> whole;                      // mode 32
    Collector<slices * width * width> collector;
    alignas(64) uint32_t magnitudes[slices * width * width + 1];
};

template <int depth>
class TileAnalysis {
    using Block = Superblock<depth>;

public:
    TileAnalysis(const mmip::AnalyzeJob& job, mmip::QuantizerSums* sums) : job_(job), t_(job.tile), sums_(sums) {
        for (int c = 0; c < kMaxClasses; ++c) inverse_[c] = 256.0f / job.classes[c].step;
    }

    template <class T>
    int64_t run(Block& b) {
        for (uint32_t& m : b.magnitudes) m = 0;
        for (int k = 0; k < Block::cells; ++k) cell_[k] = &b.cell[k];
        spare_ = &b.cell[Block::cells];
        const int sz = superblock_depth(depth), sy = superblock_width(depth);
        for (int z = 0; z < t_.az; z += sz)
            for (int y = 0; y < t_.ay; y += sy)
                for (int x = 0; x < t_.ax; x += sy) {
                    load<T>(b, z, y, x);
                    find_cells(z, y, x);
                    for (int k = 0; k < Block::cells; ++k)
                        if (present_[k]) decide_cell(b, k);
                    decide_merges(b);
                }
        return written_;
    }

private:
    // Phase 1: samples of the superblock, minus the offset; places past the plane repeat its last samples.
    template <class T>
    void load(Block& b, int z, int y, int x) {
        const T* plane = static_cast<const T*>(job_.samples);
        float* out = reinterpret_cast<float*>(b.samples);
        const int64_t z0 = (t_.cell[0] + z) * depth, y0 = (t_.cell[1] + y) * 8, x0 = (t_.cell[2] + x) * 8;
        const int64_t nz = job_.shape[0], ny = job_.shape[1], nx = job_.shape[2];
        for (int k = 0; k < Block::slices; ++k) {
            const int64_t pz = z0 + k < nz ? z0 + k : nz - 1;
            for (int j = 0; j < Block::width; ++j) {
                const int64_t py = y0 + j < ny ? y0 + j : ny - 1;
                const T* row = plane + (pz * ny + py) * nx;
                float* to = out + (k * Block::width + j) * Block::width;
                const int64_t here = nx - x0 < Block::width ? nx - x0 : Block::width;
                for (int64_t i = 0; i < here; ++i) to[i] = static_cast<float>(static_cast<int32_t>(row[x0 + i]) - job_.offset);
                for (int64_t i = here; i < Block::width; ++i) to[i] = to[here - 1];
            }
        }
    }

    // The superblock's cells that lie in the tile: Z order, coding order of the first.
    void find_cells(int z, int y, int x) {
        for (int k = 0; k < Block::cells; ++k) {
            const CellOffset o = superblock_cell(k, depth);
            present_[k] = z + o.z < t_.az && y + o.y < t_.ay && x + o.x < t_.ax;
            if (!present_[k]) continue;
            class_[k] = t_.classes[t_.raster[next_]];
            place_[k] = next_++;
        }
    }

    static void gather_cell(const Block& b, int k, F8* to) {
        const CellOffset o = superblock_cell(k, depth);
        constexpr int row = Block::width / 8;
        for (int z = 0; z < depth; ++z)
            for (int y = 0; y < 8; ++y)
                to[z * 8 + y] = b.samples[((o.z * depth + z) * Block::width + o.y * 8 + y) * row + o.x];
    }

    static float take_dc(F8* coefficients) {
        float& at = reinterpret_cast<float*>(coefficients)[0];
        const float dc = at;
        at = 0;
        return dc;
    }

    // Phase 2: modes 8, 4 and z1 of a cell; the best of them is cell_[k].
    void decide_cell(Block& b, int k) {
        alignas(64) F8 samples[Block::cell_samples / 8];
        gather_cell(b, k, samples);
        cell_[k]->mode = kMode8;
        if (job_.classes[class_[k]].reversible != 0) {
            forward_reversible<depth>(samples, b.scratch, b.work);
            cell_[k]->dc[0] = take_dc(b.work);
            cell_[k]->collect(b.collector, b.work, Block::cell_samples, t_.blocks[kMode8].order, 1.0f, 1);
            for (int i = 0; i < cell_[k]->count; ++i) cell_[k]->entries[i].magnitude = cell_[k]->entries[i].scaled;
            return;
        }
        const bool all = job_.search >= mmip::kSearchRough;
        forward_planes<depth, 8>(samples, b.scratch, b.work);
        if constexpr (depth == 8) {
            if (all) {
                for (int i = 0; i < Block::cell_samples / 8; ++i) b.in_plane[i] = b.work[i];
                dct_line<8, float>(reinterpret_cast<float*>(b.in_plane), 64);
            }
            slice_phase<8, 8, dct_line<8, F8>>(b.work);
        }
        estimate(b, *cell_[k], b.work, kMode8, k);
        if (!all) return;
        if constexpr (depth == 8) challenge(b, b.in_plane, kModeZ1, k);
        forward_quarters<depth>(samples, b.scratch, b.work);
        challenge(b, b.work, kMode4, k);
    }

    // A rival for the best mode of cell k.
    void challenge(Block& b, F8* coefficients, int mode, int k) {
        estimate(b, *spare_, coefficients, mode, k);
        if (weigh(spare_->cost) >= weigh(cell_[k]->cost)) return;
        auto* beaten = cell_[k];
        cell_[k] = spare_;
        spare_ = beaten;
    }

    template <class C>
    void estimate(Block& b, C& candidate, F8* coefficients, int mode, int k) {
        const mmip::BlockView& view = t_.blocks[mode];
        candidate.mode = mode;
        if (view.cells == 1) candidate.dc[0] = take_dc(coefficients);
        const int32_t least = job_.search >= mmip::kSearchRough ? 128 : 256 - job_.rounding;
        candidate.collect(b.collector, coefficients, view.cells * Block::cell_samples, view.order, inverse_[class_[k]], least);
        if (job_.search == mmip::kSearchFull) candidate.decide(job_, view, place_[k], b.magnitudes);
        else candidate.round(job_.rounding);
    }

    // Whether cells k .. k + many - 1 may form a block.
    bool can_merge(int k, int many) const {
        if (job_.search == mmip::kSearchNone) return false;
        for (int i = k; i < k + many; ++i)
            if (!present_[i] || class_[i] != class_[k]) return false;
        return job_.classes[class_[k]].reversible == 0;
    }

    // Copies m x m(x m) cells' samples of a merged block out of the superblock, transforms, and splits off the corner.
    template <int size, int m>
    void transform_merged(Block& b, int k, float* dc) {
        constexpr int slices = depth == 8 ? size : 1, corner_depth = depth == 8 ? m : 1;
        const CellOffset o = superblock_cell(k, depth);
        constexpr int row = Block::width / 8;
        alignas(64) F8 samples[slices * size * size / 8];
        for (int z = 0; z < slices; ++z)
            for (int y = 0; y < size; ++y)
                for (int x = 0; x < size / 8; ++x)
                    samples[(z * size + y) * (size / 8) + x] = b.samples[((o.z * depth + z) * Block::width + o.y * 8 + y) * row + o.x + x];
        forward_planes<slices, size>(samples, b.scratch, b.work);
        if constexpr (slices > 1) slice_phase<slices, size, dct_line<slices, F8>>(b.work);
        float corner[corner_depth * m * m];
        float* c = reinterpret_cast<float*>(b.work);
        for (int z = 0; z < corner_depth; ++z)
            for (int y = 0; y < m; ++y)
                for (int x = 0; x < m; ++x) {
                    float& at = c[(z * size + x) * size + y];
                    corner[(z * m + y) * m + x] = at;
                    at = 0;
                }
        inverse_corner_lines<corner_depth, m, idct_line<m, float>>(corner);
        for (int i = 0; i < corner_depth * m * m; ++i) {
            const CellOffset cell = superblock_cell(i, depth);
            dc[i] = corner[(cell.z * m + cell.y) * m + cell.x];
        }
    }

    // Phases 3 and 4: merged candidates against what they replace; the winners are stored.
    void decide_merges(Block& b) {
        bool merged[4] = {false, false, false, false};
        int64_t best = 0;
        for (int q = 0; q < Block::quads; ++q) {
            const int k = q * Block::group;
            int64_t split = 0;
            for (int i = k; i < k + Block::group; ++i) split += present_[i] ? weigh(cell_[i]->cost) : 0;
            if (can_merge(k, Block::group)) {
                transform_merged<16, 2>(b, k, b.quad[q].dc);
                estimate(b, b.quad[q], b.work, kMode16, k);
                merged[q] = weigh(b.quad[q].cost) < split;
            }
            best += merged[q] ? weigh(b.quad[q].cost) : split;
        }
        if constexpr (depth == 1) {
            if (job_.search >= mmip::kSearchRough && can_merge(0, 16)) {
                transform_merged<32, 4>(b, 0, b.whole.dc);
                estimate(b, b.whole, b.work, kMode32, 0);
                if (weigh(b.whole.cost) < best) return store(b, b.whole, 0);
            }
        }
        for (int k = 0; k < Block::cells;) {
            if (!present_[k]) {
                ++k;
            } else if (merged[k / Block::group]) {
                store(b, b.quad[k / Block::group], k);
                k += Block::group;
            } else {
                store(b, *cell_[k], k);
                ++k;
            }
        }
    }

    template <class C>
    void store(Block& b, C& chosen, int k) {
        const mmip::BlockView& view = t_.blocks[chosen.mode];
        const int c = class_[k], i = place_[k];
        const bool reversible = job_.classes[c].reversible != 0;
        if (job_.search == mmip::kSearchRough && !reversible) chosen.decide(job_, view, i, b.magnitudes);
        for (int j = 0; j < view.cells; ++j) {
            t_.dc[t_.raster[i + j]] = reversible ? truncate(chosen.dc[j]) : dc_index(chosen.dc[j], c);
            job_.counts[i + j] = 0;
        }
        const int64_t before = written_;
        if (!reversible) sums_[c].distortion += chosen.cost.distortion;
        for (int n = 0; n < chosen.count; ++n) {
            const Entry& e = chosen.entries[n];
            if (e.magnitude == 0) continue;
            if (!reversible) add_to_sums(e, c);
            job_.positions[written_] = e.position;
            job_.values[written_] = e.negative != 0 ? -e.magnitude : e.magnitude;
            ++written_;
        }
        job_.counts[i] = static_cast<uint16_t>(written_ - before);
        const int stored = written_ == before && view.cells == 1 ? kMode8 : chosen.mode;
        for (int j = 0; j < view.cells; ++j) t_.modes[i + j] = static_cast<uint8_t>(stored);
    }

    void add_to_sums(const Entry& e, int c) {
        const int j = e.magnitude < 3 ? e.magnitude - 1 : 2;
        ++sums_[c].count[j];
        sums_[c].excess[j] += (static_cast<int64_t>(e.magnitude) << 8) - e.scaled;
    }

    // A DC index, rounded half up.
    int32_t dc_index(float coefficient, int c) {
        const int32_t scaled = scaled_magnitude(coefficient, inverse_[c]);
        const int32_t magnitude = quantize_magnitude(scaled, 128);
        const int64_t error = (static_cast<int64_t>(magnitude) << 8) - scaled;
        sums_[c].distortion += error * error;
        return coefficient < 0 ? -magnitude : magnitude;
    }

    const mmip::AnalyzeJob& job_;
    const mmip::TileView& t_;
    mmip::QuantizerSums* sums_;
    float inverse_[kMaxClasses];
    int next_ = 0;
    int64_t written_ = 0;
    bool present_[Block::cells];
    int class_[Block::cells], place_[Block::cells];
    Candidate<Block::cell_samples>*cell_[Block::cells], *spare_;
};

}  // namespace MMIP_NS
