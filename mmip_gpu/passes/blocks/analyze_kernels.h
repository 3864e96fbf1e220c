// The analysis kernel: samples of one tile in, block modes and nonzero indices out.
// Values: AnalyzeJob. Home: host, per instruction set. One item of work = one superblock; its phases are load, transform,
// decide, store. Encoder side of FORMAT.md sections 2 to 5; the choice of modes is the encoder's own.
#pragma once

#include "rules/blocks/blocks.h"
#include "rules/blocks/choose.h"
#include "passes/blocks/block_kernels.h"
#include "passes/blocks/candidate.h"
#include "passes/blocks/index_writer.h"
#include "passes/kernels.h"
#include "passes/blocks/superblock.h"

namespace MMIP_NS {

template <int depth>
class TileAnalysis {
    using Block = Superblock<depth>;

public:
    TileAnalysis(const mmip::AnalyzeJob& job, mmip::QuantizerSums* sums) : job_(job), t_(job.tile), sums_(sums), out_{job.positions, job.values} {
        for (int c = 0; c < kMaxClasses; ++c) inverse_[c] = 256.0f / job.classes[c].step;
    }

    template <class T>
    int64_t run(Block& b) {
        const int sz = superblock_depth(depth), sy = superblock_width(depth);
        for (int z = 0; z < t_.az; z += sz)
            for (int y = 0; y < t_.ay; y += sy)
                for (int x = 0; x < t_.ax; x += sy) {
                    b.template load<T>(job_, z, y, x);
                    find_cells(z, y, x);
                    for (int w = 0; w < 4; ++w) even_large_[w] = depth == 1 && is_even(b, 16 * w, 16);
                    for (int q = 0; q < Block::quads; ++q) {
                        if (even_large_[q / 4]) continue;
                        const int first = q * Block::group;
                        even_[q] = is_even(b, first, Block::group);
                        for (int k = first; k < first + Block::group; ++k)
                            if (present_[k] && !even_[q]) decide_cell(b, k);
                    }
                    decide_merges(b);
                }
        return out_.positions - job_.positions;
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

    // Whether these cells are taken for one block unseen.
    bool is_even(const Block& b, int first, int many) const {
        return job_.search == mmip::kSearchFast && can_merge(first, many) && b.is_even(first, many, job_.classes[class_[first]].step);
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
        auto& first = b.cell[k][0];
        cell_[k] = &first;
        options_[k] = 1;
        if (job_.classes[class_[k]].reversible != 0) {
            first.mode = kMode8;
            forward_reversible<depth>(samples, b.scratch, first.coefficients);
            first.dc[0] = take_dc(first.coefficients);
            first.cost = {0, 0};
            return;
        }
        const bool all = job_.search >= mmip::kSearchRough;
        forward_planes<depth, 8>(samples, b.scratch, first.coefficients);
        if constexpr (depth == 8) {
            F8* in_plane = b.cell[k][1].coefficients;
            if (all) {
                for (int i = 0; i < Block::cell_samples / 8; ++i) in_plane[i] = first.coefficients[i];
                dct_line<8, float>(reinterpret_cast<float*>(in_plane), 64);
            }
            slice_phase<8, 8, dct_line<8, Lanes>>(first.coefficients);
        }
        estimate<true>(first, kMode8, k);
        const bool dense = job_.search == mmip::kSearchFast && first.dense > Block::cell_samples / kDenseShare;
        if (!all && !dense) return;
        if constexpr (depth == 8) {
            if (all) challenge(b, kModeZ1, k);
        }
        forward_quarters<depth>(samples, b.scratch, b.cell[k][options_[k]].coefficients);
        challenge(b, kMode4, k);
        if (all) try_palette(b, samples, k);
    }

    void try_palette(Block& b, const F8* samples, int k) {
        if (!may_be_palette(weigh(cell_[k]->cost), job_.cuts[1], depth)) return;
        auto& rival = b.cell[k][options_[k]];
        const float mean = palette_mean(b.cell[k][0].dc[0], depth);
        if (!b.palette.run(samples, mean, job_.classes[class_[k]].step, weigh(cell_[k]->cost), rival)) return;
        rival.dc[0] = b.cell[k][0].dc[0];
        ++options_[k];
        cell_[k] = &rival;
    }

    // The next rival for the best mode of cell k, its coefficients being there.
    void challenge(Block& b, int mode, int k) {
        auto& rival = b.cell[k][options_[k]++];
        estimate(rival, mode, k);
        if (weigh(rival.cost) < weigh(cell_[k]->cost)) cell_[k] = &rival;
    }

    // Rough cost of a candidate; `counts` its indices too.
    template <bool counts = false, class C>
    void estimate(C& candidate, int mode, int k) {
        const mmip::BlockView& view = t_.blocks[mode];
        candidate.mode = mode;
        if (view.cells == 1) candidate.dc[0] = take_dc(candidate.coefficients);
        candidate.template estimate<counts>(inverse_[class_[k]], job_.rounding, view.cells * Block::cell_samples);
    }

    template <class C>
    void decide(Block& b, C& candidate, int k) {
        candidate.decide(job_, t_.blocks[candidate.mode], place_[k], inverse_[class_[k]], b.collector, b.decider);
    }

    bool is_first() const { return job_.header_class[1] == nullptr; }   // of the passes

    // Full search: has the modes of cells first .. first + many - 1 weighed by code lengths that are near the best.
    void weigh_cells(Block& b, int first, int many) {
        for (int k = first; k < first + many; ++k) {
            if (!present_[k] || job_.classes[class_[k]].reversible != 0) continue;
            const int64_t best = weigh(cell_[k]->cost);
            for (int o = 0; o < options_[k]; ++o) {
                auto& option = b.cell[k][o];
                option.weighed = is_near(weigh(option.cost), best, is_first());
                if (option.weighed && option.mode != kModePalette) decide(b, option, k);
            }
        }
    }

    // The best of what was weighed; returns the cost of all cells.
    int64_t choose_cells(Block& b, int first, int many) {
        int64_t cost = 0;
        for (int k = first; k < first + many; ++k) {
            if (!present_[k]) continue;
            if (job_.classes[class_[k]].reversible == 0) {
                cell_[k] = nullptr;
                for (int o = 0; o < options_[k]; ++o) {
                    auto& option = b.cell[k][o];
                    if (option.weighed && (cell_[k] == nullptr || weigh(option.cost) < weigh(cell_[k]->cost))) cell_[k] = &option;
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
            if (full) {
                weigh_cells(b, k, Block::group);
                b.decider.run();
                split = choose_cells(b, k, Block::group);
            }
            best += split;
            return false;
        }
        b.template transform_merged<16, 2>(k, b.quad[q].coefficients, b.quad[q].dc);
        b.quad[q].mode = kMode16;
        if (depth == 8 && even_[q]) return true;   // nothing is left to compare with
        estimate(b.quad[q], kMode16, k);
        const int64_t whole = weigh(b.quad[q].cost);
        const Merge merge = compare_merge(true, whole, split, is_first());
        bool wins = even_[q] || merge.wins;
        rough += wins ? whole : split;
        if (!full) {
            best += wins ? whole : split;
            return wins;
        }
        if (merge.try_whole) decide(b, b.quad[q], k);
        if (merge.try_split) weigh_cells(b, k, Block::group);
        b.decider.run();
        if (merge.try_split) split = choose_cells(b, k, Block::group);
        if (merge.try_whole && merge.try_split) wins = weigh(b.quad[q].cost) < split;
        best += wins ? weigh(b.quad[q].cost) : split;
        return wins;
    }

    // Mode 32 or 64, of m x m cells from k on: whether it may win; full search has it weighed by code lengths then. `rough` is the
    // cost of what its cells chose.
    template <int size, int m, class C>
    bool may_win(Block& b, C& candidate, int mode, int k, bool merged, int64_t rough) {
        if (!(job_.search >= mmip::kSearchRough || merged) || !can_merge(k, m * m)) return false;
        b.template transform_merged<size, m>(k, candidate.coefficients, candidate.dc);
        estimate(candidate, mode, k);
        candidate.rough = weigh(candidate.cost);
        if (job_.search != mmip::kSearchFull) return true;
        const bool near = is_near(candidate.rough, rough, is_first());
        if (near) decide(b, candidate, k);
        return near;
    }

    // Whether it wins. The costs are those of its cells before and of the winner afterwards.
    template <class C>
    static bool wins(const C& candidate, int64_t& rough, int64_t& best) {
        if (weigh(candidate.cost) >= best) return false;
        rough = candidate.rough < rough ? candidate.rough : rough;
        best = weigh(candidate.cost);
        return true;
    }

    // Mode 32 where its cells vary alike.
    bool take_large(Block& b, int w, int64_t& rough, int64_t& best) {
        b.template transform_merged<32, 4>(16 * w, b.large[w].coefficients, b.large[w].dc);
        estimate(b.large[w], kMode32, 16 * w);
        rough = best = weigh(b.large[w].cost);
        return true;
    }

    // Phase 4: the winners are stored.
    void decide_merges(Block& b) {
        bool merged[Block::quads] = {};
        [[maybe_unused]] bool large[4] = {false, false, false, false};
        int64_t rough[4] = {0, 0, 0, 0}, best[4] = {0, 0, 0, 0};
        for (int q = 0; q < Block::quads; ++q) merged[q] = !even_large_[q / 4] && decide_quad(b, q, rough[q / 4], best[q / 4]);
        if constexpr (depth == 1) {
            for (int w = 0; w < 4; ++w) {
                const bool all = merged[4 * w] && merged[4 * w + 1] && merged[4 * w + 2] && merged[4 * w + 3];
                large[w] = even_large_[w] ? take_large(b, w, rough[w], best[w]) : may_win<32, 4>(b, b.large[w], kMode32, 16 * w, all, rough[w]);
            }
            b.decider.run();
            for (int w = 0; w < 4; ++w) large[w] = large[w] && (even_large_[w] || wins(b.large[w], rough[w], best[w]));
            int64_t all_rough = rough[0] + rough[1] + rough[2] + rough[3], all_best = best[0] + best[1] + best[2] + best[3];
            const bool all = large[0] && large[1] && large[2] && large[3];
            const bool may = may_win<64, 8>(b, b.whole, kMode64, 0, all, all_rough);
            b.decider.run();
            if (may && wins(b.whole, all_rough, all_best)) return store_all(b, [&](const auto& each) { each(b.whole, 0); });
        }
        store_all(b, [&](const auto& each) {
            for (int k = 0; k < Block::cells;) {
                if (depth == 1 && large[k / 16]) {
                    each(b.large[k / 16], k);
                    k += 16;
                } else if (!present_[k]) {
                    ++k;
                } else if (merged[k / Block::group]) {
                    each(b.quad[k / Block::group], k);
                    k += Block::group;
                } else {
                    each(*cell_[k], k);
                    ++k;
                }
            }
        });
    }

    // The winners, for which `visit` calls a function with their first cells.
    template <class Visit>
    void store_all(Block& b, const Visit& visit) {
        if (job_.search == mmip::kSearchRough) {
            visit([&](auto& chosen, int k) {
                if (job_.classes[class_[k]].reversible == 0 && chosen.mode != kModePalette) decide(b, chosen, k);
            });
            b.decider.run();
        }
        visit([&](auto& chosen, int k) { store(b, chosen, k); });
    }

    template <class C>
    void store(Block& b, C& chosen, int k) {
        const mmip::BlockView& view = t_.blocks[chosen.mode];
        const int c = class_[k], i = place_[k];
        const bool reversible = job_.classes[c].reversible != 0;
        const bool palette = chosen.mode == kModePalette;
        for (int j = 0; j < view.cells; ++j) {
            t_.dc[t_.raster[i + j]] = reversible ? truncate(chosen.dc[j]) : dc_index(chosen.dc[j], c);
            job_.counts[i + j] = 0;
        }
        int written;
        if (reversible) {
            written = out_.write_exact(chosen, b.collector, view.cells * Block::cell_samples, view.order);
        } else if (job_.search < mmip::kSearchRough) {
            const IndexRule rule{inverse_[c], least_scaled(job_.search, job_.rounding), job_.rounding};
            written = out_.write_rounded(chosen, b.collector, view.cells * Block::cell_samples, view.order, rule, sums_[c]);
        } else {
            sums_[c].distortion += chosen.cost.distortion;
            written = palette ? out_.write_palette(chosen) : out_.write_kept(chosen, job_.stages, inverse_[c], sums_[c]);
        }
        job_.counts[i] = static_cast<uint16_t>(written);
        const int stored = written == 0 && view.cells == 1 ? kMode8 : chosen.mode;
        for (int j = 0; j < view.cells; ++j) t_.modes[i + j] = static_cast<uint8_t>(stored);
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
    IndexWriter out_;
    bool present_[Block::cells], even_[Block::quads], even_large_[4];
    int class_[Block::cells], place_[Block::cells];
    int options_[Block::cells];
    Candidate<Block::cell_samples>* cell_[Block::cells];
};

}  // namespace MMIP_NS
