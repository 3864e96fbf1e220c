// The analysis kernel: samples of one tile in, block modes and nonzero indices out.
// Values: AnalyzeJob. Home: host, per instruction set. One item of work = one superblock; its phases are load, transform,
// decide, store. Encoder side of FORMAT.md sections 2 to 5; the choice of modes is the encoder's own.
#pragma once

#include "../rules/blocks.h"
#include "../rules/choose.h"
#include "block_kernels.h"
#include "candidate.h"
#include "kernels.h"
#include "superblock.h"

namespace MMIP_NS {

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
        const int sz = superblock_depth(depth), sy = superblock_width(depth);
        for (int z = 0; z < t_.az; z += sz)
            for (int y = 0; y < t_.ay; y += sy)
                for (int x = 0; x < t_.ax; x += sy) {
                    b.template load<T>(job_, z, y, x);
                    find_cells(z, y, x);
                    for (int q = 0; q < Block::quads; ++q) {
                        const int first = q * Block::group;
                        even_[q] = job_.search == mmip::kSearchFast && can_merge(first, Block::group) && b.is_even(first, job_.classes[class_[first]].step);
                        for (int k = first; k < first + Block::group; ++k)
                            if (present_[k] && !even_[q]) decide_cell(b, k);
                    }
                    decide_merges(b);
                }
        return written_;
    }

