// See encode.h. Sets are fitted to samples of some bricks; then every brick takes the set that serves it best, its residuals become
// tokens, and the tokens of all bricks make the codes that they are written with.
#include "passes/predictive/encode.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "passes/coding/payload.h"
#include "passes/parallel.h"
#include "passes/predictive/fit_sets.h"
#include "passes/predictive/parameters.h"
#include "passes/predictive/source_bricks.h"
#include "rules/coding/bitstream.h"

namespace mmip {
namespace {

struct Effort {
    int samples, bricks, rounds;             // of a fit: samples of a component, bricks they are from, rounds of grouping
};
constexpr Effort kEfforts[] = {{4000, 64, 1}, {8000, 128, 1}, {40000, 1024, 6}};
constexpr int kBricksPerSet = 6;             // fewer bricks do not pay for another set
constexpr double kDepthGain = 0.012, kBitsAboveLogarithm = 1.5;   // share of the bits; those of a residual above log2(1 + |r|)
constexpr int kCostRows = 4, kDeepCostRows = 16;   // a brick's set is chosen on one row of so many

int log2_over(int64_t n, int most) {
    int k = 0;
    while (k < most && (int64_t{1} << k) < n) ++k;
    return k;
}

// Tiles of kMaxResidualTile samples, as near to 1x32x64 or 8x16x16 as the shape allows; bricks of one tile in 2D, of 16x32x32 in 3D.
void choose_tiles(BrickLayout& layout, bool deep) {
    constexpr int total = 11;
    int* tile = layout.tile_log2;
    tile[0] = deep ? log2_over(layout.shape[0], 3) : 0;
    tile[1] = log2_over(layout.shape[1], deep ? 4 : 5);
    tile[2] = log2_over(layout.shape[2], total - tile[0] - tile[1]);
    tile[1] = log2_over(layout.shape[1], total - tile[0] - tile[2]);
    const int brick[3] = {deep ? 4 : 0, 5, 5};
    for (int a = 0; a < 3; ++a) layout.brick_log2[a] = deep ? std::max(tile[a], log2_over(layout.shape[a], brick[a])) : tile[a];
}

// Counts of (symbol, table) by the low bits of a token.
struct Counts {
    std::vector<uint32_t> of = std::vector<uint32_t>(size_t{1} << kTokenRaw, 0);

