// See analyze.h.
#include "passes/blocks/analyze.h"

#include "passes/parallel.h"
#include "rules/prediction/prediction.h"
#include "passes/blocks/rates.h"

namespace mmip {
namespace {

// Classes of the tile's cells, raster order, out of the chunk's map.
void copy_classes(const Coefficients& c, const Tile& tile, const uint8_t* classes) {
    uint8_t* to = c.classes.get() + tile.base;
    const Geometry& g = c.geometry;
    for (int z = 0; z < tile.order->az; ++z)
        for (int y = 0; y < tile.order->ay; ++y) {
            const int64_t from = ((tile.plane * g.grid(0) + tile.cell[0] + z) * g.grid(1) + tile.cell[1] + y) * g.grid(2) + tile.cell[2];
            for (int x = 0; x < tile.order->ax; ++x) *to++ = classes == nullptr ? 0 : classes[from + x];
        }
}

// d = mean of (|q| - |c| / step) in 1/64, rounded; 0 where nothing was counted.
int recon_point(int64_t excess, int64_t count) {
    if (count == 0) return 0;
    const int64_t d = floor_divide(2 * excess + 4 * count, 8 * count);
    return static_cast<int>(least(greatest(d, -kMaxRecon), kMaxRecon));
}

}  // namespace

ClassStep Quantizer::class_step(int c, int64_t plane) const {
    const std::vector<uint32_t>& row = steps[c];
    return {static_cast<float>(row[static_cast<size_t>(plane) % row.size()]) / kStepOne, reversible[c], {0, recon[c][0], recon[c][1], recon[c][2]}};
}

TileView tile_view(const Coefficients& c, const Tile& tile) {
    TileView view{};
    view.depth = c.geometry.depth;
    view.az = tile.order->az, view.ay = tile.order->ay, view.ax = tile.order->ax;
    for (int a = 0; a < 3; ++a) view.cell[a] = tile.cell[a];
    view.raster = tile.order->raster.data();
    view.merges = tile.order->merges.data();
    for (int m = 0; m < kModeCount; ++m) {
        const BlockTable* table = block_table(m, c.geometry.depth);
        if (table != nullptr) view.blocks[m] = {m, table->cells, table->count, table->scan.data(), table->order.data(), c.contexts->positions[m].data()};
    }
    view.per_cell = c.per_cell();
    view.dc = c.dc.get() + tile.base;
    view.classes = c.classes.get() + tile.base;
    view.modes = c.modes.get() + tile.base;
    view.ac = c.ac ? c.ac.get() + tile.base * c.per_cell() : nullptr;
    return view;
}

namespace {

// What an analysis asks of a tile, but for the rates of symbols and the place of the output.
AnalyzeJob tile_job(const Coefficients& c, const Tile& tile, const Samples& samples, const Quantizer& quantizer, const AnalyzeOptions& options) {
    const int64_t plane_samples = c.geometry.shape[0] * c.geometry.shape[1] * c.geometry.shape[2];
    AnalyzeJob job{};
    job.tile = tile_view(c, tile);
    job.samples = static_cast<const char*>(samples.data) + tile.plane * plane_samples * kSampleBytes[samples.type];
    job.sample_type = samples.type;
    for (int a = 0; a < 3; ++a) job.shape[a] = c.geometry.shape[a];
    job.offset = options.offset;
    job.rounding = options.rounding;
    job.dc_unit = c.dc_image ? kDcImageUnit : 1;
    job.search = options.search;
    job.stages = c.stages();
    for (int s = 0; s < job.stages; ++s) job.cuts[s] = c.cuts[s];
    const int classes = static_cast<int>(quantizer.steps.size());
    for (int k = 0; k < kMaxClasses; ++k) job.classes[k] = quantizer.class_step(k < classes ? k : 0, tile.plane);
    return job;
}

// What a thread needs of a tile beside its job: room for what comes out, and the tile as stage 2 restores it.
struct TileRoom {
    std::vector<uint16_t> positions;
    std::vector<int32_t> values;
    std::vector<int32_t> restored;
    std::vector<Token> tokens;
    std::vector<TokenSpan> spans;

    void hold(const Tile& tile, int per_cell) {
        const size_t most = static_cast<size_t>(tile.order->cells()) * per_cell + kOutputSlack;
        if (values.size() < most) positions.resize(most), values.resize(most);
    }

