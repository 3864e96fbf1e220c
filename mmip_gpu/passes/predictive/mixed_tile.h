// One tile of a component of kind 3: every sample predicted by online least squares, its residual coded in mixed contexts.
// Values: samples of the tile in rows of a stride; a coder of decisions. Home: host. Implements FORMAT.md section 8.9.
// The walk is the same for writing and reading.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "passes/predictive/lockstep.h"
#include "rules/predictive/mixed_contexts.h"
#include "rules/predictive/mixed_decisions.h"
#include "rules/predictive/online_squares.h"

namespace mmip {

constexpr int kSquares2d = 10, kSquares3d = 16, kSquaresOfEarlier = 4;
constexpr int kFrame = 3;                          // numbers before and after a row, rows before a slice; one row after it
constexpr float kMostChange = 1 << 21;             // of a prediction against N, in 1/16

// The rows of one slice with a frame around it.
class FramedSlice {
public:
    void resize(int rows, int width) {
        width_ = width + 2 * kFrame;
        of_.assign(static_cast<size_t>(rows + kFrame) * width_ + kFrame, 0);
    }
    int32_t* row(int y) { return of_.data() + static_cast<size_t>(y + 2) * width_ + kFrame; }

private:
    int width_ = 0;
    std::vector<int32_t> of_;
};

struct MixedTile {
    int extent[3];
    LaneStrides strides;
    int bits;                                      // of this component's values
    int32_t* samples;
    const int32_t* earlier[2];                     // components that are there already, the same rows
};

// What a worker keeps from tile to tile: tables of contexts, and slices of samples and residuals.
struct MixedMemory {
    std::vector<ContextNodes> contexts[kContextsOfLater];
    FramedSlice samples[3], residuals[2];
    MixingTables tables;

    MixedMemory() { tables.fill(); }

    void reset(int count, const int* extent, int bits) {
        const int nodes = size_node(bits + 1, kNodeSecondBit) + 1;
        for (int i = 0; i < count; ++i) {
            contexts[i].resize(static_cast<size_t>(kContextCounts[i]));
            const int used = i == 0 ? std::min(kContextCounts[i], 1 << bits) : kContextCounts[i];
            for (int c = 0; c < used; ++c) std::fill_n(contexts[i][c].node, nodes, kFreshNode);
        }
        for (FramedSlice& s : samples) s.resize(extent[1], extent[2]);
        for (FramedSlice& s : residuals) s.resize(extent[1], extent[2]);
    }
};

// A row of a slice and the rows around it.
struct FramedRows {
    int32_t *here, *north, *north2;
    FramedRows(FramedSlice& s, int y) : here(s.row(y)), north(s.row(y - 1)), north2(s.row(y - 2)) {}

    // Before a row: what stands left of it.
    void begin(int y, int32_t start) {
        const int32_t left = y > 0 ? north[0] : start;
        for (int i = 1; i <= kFrame; ++i) here[-i] = left;
    }
    // Before a sample of row 0, above which the sample before it stands.
    void begin_sample(int x) {
        for (int i = -2; i <= 2; ++i) north[x + i] = north2[x + i] = here[x - 1];
    }
    void end(int y, int width) {
        here[width] = here[width + 1] = here[width - 1];
        if (y > 0) return;
        for (int x = -kFrame; x < width + 2; ++x) north[x] = north2[x] = here[std::max(x, 0)];
    }
};

template <class Coder, bool reads, int earlier, bool deep>
class MixedTileCoder {
public:
    MixedTileCoder(Coder& coder, const MixedTile& tile, MixedMemory& memory) : coder_(coder), tile_(tile), m_(memory) {
        m_.reset(kContexts, tile.extent, tile.bits);
        for (auto& weights : mixing_)
            for (int32_t& w : weights.of) w = kMixingOne / kContexts;
        first_.reset();
        later_.reset();
    }