    void add(const Counts& other) {
        for (size_t i = 0; i < of.size(); ++i) of[i] += other.of[i];
    }
    std::vector<uint32_t> by_table() const {
        std::vector<uint32_t> found(static_cast<size_t>(kResidualTables) * kResidualAlphabet, 0);
        for (int t = 0; t < kResidualTables; ++t)
            for (int s = 0; s < kResidualAlphabet; ++s) found[t * kResidualAlphabet + s] = of[static_cast<size_t>(s) << kTokenSymbol | t];
        return found;
    }
};

uint32_t packed_token(const ResidualToken& t, int first_symbol, int table) {
    return t.raw << kTokenRaw | static_cast<uint32_t>(t.symbol + first_symbol) << kTokenSymbol | static_cast<uint32_t>(table);
}

// The number that a plain token stands for.
uint32_t token_number(uint32_t token) {
    const int symbol = (token >> kTokenSymbol) & 127;
    return residual_base(symbol, kDirectTokens) + (token >> kTokenRaw);
}

// Puts runs in place of class 0: `plain` are the tokens of a tile as if there were no runs. Returns how many there are.
size_t with_runs(const uint32_t* plain, size_t count, uint32_t* out, Counts& counts) {
    uint32_t* to = out;
    const auto put = [&](uint32_t token) {
        *to++ = token;
        ++counts.of[token & ((1u << kTokenRaw) - 1)];
    };
    constexpr uint32_t classes = (1u << kTokenSymbol) - 1;
    for (size_t i = 0; i < count;) {
        const uint32_t token = plain[i];
        if ((token & classes) != 0) {
            put(token);
            ++i;
            continue;
        }
        size_t end = i;
        while (end < count && plain[end] >> kTokenSymbol == 0) ++end;   // residual 0
        if (end > i) put(packed_token(residual_token(static_cast<uint32_t>(end - i - 1), kDirectRunTokens), kFirstRunSymbol, 0));
        if (end < count) put(packed_token(residual_token(token_number(plain[end]) - 1, kDirectTokens), 0, end > i ? kAfterRunTable : 0));
        i = end + 1;
    }
    return static_cast<size_t>(to - out);
}

// What tokens are written by: the codeword and how many raw bits follow it.
struct Writing {
    uint32_t codeword;
    uint8_t length, raw_bits;
};

std::vector<Writing> writing_of(const CodeLengths& lengths) {
    std::vector<Writing> found(size_t{1} << kTokenRaw, Writing{0, 0, 0});
    const std::vector<uint16_t> codewords = residual_codewords(lengths);
    for (int t = 0; t < kResidualTables; ++t) {
        const auto used = std::count_if(lengths[t].begin(), lengths[t].end(), [](uint8_t n) { return n != 0; });
        for (int s = 0; s < kResidualAlphabet; ++s) {
            const bool is_run = t == 0 && s >= kFirstRunSymbol;
            const int raw_bits = is_run ? residual_raw_bits(s - kFirstRunSymbol, kDirectRunTokens) : residual_raw_bits(s, kDirectTokens);
            const bool is_coded = used > 1 && lengths[t][s] != 0;
            found[static_cast<size_t>(s) << kTokenSymbol | t] = {is_coded ? codewords[t * kResidualAlphabet + s] : 0u, static_cast<uint8_t>(is_coded ? lengths[t][s] : 0),
                                                               static_cast<uint8_t>(raw_bits)};
        }
    }
    return found;
}

std::vector<uint8_t> written(const std::vector<uint32_t>& tokens, const std::vector<Writing>& writing) {
    std::vector<uint8_t> bytes(tokens.size() * 4 + 16);
    BitWriter out(bytes.data());
    for (const uint32_t token : tokens) {
        const Writing& w = writing[token & ((1u << kTokenRaw) - 1)];
        out.put(static_cast<uint64_t>(w.codeword) << w.raw_bits | token >> kTokenRaw, w.length + w.raw_bits);
    }
    const size_t used = static_cast<size_t>(out.finish() - bytes.data());
    if (used == 0) bytes[0] = 0;
    bytes.resize(std::max<size_t>(used, 1));
    return bytes;
}

class Encoder {
public:
    Encoder(const Samples& samples, PredictiveForm& form, const PredictiveOptions& options)
        : form_(form), options_(options), effort_(kEfforts[std::clamp(options.effort, 1, 3) - 1]), source_(form, samples, options.ranked, options.threads) {
    }

    std::string encode() {
        parameters_.values = source_.values();
        parameters_.components.resize(static_cast<size_t>(form_.components));
        begin(form_.layout.shape[0] > 1);
        if (form_.layout.shape[0] > 1 && !gains_by_depth()) begin(false);
        if (form_.components > 1) fit_cross(64);
        make_tokens();
        return write();
    }

private:
    // Tiles of one slice or of several, the colour form, and sets for them.
    void begin(bool deep) {
        choose_tiles(form_.layout, deep);
        bricks_ = form_.layout.planes / form_.components * form_.layout.bricks_of_plane();
        choose_colour();
        fit();
    }

    // Whether sets that see the slice before serve bricks of several slices so much better that their smaller tiles pay.
    bool gains_by_depth() {
        const double deep = bits_of_sample();
        const std::vector<ComponentParameters> kept = parameters_.components;
        for (ComponentParameters& c : parameters_.components)
            for (PredictorSet& set : c.sets) {
                set.with_previous = false;
                set.later = {};
                std::copy(set.first.begin(), set.first.end(), set.later.begin());
            }
        const double flat = bits_of_sample();
        parameters_.components = kept;
        return flat - deep > kDepthGain * (flat + kBitsAboveLogarithm);
    }

