// The analysis kernel: samples of one tile in, block modes and nonzero indices out.
// Values: AnalyzeJob. Home: host, per instruction set. One item of work = one superblock. Encoder side of FORMAT.md sections 2 to 5.
#pragma once

#include "rules/blocks/choice.h"
#include "passes/blocks/index_writer.h"
#include "passes/blocks/prediction_search.h"
#include "passes/blocks/superblock.h"

namespace MMIP_NS {

template <int depth>
class TileAnalysis {
    using Block = Superblock<depth>;
    using Order = ModeOrder<depth>;
    using Choice = BlockChoice<depth, TileAnalysis>;

public:
    // `predictions`: nullptr where none are tried.
    TileAnalysis(const mmip::AnalyzeJob& job, PredictionSearch* predictions, mmip::QuantizerSums* sums)
        : job_(job), t_(job.tile), predictions_(predictions), sums_(sums), out_{job.positions, job.values} {
        for (int c = 0; c < kMaxClasses; ++c) inverse_[c] = 256.0f / job.classes[c].step;
    }

    int64_t run(Block& b) {
        const int sz = superblock_depth(depth), sy = superblock_width(depth);
        for (int z = 0; z < t_.az; z += sz)
            for (int y = 0; y < t_.ay; y += sy)
                for (int x = 0; x < t_.ax; x += sy) {
                    b.load(job_, z, y, x);
                    Block::expect_after(job_, z, y, x);
                    find_cells(z, y, x);
                    if (search() == mmip::kSearchFast) find_unseen(b);
                    for (int k = 0; k < Block::cells; ++k)
                        if (present_[k] && unseen_[k] == 0) try_cell(b, k);
                    for (int q = 0; q < Block::quads; ++q) try_quad(b, q * Block::group);
                    if constexpr (depth == 1) {
                        try_large<Order::kQuad + 1, 32, 4>(b, b.large);
                        try_large<Order::kQuad + 2, 64, 8>(b, &b.whole);
                    }
                    store_all(b);
                }
        return out_.positions - job_.positions;
    }

    // --- the view of choice.h

    Choices<depth>& choices() const { return choices_; }
    int search() const { return job_.search; }
    bool is_first() const { return job_.header_class[1] == nullptr; }
    bool present(int k) const { return present_[k]; }
    int class_of(int k) const { return class_[k]; }
    bool reversible(int k) const { return reversible_[k]; }
    float step(int k) const { return job_.classes[class_[k]].step; }
    int64_t activity(int k) const { return activity_[k]; }
    bool dense(int k) const { return dense_[k]; }
    int unseen(int k) const { return unseen_[k]; }
    int64_t rough(int o, int k) const { return rough_[o][k]; }
    int64_t decided(int o, int k) const { return weigh(*decided_[o][k]); }

private:
    bool full() const { return search() == mmip::kSearchFull; }

    // The superblock's cells that lie in the tile: Z order, coding order of the first.
    void find_cells(int z, int y, int x) {
        for (int k = 0; k < Block::cells; ++k) {
            const CellOffset o = superblock_cell(k, depth);
            present_[k] = z + o.z < t_.az && y + o.y < t_.ay && x + o.x < t_.ax;
            unseen_[k] = 0;
            hint_[k] = kPredictNone;
            choices_.begin(k);
            if (!present_[k]) continue;
            class_[k] = t_.classes[t_.raster[next_]];
            reversible_[k] = job_.classes[class_[k]].reversible != 0;
            place_[k] = next_++;
        }
    }

    void find_unseen(const Block& b) {
        for (int k = 0; k < Block::cells; ++k)
            if (present_[k]) activity_[k] = b.activity(k);
        for (int k = 0; k < Block::cells; k += Choice::kUnseenCells) Choice::find_unseen(*this, k, [&](int i, int many) { unseen_[i] = many; });
    }