    // kStatusPosition where a sample that was read is none of its bits.
    Status code() {
        Status status = kOk;
        for (int z = 0; z < tile_.extent[0] && status == kOk; ++z) status = deep && z > 0 ? slice<deep>(z) : slice<false>(z);
        return status;
    }

private:
    static constexpr int kContexts = earlier > 0 ? kContextsOfLater : kContextsOfFirst;
    static constexpr int kFirst = kSquares2d + earlier * kSquaresOfEarlier, kLater = deep ? kSquares3d + earlier * kSquaresOfEarlier : kFirst;

    template <bool previous>
    struct Rows {
        FramedRows own, residuals;
        const int32_t *p, *pn, *ps, *pp, *rp, *rpn, *rps;
        Rows(MixedMemory& m, int z, int y) : own(m.samples[z % 3], y), residuals(m.residuals[z & 1], y) {
            FramedSlice &s = m.samples[(z + 2) % 3], &r = m.residuals[(z + 1) & 1];
            p = s.row(y), pn = s.row(y - 1), ps = s.row(y + 1), pp = z > 1 ? m.samples[(z + 1) % 3].row(y) : p;
            rp = r.row(y), rpn = r.row(y - 1), rps = r.row(y + 1);
        }
    };

    template <bool previous>
    Status slice(int z) {
        const int rows = tile_.extent[1], width = tile_.extent[2];
        for (int y = 0; y < rows; ++y) {
            Rows<previous> r(m_, z, y);
            r.own.begin(y, previous ? r.p[0] : (1 << tile_.bits) >> 1);
            r.residuals.begin(y, 0);
            for (int x = 0; x < width; ++x) {
                if (y == 0) r.own.begin_sample(x), r.residuals.begin_sample(x);
                if (!sample<previous>(r, z, y, x)) return kStatusPosition;
            }
            r.own.end(y, width);
            r.residuals.end(y, width);
        }
        for (FramedSlice* s : {&m_.samples[z % 3], &m_.residuals[z & 1]})
            std::copy_n(s->row(rows - 1) - kFrame, width + kFrame + 2, s->row(rows) - kFrame);
        return kOk;
    }

    template <bool previous>
    MixedSurroundings around(const Rows<previous>& r, int x) const {
        const int32_t *w = r.own.here + x, *n = r.own.north + x, *rw = r.residuals.here + x, *rn = r.residuals.north + x;
        MixedSurroundings s{w[-1], n[0], n[-1], n[1], w[-2], r.own.north2[x], 0, 0, rw[-1], rn[0], 0, previous};
        s.energy = 2 * magnitude_of(rw[-1]) + 2 * magnitude_of(rn[0]) + magnitude_of(rn[-1]) + magnitude_of(rn[1]) + magnitude_of(rw[-2]) + magnitude_of(r.residuals.north2[x]);
        if (previous) {
            s.p = r.p[x], s.pe = r.p[x + 1];
            const uint32_t before = 2 * magnitude_of(r.rp[x]) + magnitude_of(r.rp[x - 1]) + magnitude_of(r.rp[x + 1]) + magnitude_of(r.rpn[x]) + magnitude_of(r.rps[x]);
            s.energy = (2 * s.energy + before + 1) / 2;
        }
        return s;
    }