    // About how many bits a sample takes, by some bricks: the mean of log2(1 + |r|).
    double bits_of_sample() const {
        int64_t cost = 0, count = 0;
        BrickMemory m(form_.layout, form_.components);
        for (const int64_t item : some_bricks(64)) {
            source_.load(group_of(item), brick_of(item), form_.colour_form, m);
            for (int i = 0; i < form_.components; ++i) {
                int64_t least = INT64_MAX;
                for (const PredictorSet& set : parameters_.components[i].sets) least = std::min(least, kernels().cost(job_of(m, i, set, 1)));
                cost += least;
                count += static_cast<int64_t>(m.brick.extent[0]) * m.brick.extent[1] * m.brick.extent[2];
            }
        }
        return static_cast<double>(cost) / 256 / static_cast<double>(count);
    }

    int64_t brick_of(int64_t item) const { return item % form_.layout.bricks_of_plane(); }
    int64_t group_of(int64_t item) const { return item / form_.layout.bricks_of_plane(); }
    int bits(int component) const { return component_bits(form_.colour_form, form_.bits, component); }
    const PredictiveKernels& kernels() const { return predictive_kernels(bits(form_.components - 1)); }

    // Numbers of at most `most` bricks: one drawn out of each of as many parts, so that they lie in no pattern.
    std::vector<int64_t> some_bricks(int64_t most) const {
        std::vector<int64_t> found;
        const int64_t count = std::min(bricks_, most);
        uint32_t state = 1;
        for (int64_t i = 0; i < count; ++i) {
            const int64_t first = i * bricks_ / count, size = (i + 1) * bricks_ / count - first;
            state = state * 1664525u + 1013904223u;
            found.push_back(first + (state >> 8) % size);
        }
        return found;
    }

    ResidualJob job_of(BrickMemory& m, int component, const PredictorSet& set, int row_step) const {
        const int* extent = m.brick.extent;
        return {m.of(component), m.strides, extent[0], extent[1], extent[2], bits(component), set.first.data(), set.later.data(),
                set.bound_ne, set.with_previous, row_step, m.residuals_of(component)};
    }

    // The form whose components MED, and the residuals of those before, predict best.
    void choose_colour() {
        if (form_.components == 1) return;
        int64_t least = INT64_MAX;
        int best = 0;
        for (auto& c : parameters_.components) c.sets = {median_set()};
        for (int colour = 0; colour < kColourForms; ++colour) {
            form_.colour_form = colour;
            fit_cross(24);
            BrickMemory m(form_.layout, form_.components);
            int64_t cost = 0;
            for (const int64_t item : some_bricks(24)) {
                uint8_t sets[kMaxComponents];
                source_.load(group_of(item), brick_of(item), colour, m);
                plain_residuals(m, sets);
                for (int i = 0; i < form_.components; ++i) {
                    if (i > 0) subtract_cross(m, i);
                    const int32_t* coded = coded_residuals(m, i);
                    for_residuals(m, [&](int64_t at) { cost += logarithm(std::abs(coded[at]) + 1); });
                }
            }
            if (cost < least) least = cost, best = colour;
        }
        form_.colour_form = best;
        for (auto& c : parameters_.components) c.cross = {}, c.context_weight = 0;
    }

