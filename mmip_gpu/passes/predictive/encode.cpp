// See encode.h. Parameters are fitted; then every brick takes the set that serves it best, its residuals become tokens, and the
// tokens of all bricks make the codes that they are written with.
#include "passes/predictive/encode.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "passes/coding/payload.h"
#include "passes/parallel.h"
#include "passes/predictive/brick_residuals.h"
#include "passes/predictive/fit.h"
#include "passes/predictive/fit_contexts.h"
#include "passes/predictive/tokens.h"

namespace mmip {
namespace {

class Encoder {
public:
    Encoder(const Samples& samples, PredictiveForm& form, const PredictiveOptions& options)
        : form_(form), threads_(options.threads), source_(form, samples, options.ranked, options.threads), residuals_(source_, form, parameters_) {
        fit_parameters(source_, options.effort, options.threads, form, parameters_);
        if (form.colour_form == kFormPalette) parameters_.palette = source_.palette();
        else parameters_.values = source_.values();
    }

    void encode(const PayloadMemory& memory) {
        make_tokens();
        write(memory);
    }

private:
    struct Worker {
        BrickMemory memory;
        std::vector<int32_t> magnitudes;
        std::vector<TokenCounts> counts;

        Worker(const PredictiveForm& form) : memory(form.layout, form.components()), counts(static_cast<size_t>(form.components())) {
            const int* tile = form.layout.tile_log2;
            magnitudes.assign(2 * ((size_t{1} << tile[1]) + 1) * ((size_t{1} << tile[2]) + kRowRoom) + kRowRoom, 0);
        }
    };

    void make_tokens() {
        const int* tile = form_.layout.tile_log2;
        const size_t room = (size_t{1} << (tile[0] + tile[1] + tile[2])) + TileStream::kBefore + TileStream::kBehind;
        const size_t count = static_cast<size_t>(form_.layout.substreams());
        memory_.reset(new uint32_t[count * room]);           // no zeros: each worker touches what it fills
        for (size_t i = 0; i < count; ++i) streams_.push_back({memory_.get() + i * room});
        for (auto& c : parameters_.components) c.set_of_brick.assign(static_cast<size_t>(residuals_.bricks()), 0);
        std::vector<std::unique_ptr<Worker>> workers(static_cast<size_t>(std::max(threads_, 1)));
        parallel_for(residuals_.bricks(), threads_, [&](int64_t item, int worker) {
            if (!workers[worker]) workers[worker] = std::make_unique<Worker>(form_);
            code_brick(item, *workers[worker]);
        });
        for (int i = 0; i < form_.components(); ++i) {
            TokenCounts counts;
            for (const auto& w : workers)
                if (w) counts.add(w->counts[i]);
            choose_codes(counts.by_class(), parameters_.components[i]);
        }
    }

    void code_brick(int64_t item, Worker& w) {
        BrickMemory& m = w.memory;
        uint8_t sets[kMaxComponents];
        residuals_.find(item, m, sets);
        for (int i = 0; i < form_.components(); ++i) {
            parameters_.components[i].set_of_brick[item] = sets[i];
            if (i > 0) residuals_.subtract_cross(m, i);
            const int32_t *coded = residuals_.coded(m, i), *first = i > 0 ? residuals_.coded(m, 0) : nullptr, *second = i > 1 ? residuals_.coded(m, 1) : nullptr;
            const int64_t start = form_.layout.first_substream(residuals_.group_of(item) * form_.components() + i, m.brick);
            for_tiles(form_.layout, m.brick.extent, [&](int number, const int* at, const int* size) {
                const int64_t place = at[0] * m.strides.slice + at[1] * m.strides.row + at[2];
                TileStream& stream = streams_[start + number];
                const TokenJob job{coded + place, m.strides, {size[0], size[1], size[2]}, {first ? first + place : nullptr, second ? second + place : nullptr},
                                   parameters_.components[i].context, w.magnitudes.data(), stream.tokens()};
                stream.count = static_cast<uint32_t>(size[0] * size[1] * size[2]);
                if (residuals_.kernels().tokens(job)) stream.count = static_cast<uint32_t>(with_runs(stream.tokens(), stream.count, w.counts[i]));
                else count_tokens(stream.tokens(), stream.count, w.counts[i]);
            });
        }
    }

    void write(const PayloadMemory& memory) {
        drop_unused_sets();
        std::vector<std::vector<uint64_t>> writing;
        for (const auto& c : parameters_.components) writing.push_back(for_classes(token_writing(c.lengths), context_least(c.context)));
        const int64_t of_plane = form_.layout.tiles_of_plane();
        const bool in_pairs = component_bits(form_.colour_form, form_.bits, form_.components() - 1) <= kLockstepBits;
        parallel_for(form_.layout.substreams(), threads_, [&](int64_t i, int) {
            streams_[i].write(residuals_.kernels(), writing[(i / of_plane) % form_.components()], in_pairs);
        });
        std::vector<StreamBytes> streams;
        for (const TileStream& s : streams_) streams.push_back({s.bytes(), s.count});
        const ParameterForm head{form_.layout, form_.components(), form_.bits, form_.offset, form_.colour_form == kFormPalette};
        assemble_parameter_payload(write_parameters(parameters_, head), streams, threads_, memory);
    }

    void drop_unused_sets() {
        for (ComponentParameters& c : parameters_.components) mmip::drop_unused_sets(c);
    }

    PredictiveForm& form_;
    const int threads_;
    const SourceBricks source_;
    Parameters parameters_;
    const BrickResiduals residuals_;
    std::unique_ptr<uint32_t[]> memory_;     // of the streams
    std::vector<TileStream> streams_;
};

}  // namespace

PredictiveChunk encode_predictive(const Samples& samples, int64_t planes, const int64_t* shape, bool colour, int near, const PredictiveOptions& options) {
    PredictiveChunk best;
    for (int effort = std::min(options.effort, kLeastTriedEffort); effort <= options.effort; ++effort) {
        PredictiveChunk chunk;
        PredictiveForm& form = chunk.form;
        form.channels = colour ? kMaxComponents : 1;
        form.set_planes(planes);
        std::copy_n(shape, 3, form.layout.shape);
        form.near = near;
        const PayloadMemory own = [&](size_t size) {
            chunk.payload.resize(size);
            return reinterpret_cast<uint8_t*>(chunk.payload.data());
        };
        PredictiveOptions one = options;
        one.effort = effort;
        const bool is_only = options.effort <= kLeastTriedEffort;
        Encoder(samples, form, one).encode(is_only && options.memory ? options.memory : own);
        if (is_only) return chunk;
        if (best.payload.empty() || chunk.payload.size() < best.payload.size()) best = std::move(chunk);
    }
    if (options.memory) {
        std::copy(best.payload.begin(), best.payload.end(), options.memory(best.payload.size()));
        best.payload.clear();
    }
    return best;
}

}  // namespace mmip