    // Phase 2: the modes of a cell, by rough costs.
    void try_cell(Block& b, int k) {
        alignas(64) F8 samples[Block::cell_samples / 8];
        b.gather_cell(k, samples);
        auto* option = b.cell[k];
        if (reversible(k)) {
            option[0].mode = kMode8;
            forward_reversible<depth>(samples, b.scratch, option[0].coefficients);
            option[0].dc[0] = take_dc(option[0].coefficients);
            return;
        }
        b.transform_cell(samples, option[0].coefficients, search() >= mmip::kSearchRough ? option[1].coefficients : nullptr);
        if (predictions_ != nullptr) predictions_->begin(place_[k], 8, samples);
        estimate<true>(option[0], 0, k);
        dense_[k] = is_dense(option[0].dense, Block::cell_samples);
        Choice::settle_single(*this, 0, k);
        for (int o = 1; o < Order::kSingles; ++o) {
            if (!Choice::offers(*this, o, k)) continue;
            if (o == Order::kMode4Option) forward_quarters<depth>(samples, b.scratch, option[o].coefficients);
            estimate(option[o], o, k);
            Choice::settle_single(*this, o, k);
        }
        hint_[k] = b.cell[k][choices_.best[k] < Order::kSingles ? choices_.best[k] : 0].prediction;
        if (search() >= mmip::kSearchRough) try_palette(b, samples, k);
    }

    void try_palette(Block& b, const F8* samples, int k) {
        if (!may_be_palette(choices_.least[k], job_.cuts[1], depth)) return;
        auto& rival = b.cell[k][Order::kSingles];
        const float mean = palette_mean(b.cell[k][0].dc[0], depth);
        if (!b.palette.run(samples, mean, step(k), choices_.least[k], rival)) return;
        rival.dc[0] = b.cell[k][0].dc[0];
        choices_.best[k] = Order::kPalette;
        choices_.least[k] = weigh(rival.cost);
    }

    // Rough cost of option o at cell k, its coefficients being there; `counts` its indices too.
    template <bool counts = false, class C>
    void estimate(C& candidate, int o, int k) {
        candidate.mode = Order::mode(o);
        const mmip::BlockView& view = t_.blocks[candidate.mode];
        if (view.cells == 1) candidate.dc[0] = take_dc(candidate.coefficients);
        candidate.side_bits = predictions_ != nullptr ? predictions_->guessed_bits(kPredictNone) : 0;
        candidate.template estimate<counts>(inverse_[class_[k]], job_.rounding, view.cells * Block::cell_samples);
        if constexpr (depth == 1)
            if (predictions_ != nullptr && Choice::may_gain(*this, o, k, weigh(candidate.cost))) predictions_->improve(candidate, inverse_[class_[k]], job_.rounding);
        rough_[o][k] = weigh(candidate.cost);
    }

    // Has a candidate weighed by code lengths.
    template <class C>
    void decide(Block& b, C& candidate, int k) {
        candidate.decide(job_, t_.blocks[candidate.mode], place_[k], inverse_[class_[k]], b.collector, b.decider);
    }

    // Phase 3: mode 16 against its cells.
    void try_quad(Block& b, int first) {
        if (unseen_[first] > Block::group) return;
        auto& quad = b.quad[first / Block::group];
        const bool tried = Choice::offers(*this, Order::kQuad, first);
        if (tried) {
            b.template transform_merged<16, 2>(first, quad.coefficients, quad.dc);
            quad.mode = kMode16;
            if constexpr (depth == 1) begin_predictions(b, first, 16);
            rough_[Order::kQuad][first] = 0;   // holds where nothing is left to compare with
            if (depth == 1 || unseen_[first] == 0) estimate(quad, Order::kQuad, first);
        }
        Choice::compare_quad(*this, first, tried);
        if (full()) {
            weigh_candidate(b, quad, Order::kQuad, first);
            for (int k = first; k < first + Block::group; ++k)
                for (int o = 0; o < Order::kSingles; ++o) weigh_candidate(b, b.cell[k][o], o, k);
            b.decider.run();
        }
        Choice::settle_quad(*this, first);
    }

    // Mode 32 or 64, of m x m cells.
    template <int o, int size, int m, class C>
    void try_large(Block& b, C* candidates) {
        bool tried[Block::cells / (m * m)];
        for (int k = 0, i = 0; k < Block::cells; k += m * m, ++i) {
            tried[i] = Choice::offers(*this, o, k);
            if (!tried[i]) continue;
            b.template transform_merged<size, m>(k, candidates[i].coefficients, candidates[i].dc);
            begin_predictions(b, k, size);
            estimate(candidates[i], o, k);
            if (full()) tried[i] = weigh_candidate(b, candidates[i], o, k);
        }
        if (full()) b.decider.run();
        for (int k = 0, i = 0; k < Block::cells; k += m * m, ++i) Choice::settle_large(*this, o, k, tried[i]);
    }