    void fit() {
        const std::vector<int64_t> bricks = some_bricks(effort_.bricks);
        std::vector<std::vector<BrickSamples>> samples(static_cast<size_t>(form_.components), std::vector<BrickSamples>(bricks.size()));
        parallel_for(static_cast<int64_t>(bricks.size()), options_.threads, [&](int64_t k, int) {
            BrickMemory m(form_.layout, form_.components);
            source_.load(group_of(bricks[k]), brick_of(bricks[k]), form_.colour_form, m);
            for (int i = 0; i < form_.components; ++i) samples[i][k] = take_samples(m, i, effort_.samples / static_cast<int>(bricks.size()) + 1, static_cast<uint32_t>(k));
        });
        const int most = static_cast<int>(std::clamp<int64_t>(bricks_ / kBricksPerSet, 1, kMaxSets - 1));
        parallel_for(form_.components, options_.threads, [&](int64_t i, int) {
            auto& sets = parameters_.components[i].sets;
            sets = fit_sets(samples[i], form_.layout.brick_log2[0] > 0, most, effort_.rounds);
            if (bricks_ >= kBricksPerSet) sets.push_back(median_set());
        });
    }

    // Neighbours of up to `most` samples of a component, at places drawn by `seed`; all where there are no more.
    BrickSamples take_samples(BrickMemory& m, int component, int most, uint32_t seed) const {
        const int* e = m.brick.extent;
        const int count = e[0] * e[1] * e[2];
        const int step = std::max(1, count / most);
        BrickSamples found;
        uint32_t state = seed * 2654435761u + 12345u;
        for (int i = 0; i < count; i += step) {
            state = state * 1664525u + 1013904223u;
            const int at = std::min(count - 1, i + static_cast<int>((state >> 8) % static_cast<uint32_t>(step)));
            const int z = at / (e[1] * e[2]), y = at / e[2] % e[1], x = at % e[2];
            const int32_t* brick = m.of(component);
            const BrickRows<int32_t> rows = rows_around(brick, m.strides.row, m.strides.slice, z, y, e[1]);
            const int32_t* here = brick + z * m.strides.slice + y * m.strides.row;
            const int32_t first = y > 0 ? rows.north[0] : (z > 0 ? rows.previous[0] : 0);
            const int32_t west = x > 0 ? here[x - 1] : first, west2 = x > 1 ? here[x - 2] : first;
            int32_t n[kNeighbours3d] = {};
            if (y > 0 && z > 0) neighbours_of<int32_t, true, true>(rows, x, west, west2, n);
            else if (y > 0) neighbours_of<int32_t, true, false>(rows, x, west, west2, n);
            else if (z > 0) neighbours_of<int32_t, false, true>(rows, x, west, west2, n);
            else neighbours_of<int32_t, false, false>(rows, x, west, west2, n);
            found.neighbours.insert(found.neighbours.end(), n, n + kNeighbours3d);
            found.targets.push_back(here[x]);
            found.has_previous.push_back(z > 0);
        }
        return found;
    }

    uint8_t best_set(BrickMemory& m, int component) const {
        const auto& sets = parameters_.components[component].sets;
        int64_t least = INT64_MAX;
        uint8_t best = 0;
        for (size_t s = 0; s < sets.size() && sets.size() > 1; ++s) {
            const int64_t cost = kernels().cost(job_of(m, component, sets[s], m.brick.extent[0] > 1 ? kDeepCostRows : kCostRows));
            if (cost < least) least = cost, best = static_cast<uint8_t>(s);
        }
        return best;
    }

    // Residuals of all components of a brick, without what residuals of earlier components say of later ones.
    void plain_residuals(BrickMemory& m, uint8_t* sets) const {
        for (int i = 0; i < form_.components; ++i) {
            sets[i] = best_set(m, i);
            kernels().residuals(job_of(m, i, parameters_.components[i].sets[sets[i]], 1));
        }
    }

