// The closing kernel: block modes, DCs and predictions of a tile in, its indices out, decided on what true predictions leave.
// Values: CloseJob. Home: host, per instruction set. One item of work = one tile, block after block in coding order, since each is
// predicted from those before it. Encoder side of FORMAT.md sections 3 to 5.
#pragma once

#include "passes/blocks/block_synthesis.h"
#include "passes/blocks/index_writer.h"
#include "passes/blocks/prediction_search.h"
#include "passes/blocks/superblock.h"

namespace MMIP_NS {

// Scratch of a thread.
struct ClosingScratch {
    Candidate<4096> own, rest[kMostClosed];  // of a block: its coefficients, and what predictions leave of them
    PredictionSearch search;
    alignas(64) F8 cell[8];
    mmip::Token tokens[4096];
    uint8_t by_place[kMaxTileSamples / 64];  // predictions in raster order
    mmip::TokenSpan spans[kMaxTileSamples / 64];
};

class TileClosing {
    using Block = Superblock<1>;

public:
    TileClosing(const mmip::CloseJob& job, ClosingScratch& scratch, mmip::QuantizerSums* sums)
        : close_(job), job_(job.analysis), t_(job_.tile), s_(scratch), search_(scratch.search), sums_(sums), out_{job_.positions, job_.values},
          synthesis_job_(synthesis_job(job, scratch)), synthesis_(synthesis_job_) {
        search_.use(t_, job.restored);
        for (int c = 0; c < kMaxClasses; ++c) inverse_[c] = 256.0f / job_.classes[c].step;
    }

    int64_t run(Block& b) {
        int next = 0;
        for (int z = 0; z < t_.az; ++z)
            for (int y = 0; y < t_.ay; y += 8)
                for (int x = 0; x < t_.ax; x += 8) {
                    b.load(job_, z, y, x);
                    for (int k = 0; k < Block::cells;) {
                        const CellOffset o = superblock_cell(k, 1);
                        if (y + o.y >= t_.ay || x + o.x >= t_.ax) {
                            ++k;
                            continue;
                        }
                        const int cells = t_.blocks[t_.modes[next]].cells;
                        close(b, next, k, cells);
                        next += cells, k += cells;
                    }
                }
        return out_.positions - job_.positions;
    }

private:
    // What restores blocks without a prediction.
    static mmip::SynthesizeJob synthesis_job(const mmip::CloseJob& job, const ClosingScratch& scratch) {
        mmip::SynthesizeJob to{};
        to.tile = job.analysis.tile;
        to.scale = 1;
        to.stages = 2;
        to.dc_unit = job.analysis.dc_unit;
        to.spans = scratch.spans;
        for (int c = 0; c < kMaxClasses; ++c) to.classes[c] = job.analysis.classes[c];
        return to;
    }

    void close(Block& b, int first, int k, int cells) {
        const int at = t_.raster[first], c = t_.classes[at], mode = t_.modes[first];
        const uint16_t* const positions = out_.positions;
        const int32_t* const values = out_.values;
        prediction_ = kPredictNone;
        int written = 0;
        if (job_.predictions[first] != mmip::kSettledBlock) {
            const bool exact = job_.classes[c].reversible != 0;
            written = exact || mode == kModePalette ? keep(first) : decide(b, first, k, c);
        }
        from_ += close_.counts[first];
        job_.counts[first] = static_cast<uint16_t>(written);
        for (int j = 1; j < cells; ++j) job_.counts[first + j] = 0;
        if (written == 0 && mode == kMode4) t_.modes[first] = kMode8;
        for (int j = 0; j < cells; ++j) s_.by_place[t_.raster[first + j]] = job_.predictions[first + j] = static_cast<uint8_t>(prediction_);
        restore(b, first, k, positions, values, written);
    }

    // The indices of the search.
    int keep(int first) {
        const int count = close_.counts[first];
        for (int i = 0; i < count; ++i) out_.positions[i] = close_.positions[from_ + i], out_.values[i] = close_.values[from_ + i];
        out_.positions += count, out_.values += count;
        return count;
    }