    // Differences to N; of earlier components the steps around the sample. Returns whether the near ones are all zero.
    template <bool previous>
    MMIP_RULE bool features(const Rows<previous>& r, int z, int y, int x, SquaresLanes* to, int32_t* colour) const {
        const int32_t *w = r.own.here + x, *n = r.own.north + x, *n2 = r.own.north2 + x, base = n[0];
        int32_t steps[2 * kSquaresOfEarlier] = {}, any = 0;
        for (int i = 0; i < earlier; ++i) {
            const int64_t row = tile_.strides.row;
            const int32_t *a = tile_.earlier[i] + z * tile_.strides.slice + y * row + x;
            int32_t* s = steps + i * kSquaresOfEarlier;
            colour[i] = *a;
            s[0] = x > 0 ? *a - a[-1] : 0, s[1] = y > 0 ? *a - a[-row] : 0;
            s[2] = x + 1 < tile_.extent[2] ? a[1] - *a : 0, s[3] = y + 1 < tile_.extent[1] ? a[row] - *a : 0;
            any |= s[0] | s[1] | s[2] | s[3];
        }
        using I = SquaresIntegers;
        const auto put = [&](int i, I v) { to[i] = __builtin_convertvector(v, SquaresLanes); };
        const int32_t nw = n[-1] - base, ne = n[1] - base, nn = n2[0] - base, ww = w[-2] - base, west = w[-1] - base;
        any |= nw | ne | nn | ww | west;
        put(0, I{nw, ne, nn, n2[1] - base});
        put(1, I{n[-2] - base, n[2] - base, n2[-1] - base, w[-3] - base});
        if constexpr (previous) {
            const int32_t p = r.p[x] - base, pw = r.p[x - 1] - base, pe = r.p[x + 1] - base, pn = r.pn[x] - base, ps = r.ps[x] - base;
            any |= p | pw | pe | pn | ps;
            put(2, I{ww, west, p, pw});
            put(3, I{pe, pn, ps, r.pp[x] - base});
            put(4, I{steps[0], steps[1], steps[2], steps[3]});
            if constexpr (earlier > 0) put(5, I{steps[4], steps[5], steps[6], steps[7]});
            if constexpr (earlier > 1) put(6, I{});
        } else {
            put(2, I{ww, west, steps[0], steps[1]});
            if constexpr (earlier > 0) put(3, I{steps[2], steps[3], steps[4], steps[5]});
            if constexpr (earlier > 1) put(4, I{steps[6], steps[7], 0, 0});
        }
        return any == 0;
    }

    template <bool previous>
    MMIP_RULE bool sample(const Rows<previous>& r, int z, int y, int x) {
        auto& squares = fit<previous>();
        SquaresLanes feature[(previous ? kLater : kFirst) / 4 + 1];
        int32_t colour[earlier + 1] = {};
        const MixedSurroundings s = around(r, x);
        const bool is_flat = features(r, z, y, x, feature, colour);
        int32_t prediction = s.n * kPredictionUnit;
        if (!is_flat) {
            const float change = std::min(std::max(squares.predict(feature) * kPredictionUnit, -kMostChange), kMostChange);
            prediction += static_cast<int32_t>(static_cast<double>(change) + (2 * kMostChange + 0.5)) - 2 * static_cast<int32_t>(kMostChange);
            prediction = std::clamp(prediction, 0, ((1 << tile_.bits) - 1) * kPredictionUnit);
        }
        const int energy = energy_class(s.energy);
        int numbers[kContextsOfLater];
        const int32_t whole = sample_contexts(s, prediction, energy, numbers);
        if (earlier > 0) {
            numbers[4] = hash_context(s.w, s.n, s.nw, s.ne, colour[earlier - 1]);
            numbers[5] = hash_context(whole, colour[0], colour[earlier - 1], 0, 1);
        }
        MixedDecisions<Coder, kContexts> decisions{coder_, m_.tables, {}, mixing_ + mixing_class(energy) * kNodes};
        for (int i = 0; i < kContexts; ++i) decisions.nodes[i] = m_.contexts[i][static_cast<size_t>(numbers[i])].node;
        int32_t& value = tile_.samples[z * tile_.strides.slice + y * tile_.strides.row + x];
        const int32_t residual = code_residual(decisions, start_size(s.energy), reads ? 0 : value - whole);
        if (reads) {
            value = whole + residual;
            if (static_cast<uint32_t>(value) >> tile_.bits != 0) return false;
        }
        r.own.here[x] = value;
        r.residuals.here[x] = residual;
        if (!is_flat) {
            const float scale = static_cast<float>(8 + s.energy);
            squares.add(feature, static_cast<float>(value - s.n), 1.0f / (scale * scale));
        }
        return true;
    }

    template <bool previous>
    auto& fit() {
        if constexpr (previous) return later_;
        else return first_;
    }

    Coder& coder_;
    const MixedTile& tile_;
    MixedMemory& m_;
    OnlineSquares<kFirst> first_;
    OnlineSquares<kLater> later_;
    MixingWeights<kContexts> mixing_[kMixingClasses * kNodes];
};

}  // namespace mmip