    // Weights of earlier residuals by least squares over some bricks.
    void fit_cross(int bricks) {
        double sums[kMaxComponents][kMaxComponents] = {};
        BrickMemory m(form_.layout, form_.components);
        for (const int64_t item : some_bricks(bricks)) {
            uint8_t sets[kMaxComponents];
            source_.load(group_of(item), brick_of(item), form_.colour_form, m);
            plain_residuals(m, sets);
            for_residuals(m, [&](int64_t at) {
                const int64_t r[3] = {m.residuals_of(0)[at], m.residuals_of(1)[at], m.residuals_of(2)[at]};
                for (int i = 0; i < 3; ++i)
                    for (int j = 0; j <= i; ++j) sums[i][j] += static_cast<double>(r[i] * r[j]);
            });
        }
        const auto weight = [](double w) { return static_cast<int8_t>(std::clamp(std::floor(64 * w + 0.5), -127.0, 127.0)); };
        if (sums[0][0] <= 0) return;
        parameters_.components[1].cross[0] = weight(sums[1][0] / sums[0][0]);
        const double determinant = sums[0][0] * sums[1][1] - sums[1][0] * sums[1][0];
        if (determinant > 1e-6 * sums[0][0] * sums[1][1]) {
            parameters_.components[2].cross[0] = weight((sums[2][0] * sums[1][1] - sums[2][1] * sums[1][0]) / determinant);
            parameters_.components[2].cross[1] = weight((sums[2][1] * sums[0][0] - sums[2][0] * sums[1][0]) / determinant);
        } else {
            parameters_.components[2].cross[0] = weight(sums[2][0] / sums[0][0]);
        }
        parameters_.components[1].context_weight = 1;
        parameters_.components[2].context_weight = 1;
    }

    template <class Work>
    static void for_residuals(const BrickMemory& m, const Work& work) {
        for (int z = 0; z < m.brick.extent[0]; ++z)
            for (int y = 0; y < m.brick.extent[1]; ++y)
                for (int x = 0; x < m.brick.extent[2]; ++x) work(z * m.strides.slice + y * m.strides.row + x);
    }

    // Less what earlier residuals say; `coded` is overwritten, earlier ones stay as they are.
    void subtract_cross(BrickMemory& m, int component) const {
        const ComponentParameters& p = parameters_.components[component];
        if (p.cross[0] == 0 && p.cross[1] == 0) return;
        int32_t* r = cross_of(m, component);
        const int32_t *a = m.residuals_of(0), *b = m.residuals_of(component > 1 ? 1 : 0);
        const int wa = p.cross[0], wb = component > 1 ? p.cross[1] : 0, own_bits = bits(component);
        for_residuals(m, [&](int64_t at) { r[at] = wrapped(m.residuals_of(component)[at] - ((a[at] * wa + b[at] * wb + 32) >> 6), own_bits); });
    }

    // What is coded of a component: its values' memory is free once residuals are made.
    int32_t* cross_of(BrickMemory& m, int component) const { return m.of(component); }

    const int32_t* coded_residuals(BrickMemory& m, int component) const {
        const ComponentParameters& p = parameters_.components[component];
        return p.cross[0] == 0 && p.cross[1] == 0 ? m.residuals_of(component) : cross_of(m, component);
    }

    struct Worker {
        BrickMemory memory;
        std::vector<int32_t> magnitudes;
        std::vector<uint32_t> plain, tokens;
        std::vector<Counts> counts;

        Worker(const PredictiveForm& form) : memory(form.layout, form.components), counts(static_cast<size_t>(form.components)) {
            const int* tile = form.layout.tile_log2;
            magnitudes.assign(2 * ((size_t{1} << tile[1]) + 1) * ((size_t{1} << tile[2]) + kRowRoom) + kRowRoom, 0);
            plain.assign(kMaxResidualTile + kRowRoom, 0);
            tokens.assign(2 * kMaxResidualTile, 0);
        }
    };