    int decide(Block& b, int first, int k, int c) {
        const mmip::BlockView& view = t_.blocks[t_.modes[first]];
        transform(b, k, view);
        if (job_.dc_unit == 1)
            for (int j = 0; j < view.cells; ++j) sums_[c].distortion += quantize_dc(s_.own.dc[j], inverse_[c], 1).error;
        const int at = t_.raster[first], w = at % t_.ax > 0 ? s_.by_place[at - 1] : kPredictNone, n = at / t_.ax % t_.ay > 0 ? s_.by_place[at - t_.ax] : kPredictNone;
        const uint8_t* const row = job_.prediction_bits + kPredictionAlphabet * prediction_class(view.cells, w, n);
        const auto bits = [&](int prediction) { return search_.may_be_predicted() ? row[prediction_symbol(prediction, w, n)] : 0; };
        const int size = cells_along(view.cells) * 8;
        search_.begin(first, size, b.gather(k, size, search_.part));
        s_.own.side_bits = bits(kPredictNone);
        s_.own.template estimate<false>(inverse_[c], job_.rounding, 64 * view.cells);
        const Cost rough = s_.own.cost;
        int closed = 0;
        const auto close_with = [&](int prediction) {
            for (int i = 0; i < closed; ++i)
                if (s_.rest[i].prediction == prediction) return;
            if (prediction == kPredictNone || !search_.fits(prediction)) return;
            Candidate<4096>& rest = s_.rest[closed++];
            search_.take_rest(prediction, s_.own, rest);
            rest.side_bits = bits(prediction);
            rest.decide(job_, view, first, inverse_[c], b.collector, b.decider);
        };
        s_.own.decide(job_, view, first, inverse_[c], b.collector, b.decider);
        if (rough.bits > kBlockBits + s_.own.side_bits) {   // something is left to save
            const int known[] = {job_.predictions[first], w, n};
            if (job_.search == mmip::kSearchFull)   // which has searched already
                for (const int other : known) search_.hint(other);
            for (const int other : known) close_with(other);
            search_.each_found(close_with);
        }
        b.decider.run();
        const Candidate<4096>* chosen = &s_.own;
        for (int i = 0; i < closed; ++i)
            if (weigh(s_.rest[i].cost) < weigh(chosen->cost)) chosen = &s_.rest[i];
        prediction_ = chosen->prediction;
        sums_[c].distortion += chosen->cost.distortion;
        return out_.write_kept(*chosen, job_.stages, inverse_[c], sums_[c]);
    }

    void transform(Block& b, int k, const mmip::BlockView& view) {
        Candidate<4096>& own = s_.own;
        own.mode = view.mode;
        if (view.cells == 64) return b.template transform_merged<64, 8>(k, own.coefficients, own.dc);
        if (view.cells == 16) return b.template transform_merged<32, 4>(k, own.coefficients, own.dc);
        if (view.cells == 4) return b.template transform_merged<16, 2>(k, own.coefficients, own.dc);
        b.gather_cell(k, s_.cell);
        if (view.mode == kMode4) forward_quarters<1>(s_.cell, b.scratch, own.coefficients);
        else forward_planes<1, 8>(s_.cell, b.scratch, own.coefficients);
        own.dc[0] = take_dc(own.coefficients);
    }

    // The block as stage 2 gives it, for those after it.
    void restore(const Block& b, int first, int k, const uint16_t* positions, const int32_t* values, int count) {
        const mmip::BlockView& view = t_.blocks[t_.modes[first]];
        const int at = t_.raster[first], z = at / (t_.ay * t_.ax), y = at / t_.ax % t_.ay, x = at % t_.ax;
        uint32_t many = 0;
        for (; many < static_cast<uint32_t>(count) && positions[many] < view.cells * job_.cuts[1]; ++many) s_.tokens[many] = {values[many], positions[many]};
        s_.spans[first] = {s_.tokens, many};
        const F8* samples = synthesis_.predicted({view, first, z, y, x}, prediction_ == kPredictNone ? nullptr : search_.spectrum(prediction_, view.mode), 2);
        if (view.mode == kModePalette) add_error(b, k, samples, t_.classes[at]);
        const int size = cells_along(view.cells) * 8, stride = 8 * t_.ax;
        int32_t* to = close_.restored + (static_cast<int64_t>(z) * t_.ay + y) * 8 * stride + 8 * x;
        for (int j = 0; j < size; ++j)
            for (int i = 0; i < size; i += 8) {
                const I8 v = truncate(predicted_sample(*samples++));
                __builtin_memcpy(to + j * stride + i, &v, sizeof v);
            }
    }

    // What a palette leaves of a cell.
    void add_error(const Block& b, int k, const F8* samples, int c) {
        alignas(64) F8 own[8];
        b.gather_cell(k, own);
        I8 squares{};
        for (int i = 0; i < 8; ++i) {
            const I8 scaled = scaled_difference(own[i], samples[i], inverse_[c]);
            squares += scaled * scaled;
        }
        for (int lane = 0; lane < 8; ++lane) sums_[c].distortion += squares[lane];
    }

    const mmip::CloseJob& close_;
    const mmip::AnalyzeJob& job_;
    const mmip::TileView& t_;
    ClosingScratch& s_;
    PredictionSearch& search_;
    mmip::QuantizerSums* sums_;
    float inverse_[kMaxClasses];
    IndexWriter out_;
    const mmip::SynthesizeJob synthesis_job_;
    BlockSynthesis synthesis_;
    int prediction_ = kPredictNone;
    int64_t from_ = 0;                       // where the indices of the search go on
};

}  // namespace MMIP_NS
