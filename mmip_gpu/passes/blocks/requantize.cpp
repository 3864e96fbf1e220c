// Indices of blocks that were chosen by one step, by another. See analyze.h.
#include <algorithm>

#include "rules/blocks/quantize.h"
#include "passes/blocks/analyze.h"
#include "passes/parallel.h"

namespace mmip {
namespace {

// The blocks of one tile.
class TileRequantizer {
public:
    TileRequantizer(Coefficients& c, size_t tile, const Quantizer& quantizer, const AnalyzeOptions& options, QuantizerSums* sums)
        : c_(c), tile_(c.tiles[tile]), from_(c.scaled[tile]), to_(c.entries[tile]), quantizer_(quantizer), options_(options), sums_(sums) {
        for (size_t k = 0; k < quantizer.steps.size(); ++k) {
            const size_t component = static_cast<size_t>(tile_.plane) % quantizer.steps[k].size();
            ratio_[k] = step_ratio(quantizer.choice_steps[k][component], quantizer.steps[k][component]);
            sums_[k].rest = from_.rest[k];
        }
    }

    void run() {
        const int cells = tile_.order->cells();
        const size_t room = from_.entries.value.size();
        to_.position.resize(room), to_.value.resize(room);
        to_.count.assign(static_cast<size_t>(cells), 0);
        size_t first = 0;
        for (int i = 0; i < cells; ++i) {
            run_dc(tile_.order->raster[i]);
            c_.modes[tile_.base + i] = from_.mode[i];
            const int count = from_.entries.count[i];
            if (count == 0) continue;
            const size_t before = end_;
            run_block(i, from_.entries.position.data() + first, from_.entries.value.data() + first, count);
            first += static_cast<size_t>(count);
            to_.count[i] = static_cast<uint16_t>(end_ - before);
            if (end_ == before && block_table(from_.mode[i], c_.geometry.depth)->cells == 1) c_.modes[tile_.base + i] = kMode8;
        }
        to_.position.resize(end_ + kOutputSlack), to_.value.resize(end_ + kOutputSlack);
    }

private:
    int class_at(int raster) const { return c_.classes[tile_.base + raster]; }

    void run_dc(int raster) {
        const int32_t value = from_.dc[raster];
        const int k = class_at(raster);
        int32_t& dc = c_.dc[tile_.base + raster];
        if (quantizer_.reversible[k] != 0) {
            dc = value;
            return;
        }
        const QuantizedDc found = quantize_scaled_dc(rescaled(value < 0 ? -value : value, ratio_[k]), value < 0, c_.dc_image ? kDcImageUnit : 1);
        dc = found.index;
        sums_[k].distortion += found.error;
    }

    void run_block(int i, const uint16_t* positions, const int32_t* values, int count) {
        const int k = class_at(tile_.order->raster[i]);
        if (quantizer_.reversible[k] == 0) {
            const RequantizeJob job{positions, values, count, ratio_[k], options_.rounding, to_.position.data() + end_, to_.value.data() + end_};
            end_ += static_cast<size_t>(kernels().requantize_block(job, sums_[k]));
            return;
        }
        std::copy_n(positions, count, to_.position.begin() + static_cast<std::ptrdiff_t>(end_));
        std::copy_n(values, count, to_.value.begin() + static_cast<std::ptrdiff_t>(end_));
        end_ += static_cast<size_t>(count);
    }

    Coefficients& c_;
    const Tile& tile_;
    const ScaledTile& from_;
    Entries& to_;
    const Quantizer& quantizer_;
    const AnalyzeOptions& options_;
    QuantizerSums* sums_;
    float ratio_[kMaxClasses] = {};
    size_t end_ = 0;
};

}  // namespace

std::vector<double> requantize(Coefficients& c, Quantizer& quantizer, const AnalyzeOptions& options) {
    std::vector<QuantizerSums> sums(c.tiles.size() * kMaxClasses);
    c.ac.reset();
    parallel_for(static_cast<int64_t>(c.tiles.size()), options.threads, [&](int64_t i, int) {
        TileRequantizer(c, static_cast<size_t>(i), quantizer, options, &sums[static_cast<size_t>(i) * kMaxClasses]).run();
    });
    return settle_sums(c, sums, quantizer, options.search);
}

}  // namespace mmip