    void make_tokens() {
        substreams_.resize(static_cast<size_t>(form_.layout.substreams()));
        for (auto& c : parameters_.components) c.set_of_brick.assign(static_cast<size_t>(bricks_), 0);
        std::vector<std::unique_ptr<Worker>> workers(static_cast<size_t>(std::max(options_.threads, 1)));
        parallel_for(bricks_, options_.threads, [&](int64_t item, int worker) {
            if (!workers[worker]) workers[worker] = std::make_unique<Worker>(form_);
            code_brick(item, *workers[worker]);
        });
        for (int i = 0; i < form_.components; ++i) {
            Counts counts;
            for (const auto& w : workers)
                if (w) counts.add(w->counts[i]);
            parameters_.components[i].lengths = best_lengths(counts.by_table());
        }
    }

    void code_brick(int64_t item, Worker& w) {
        BrickMemory& m = w.memory;
        source_.load(group_of(item), brick_of(item), form_.colour_form, m);
        uint8_t sets[kMaxComponents];
        plain_residuals(m, sets);
        for (int i = 0; i < form_.components; ++i) {
            parameters_.components[i].set_of_brick[item] = sets[i];
            if (i > 0) subtract_cross(m, i);
            const int64_t first = form_.layout.first_substream(group_of(item) * form_.components + i, m.brick);
            const int32_t* coded = coded_residuals(m, i);
            for_tiles(form_.layout, m.brick.extent, [&](int number, const int* at, const int* size) {
                const int64_t start = at[0] * m.strides.slice + at[1] * m.strides.row + at[2];
                const int weight = i > 0 ? parameters_.components[i].context_weight : 0;
                kernels().tokens({coded + start, m.strides, {size[0], size[1], size[2]}, {i > 0 ? coded_residuals(m, 0) + start : nullptr, i > 1 ? coded_residuals(m, 1) + start : nullptr},
                                  weight, w.magnitudes.data(), w.plain.data()});
                const size_t count = with_runs(w.plain.data(), static_cast<size_t>(size[0]) * size[1] * size[2], w.tokens.data(), w.counts[i]);
                substreams_[first + number].assign(w.tokens.begin(), w.tokens.begin() + static_cast<std::ptrdiff_t>(count));
            });
        }
    }

    std::string write() {
        drop_unused_sets();
        std::vector<std::vector<Writing>> writing;
        for (const auto& c : parameters_.components) writing.push_back(writing_of(c.lengths));
        std::vector<std::vector<uint8_t>> streams(substreams_.size());
        const int64_t of_plane = form_.layout.tiles_of_plane();
        parallel_for(static_cast<int64_t>(streams.size()), options_.threads, [&](int64_t i, int) {
            streams[i] = written(substreams_[i], writing[(i / of_plane) % form_.components]);
            substreams_[i] = {};
        });
        const ParameterForm head{form_.layout, form_.components, form_.bits, form_.offset};
        return assemble_parameter_payload(write_parameters(parameters_, head), streams, options_.threads);
    }

    void drop_unused_sets() {
        for (ComponentParameters& c : parameters_.components) {
            std::vector<int> number(c.sets.size(), -1);
            std::vector<PredictorSet> used;
            for (uint8_t& set : c.set_of_brick) {
                if (number[set] < 0) number[set] = static_cast<int>(used.size()), used.push_back(c.sets[set]);
                set = static_cast<uint8_t>(number[set]);
            }
            c.sets = used;
        }
    }

    PredictiveForm& form_;
    const PredictiveOptions& options_;
    Effort effort_;
    SourceBricks source_;
    int64_t bricks_ = 0;                     // of one component
    Parameters parameters_;
    std::vector<std::vector<uint32_t>> substreams_;
};

}  // namespace

PredictiveChunk encode_predictive(const Samples& samples, int64_t planes, const int64_t* shape, bool colour, int near, const PredictiveOptions& options) {
    PredictiveChunk chunk;
    PredictiveForm& form = chunk.form;
    form.layout.planes = planes;
    std::copy_n(shape, 3, form.layout.shape);
    form.components = colour ? kMaxComponents : 1;
    form.near = near;
    chunk.payload = Encoder(samples, form, options).encode();
    return chunk;
}

}  // namespace mmip