    // A merged block as one to be predicted.
    void begin_predictions(const Block& b, int k, int size) {
        if (predictions_ == nullptr) return;
        predictions_->begin(place_[k], size, b.gather(k, size, predictions_->part));
        for (int i = k; i < k + size * size / 64; ++i) predictions_->hint(hint_[i]);
    }

    // Whether effort 3 weighs it; `decided` has the cost after the next run of the decider.
    template <class C>
    bool weigh_candidate(Block& b, C& candidate, int o, int k) {
        if (!Choice::weighs(*this, o, k)) return false;
        decide(b, candidate, k);
        decided_[o][k] = &candidate.cost;
        return true;
    }

    // Phase 4: the winners, whose indices code lengths decide at effort 2.
    void store_all(Block& b) {
        if (search() == mmip::kSearchRough) {
            b.each_chosen(choices_.chosen, present_, [&](auto& chosen, int k) {
                if (!reversible(k) && chosen.mode != kModePalette) decide(b, chosen, k);
            });
            b.decider.run();
        }
        b.each_chosen(choices_.chosen, present_, [&](auto& chosen, int k) { store(b, chosen, k); });
    }

    template <class C>
    void store(Block& b, C& chosen, int k) {
        const mmip::BlockView& view = t_.blocks[chosen.mode];
        const int c = class_[k], i = place_[k];
        for (int j = 0; j < view.cells; ++j) {
            const int at = t_.raster[i + j];
            const QuantizedDc dc = reversible(k) ? QuantizedDc{truncate(chosen.dc[j]), 0} : quantize_dc(chosen.dc[j], inverse_[c], job_.dc_unit);
            t_.dc[at] = dc.index, job_.counts[i + j] = 0;
            sums_[c].distortion += dc.error;
            if (job_.scaled_dcs != nullptr) job_.scaled_dcs[at] = reversible(k) ? dc.index : with_sign(scaled_magnitude(chosen.dc[j], inverse_[c]), chosen.dc[j]);
        }
        int written;
        if (job_.scaled_dcs != nullptr && !reversible(k)) {
            written = out_.keep(chosen, b.collector, view.cells * Block::cell_samples, view.order, inverse_[c], sums_[c]);
        } else if (reversible(k)) {
            written = out_.write_exact(chosen, b.collector, view.cells * Block::cell_samples, view.order);
        } else if (search() < mmip::kSearchRough) {
            written = out_.write_rounded(chosen, b.collector, view.cells * Block::cell_samples, view.order,
                                         {inverse_[c], least_scaled(search(), job_.rounding), job_.rounding}, sums_[c]);
        } else {
            sums_[c].distortion += chosen.cost.distortion;
            written = chosen.mode == kModePalette ? out_.write_palette(chosen) : out_.write_kept(chosen, job_.stages, inverse_[c], sums_[c]);
        }
        job_.counts[i] = static_cast<uint16_t>(written);
        const int stored = written == 0 && view.cells == 1 ? kMode8 : chosen.mode;
        for (int j = 0; j < view.cells; ++j) t_.modes[i + j] = static_cast<uint8_t>(stored);
        if (predictions_ == nullptr) return;
        const bool predicted = !reversible(k) && chosen.mode != kModePalette;
        for (int j = 0; j < view.cells; ++j) job_.predictions[i + j] = static_cast<uint8_t>(predicted ? chosen.prediction : kPredictNone);
    }

    const mmip::AnalyzeJob& job_;
    const mmip::TileView& t_;
    PredictionSearch* predictions_;
    mmip::QuantizerSums* sums_;
    float inverse_[kMaxClasses];
    IndexWriter out_;
    bool present_[Block::cells], reversible_[Block::cells], dense_[Block::cells];
    int next_ = 0, class_[Block::cells], place_[Block::cells], unseen_[Block::cells];
    int hint_[Block::cells];                 // predictions that the cells of a merged block had
    mutable Choices<depth> choices_;
    int64_t activity_[Block::cells], rough_[Order::kOptions][Block::cells];
    const Cost* decided_[Order::kOptions][Block::cells];
};

}  // namespace MMIP_NS