    // The samples of a tile without predictions, whole cells, from its indices of stage 2.
    const int32_t* restore(const Coefficients& c, const Tile& tile, const Entries& entries, const AnalyzeJob& analysis) {
        const TileOrder& order = *tile.order;
        const int cells = order.cells();
        restored.resize(static_cast<size_t>(cells) * 64);
        tokens.clear();
        tokens.reserve(entries.position.size());
        spans.assign(cells, {});
        size_t at = 0;
        for (int i = 0; i < cells; at += entries.count[i++]) {
            const uint32_t high = static_cast<uint32_t>(block_table(c.modes[tile.base + i], 1)->cells * c.cuts[1]);
            const size_t first = tokens.size();
            for (size_t k = at; k < at + entries.count[i] && entries.position[k] < high; ++k) tokens.push_back({entries.value[k], entries.position[k]});
            spans[i] = {tokens.data() + first, static_cast<uint32_t>(tokens.size() - first)};
        }
        SynthesizeJob job{};
        job.tile = analysis.tile;
        for (int64_t& first : job.tile.cell) first = 0;
        job.samples = restored.data(), job.sample_type = kSampleI32;
        job.high[0] = order.az, job.high[1] = order.ay * kCellSize, job.high[2] = order.ax * kCellSize;
        job.row = job.high[2], job.slice = job.high[1] * job.row;
        job.minimum = -kPredictedLimit, job.maximum = kPredictedLimit;
        job.scale = 1, job.stages = 2, job.dc_unit = analysis.dc_unit;
        job.spans = spans.data();
        std::copy(analysis.classes, analysis.classes + kMaxClasses, job.classes);
        kernels().synthesize_tile(job);
        return restored.data();
    }
};

void keep(const AnalyzeJob& job, int64_t found, Entries& entries) {
    entries.position.assign(job.positions, job.positions + found + kOutputSlack);
    entries.value.assign(job.values, job.values + found + kOutputSlack);
}

// One pass over all tiles; `rates` and `contexts` per stage from 2 on, or empty.
std::vector<QuantizerSums> analyze_tiles(Coefficients& c, const Samples& samples, const uint8_t* classes, const Quantizer& quantizer,
                                         const AnalyzeOptions& options, const std::vector<StageRates>& rates,
                                         const std::vector<std::vector<uint8_t>>& contexts, bool keeps, bool predicts) {
    std::vector<QuantizerSums> sums(c.tiles.size() * kMaxClasses);
    std::vector<TileRoom> rooms(std::max(options.threads, 1));
    c.ac.reset();
    c.scaled.resize(keeps ? c.tiles.size() : 0);
    c.entries.resize(c.tiles.size());
    parallel_for(static_cast<int64_t>(c.tiles.size()), options.threads, [&](int64_t i, int worker) {
        const Tile& tile = c.tiles[i];
        copy_classes(c, tile, classes);
        AnalyzeJob job = tile_job(c, tile, samples, quantizer, options);
        for (size_t s = 0; s < rates.size(); ++s) {
            job.token_bits[s + 1] = rates[s].token.data();
            job.header_bits[s + 1] = rates[s].header.data();
            if (!contexts.empty()) job.header_class[s + 1] = contexts[s].data() + tile.base;
        }
        TileRoom& room = rooms[worker];
        room.hold(tile, c.per_cell());
        Entries& entries = keeps ? c.scaled[i].entries : c.entries[i];
        if (predicts) job.earlier = room.restore(c, tile, entries, job), job.predictions = c.predictions.get() + tile.base;
        if (keeps) c.scaled[i].dc.resize(tile.order->cells()), job.scaled_dcs = c.scaled[i].dc.data();
        entries.count.resize(tile.order->cells());
        job.positions = room.positions.data(), job.values = room.values.data(), job.counts = entries.count.data();
        keep(job, kernels().analyze_tile(job, &sums[i * kMaxClasses]), entries);
        if (!keeps) return;
        const uint8_t* modes = c.modes.get() + tile.base;
        c.scaled[i].mode.assign(modes, modes + tile.order->cells());
        for (int k = 0; k < kMaxClasses; ++k) c.scaled[i].rest[k] = sums[i * kMaxClasses + k].rest;
    });
    return sums;
}

// Marks the blocks that lie under the padding mask as a whole: nothing is coded of them.
void mark_settled(Coefficients& c, const Tile& tile) {
    const TileOrder& order = *tile.order;
    const uint64_t* mask = c.mask.get() + tile.base;
    for (int i = 0; i < order.cells();) {
        const int cells = block_table(c.modes[tile.base + i], 1)->cells;
        bool all = true;
        for (int n = i; n < i + cells; ++n) all = all && mask[order.raster[n]] == ~uint64_t{0};
        if (all) c.predictions[tile.base + i] = kSettledBlock;
        i += cells;
    }
}

}  // namespace

std::vector<double> analyze(Coefficients& c, const Samples& samples, const uint8_t* classes, Quantizer& quantizer,
                            const AnalyzeOptions& options) {
    const bool by_lengths = options.search >= kSearchRough, keeps = !quantizer.choice_steps.empty() && options.search == kSearchFast;
    Quantizer by = quantizer;
    if (keeps) by.steps = quantizer.choice_steps;
    std::vector<StageRates> rates;
    std::vector<std::vector<uint8_t>> contexts;
    for (int stage = 2; by_lengths && stage <= c.stages(); ++stage) rates.push_back(builtin_rates(stage));
    std::vector<QuantizerSums> sums;
    for (int pass = 0; pass < options.passes; ++pass) {
        if (pass > 0) {
            contexts.resize(rates.size());
            for (size_t s = 0; s < rates.size(); ++s) {
                rates[s] = chosen_rates(c, static_cast<int>(s) + 2, by.steps, options.threads);
                contexts[s] = header_classes(c, static_cast<int>(s) + 2, options.threads);
            }
        }
        for (StageRates& r : rates) r.token.resize((kTokenClasses + 1) * kTokenAlphabet);   // see AnalyzeJob
        const bool predicts = pass > 0 && c.predictions != nullptr;
        sums = analyze_tiles(c, samples, classes, by, options, rates, contexts, keeps && pass + 1 == options.passes, predicts);
    }
    if (keeps) return requantize(c, quantizer, options);
    return settle_sums(c, sums, quantizer, options.search);
}

std::vector<double> close_predictions(Coefficients& c, const Samples& samples, const Quantizer& quantizer, const AnalyzeOptions& options) {
    const int stages = c.stages();
    std::vector<StageRates> rates;
    std::vector<std::vector<uint8_t>> contexts;
    for (int stage = 2; stage <= stages; ++stage) {
        rates.push_back(chosen_rates(c, stage, quantizer.steps, options.threads));
        rates.back().token.resize((kTokenClasses + 1) * kTokenAlphabet);
        contexts.push_back(header_classes(c, stage, options.threads));
    }
    const std::vector<uint8_t> prediction_bits = builtin_prediction_rates();
    std::vector<QuantizerSums> sums(c.tiles.size() * kMaxClasses);
    std::vector<TileRoom> rooms(std::max(options.threads, 1));
    parallel_for(static_cast<int64_t>(c.tiles.size()), options.threads, [&](int64_t i, int worker) {
        const Tile& tile = c.tiles[i];
        TileRoom& room = rooms[worker];
        room.hold(tile, c.per_cell());
        room.restored.resize(static_cast<size_t>(tile.order->cells()) * 64);
        if (c.mask) mark_settled(c, tile);
        Entries& entries = c.entries[i];
        const std::vector<uint16_t> counts = entries.count;
        CloseJob job{tile_job(c, tile, samples, quantizer, options), entries.position.data(), entries.value.data(), counts.data(), room.restored.data()};
        AnalyzeJob& analysis = job.analysis;
        for (int s = 0; s < stages - 1; ++s) {
            analysis.token_bits[s + 1] = rates[s].token.data();
            analysis.header_bits[s + 1] = rates[s].header.data();
            analysis.header_class[s + 1] = contexts[s].data() + tile.base;
        }
        analysis.predictions = c.predictions.get() + tile.base;
        analysis.prediction_bits = prediction_bits.data();
        analysis.positions = room.positions.data(), analysis.values = room.values.data(), analysis.counts = entries.count.data();
        const int64_t found = kernels().close_tile(job, &sums[i * kMaxClasses]);
        keep(analysis, found, entries);
    });
    return squared_errors(c, sums, quantizer);
}

// Components differ in step, so errors are scaled to samples per plane; the reconstruction points hold for all.
std::vector<double> squared_errors(const Coefficients& c, const std::vector<QuantizerSums>& sums, const Quantizer& quantizer) {
    std::vector<double> errors(quantizer.steps.size(), 0.0);
    for (size_t k = 0; k < errors.size(); ++k)
        for (size_t i = 0; i < c.tiles.size(); ++i) {
            const QuantizerSums& part = sums[i * kMaxClasses + k];
            const size_t component = static_cast<size_t>(c.tiles[i].plane) % quantizer.steps[k].size();
            const uint32_t own = quantizer.steps[k][component], chosen_by = quantizer.choice_steps.empty() ? own : quantizer.choice_steps[k][component];
            int64_t error = part.distortion + (own == chosen_by ? part.rest : 0);
            for (int j = 0; j < 3; ++j) {
                const int64_t shift = 4 * quantizer.recon[k][j];   // d in 1/256
                error += shift * shift * part.count[j] - 2 * shift * part.excess[j];
            }
            const double step = static_cast<double>(own) / kStepOne / kStepOne, before = static_cast<double>(chosen_by) / kStepOne / kStepOne;
            errors[k] += static_cast<double>(error) * step * step;
            if (own != chosen_by) errors[k] += static_cast<double>(part.rest) * before * before;
        }
    return errors;
}

std::vector<double> settle_sums(const Coefficients& c, const std::vector<QuantizerSums>& sums, Quantizer& quantizer, int search) {
    for (size_t k = 0; k < quantizer.steps.size(); ++k) {
        QuantizerSums total;
        for (size_t i = 0; i < c.tiles.size(); ++i)
            for (int j = 0; j < 3; ++j) total.count[j] += sums[i * kMaxClasses + k].count[j], total.excess[j] += sums[i * kMaxClasses + k].excess[j];
        for (int j = 0; j < 3; ++j) quantizer.recon[k][j] = search == kSearchNone ? 0 : recon_point(total.excess[j], total.count[j]);
    }
    return squared_errors(c, sums, quantizer);
}

}  // namespace mmip