private:
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

    static float take_dc(F8* coefficients) {
        float& at = reinterpret_cast<float*>(coefficients)[0];
        const float dc = at;
        at = 0;
        return dc;
    }

    // Phase 2: modes 8, 4 and z1 of a cell; the best of them by rough cost is cell_[k].
    void decide_cell(Block& b, int k) {
        alignas(64) F8 samples[Block::cell_samples / 8];
        b.gather_cell(k, samples);
        cell_[k] = &b.cell[k][0];
        options_[k] = 1;
        if (job_.classes[class_[k]].reversible != 0) {
            cell_[k]->mode = kMode8;
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
        const bool dense = job_.search == mmip::kSearchFast && cell_[k]->count > Block::cell_samples / kDenseShare;
        if (!all && !dense) return;
        if constexpr (depth == 8) {
            if (all) challenge(b, b.in_plane, kModeZ1, k);
        }
        forward_quarters<depth>(samples, b.scratch, b.work);
        challenge(b, b.work, kMode4, k);
    }

    // A rival for the best mode of cell k.
    void challenge(Block& b, F8* coefficients, int mode, int k) {
        auto& rival = b.cell[k][options_[k]++];
        estimate(b, rival, coefficients, mode, k);
        if (weigh(rival.cost) < weigh(cell_[k]->cost)) cell_[k] = &rival;
    }

    // From which scaled magnitude on a coefficient is an entry: code lengths nearly always drop those near 1/2.
    int32_t least_scaled() const {
        if (job_.search == mmip::kSearchFull) return kLeastFull;
        return job_.search == mmip::kSearchRough ? kLeastRough : 256 - job_.rounding;
    }

    // Entries of a candidate and their rough cost.
    template <class C>
    void estimate(Block& b, C& candidate, F8* coefficients, int mode, int k) {
        const mmip::BlockView& view = t_.blocks[mode];
        candidate.mode = mode;
        if (view.cells == 1) candidate.dc[0] = take_dc(coefficients);
        candidate.collect(b.collector, coefficients, view.cells * Block::cell_samples, view.order, inverse_[class_[k]], least_scaled());
        candidate.round(job_.rounding);
    }

    template <class C>
    void decide(Block& b, C& candidate, int k) {
        candidate.decide(job_, t_.blocks[candidate.mode], place_[k], b.magnitudes);
    }

    // Full search: the best mode of cells k .. k + many - 1 by code lengths; returns the cost of all.
    int64_t decide_cells(Block& b, int first, int many) {
        int64_t cost = 0;
        for (int k = first; k < first + many; ++k) {
            if (!present_[k]) continue;
            if (job_.classes[class_[k]].reversible == 0) {
                const int64_t best = weigh(cell_[k]->cost);
                cell_[k] = nullptr;
                for (int o = 0; o < options_[k]; ++o) {
                    auto& option = b.cell[k][o];
                    if (!is_near(weigh(option.cost), best)) continue;
                    decide(b, option, k);
                    if (cell_[k] == nullptr || weigh(option.cost) < weigh(cell_[k]->cost)) cell_[k] = &option;
                }
            }
            cost += weigh(cell_[k]->cost);
        }
        return cost;
    }

    // Whether cells k .. k + many - 1 may form a block.
    bool can_merge(int k, int many) const {
        if (job_.search == mmip::kSearchNone) return false;
        for (int i = k; i < k + many; ++i)
            if (!present_[i] || class_[i] != class_[k]) return false;
        return job_.classes[class_[k]].reversible == 0;
    }

    // Phase 3: mode 16 against the cells; whether it wins. `rough` and `best` have the winner's costs added.
    bool decide_quad(Block& b, int q, int64_t& rough, int64_t& best) {
        const int k = q * Block::group;
        const bool full = job_.search == mmip::kSearchFull;
        int64_t split = 0;
        for (int i = k; i < k + Block::group; ++i) split += present_[i] && !even_[q] ? weigh(cell_[i]->cost) : 0;
        if (!can_merge(k, Block::group)) {
            rough += split;
            best += full ? decide_cells(b, k, Block::group) : split;
            return false;
        }
        b.template transform_merged<16, 2>(k, b.quad[q].dc);
        estimate(b, b.quad[q], b.work, kMode16, k);
        const int64_t whole = weigh(b.quad[q].cost);
        bool wins = even_[q] || whole < split;
        rough += wins ? whole : split;
        if (!full) {
            best += wins ? whole : split;
            return wins;
        }
        const bool try_whole = wins || is_near(whole, split), try_split = !wins || is_near(split, whole);
        if (try_whole) decide(b, b.quad[q], k);
        if (try_split) split = decide_cells(b, k, Block::group);
        if (try_whole && try_split) wins = weigh(b.quad[q].cost) < split;
        best += wins ? weigh(b.quad[q].cost) : split;
        return wins;
    }

    // Phase 4: the winners are stored.
    void decide_merges(Block& b) {
        bool merged[4] = {false, false, false, false};
        int64_t rough = 0, best = 0;
        for (int q = 0; q < Block::quads; ++q) merged[q] = decide_quad(b, q, rough, best);
        if constexpr (depth == 1) {
            const bool promising = job_.search >= mmip::kSearchRough || (merged[0] && merged[1] && merged[2] && merged[3]);
            if (promising && can_merge(0, 16)) {
                b.template transform_merged<32, 4>(0, b.whole.dc);
                estimate(b, b.whole, b.work, kMode32, 0);
                const bool full = job_.search == mmip::kSearchFull;
                const bool tried = !full || is_near(weigh(b.whole.cost), rough);
                if (full && tried) decide(b, b.whole, 0);
                if (tried && weigh(b.whole.cost) < best) return store(b, b.whole, 0);
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
        if (!reversible) sums_[c].distortion += chosen.cost.distortion;
        const int64_t before = written_;
        write_entries(chosen.entries, chosen.count, reversible ? nullptr : &sums_[c]);
        job_.counts[i] = static_cast<uint16_t>(written_ - before);
        const int stored = written_ == before && view.cells == 1 ? kMode8 : chosen.mode;
        for (int j = 0; j < view.cells; ++j) t_.modes[i + j] = static_cast<uint8_t>(stored);
    }

    // The entries whose magnitude is not 0, as indices; sums: added to, or nullptr.
    void write_entries(const Entry* entries, int count, mmip::QuantizerSums* sums) {
        uint16_t* positions = job_.positions + written_;
        int32_t* values = job_.values + written_;
        int64_t ones = 0, twos = 0, excess[3] = {0, 0, 0};   // of magnitude 1, of 2, of all
        for (int n = 0; n < count; ++n) {
            const Entry e = entries[n];
            // Masks: a branch on a magnitude could not be foreseen.
            const int32_t sign = -static_cast<int32_t>(e.negative), kept = e.magnitude != 0, one = e.magnitude == 1, two = e.magnitude == 2;
            const int32_t over = ((e.magnitude << 8) - e.scaled) & -kept;
            *positions = e.position;
            *values = (e.magnitude ^ sign) - sign;
            positions += kept;
            values += kept;
            ones += one;
            twos += two;
            excess[0] += over & -one;
            excess[1] += over & -two;
            excess[2] += over;
        }
        const int64_t many = positions - (job_.positions + written_);
        written_ += many;
        if (sums == nullptr) return;
        sums->count[0] += ones;
        sums->count[1] += twos;
        sums->count[2] += many - ones - twos;
        sums->excess[0] += excess[0];
        sums->excess[1] += excess[1];
        sums->excess[2] += excess[2] - excess[0] - excess[1];
    }

    // A DC index, rounded half up; or, for the DC image, the DC itself.
    int32_t dc_index(float coefficient, int c) {
        const QuantizedDc dc = quantize_dc(coefficient, inverse_[c], job_.dc_unit);
        sums_[c].distortion += dc.error;
        return dc.index;
    }

    const mmip::AnalyzeJob& job_;
    const mmip::TileView& t_;
    mmip::QuantizerSums* sums_;
    float inverse_[kMaxClasses];
    int next_ = 0;
    int64_t written_ = 0;
    bool present_[Block::cells], even_[Block::quads];
    int class_[Block::cells], place_[Block::cells];
    int options_[Block::cells];
    Candidate<Block::cell_samples>* cell_[Block::cells];
};

}  // namespace MMIP_NS
