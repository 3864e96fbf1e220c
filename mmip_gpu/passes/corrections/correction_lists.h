// The symbols of the corrections of a tile, listed by the way that takes fewer bits.
// Values: indices of a tile in their frame in; symbols and raw bits out. Home: host; one item of work = one tile. Encoder side of
// FORMAT.md section 8.3: a list depends on the indices alone, never on the codes.
#pragma once

#include <cstdint>
#include <vector>

#include "rules/corrections/correction_walk.h"

namespace mmip {

// The symbols of a tile in their order, as class * kCorrectionAlphabet + symbol, and the raw bits of those that have any.
struct SymbolList {
    bool all_runs;
    std::vector<uint16_t> symbols;
    std::vector<uint32_t> raws;
};

// activity_class of all activities but those from kMost on, which have one, with every skew.
struct ContextClasses {
    static constexpr uint32_t kMost = 128, kSkew = 256;   // what a skew is worth in a known context
    uint8_t of[kSkewClasses * kSkew] = {};

    ContextClasses() {
        for (uint32_t skew = 0; skew < kSkewClasses; ++skew)
            for (uint32_t a = 0; a <= kMost; ++a) of[skew * kSkew + a] = static_cast<uint8_t>(activity_class(a) * kSkewClasses + static_cast<int>(skew));
    }
};

inline const ContextClasses kContextClass;

// The contexts of all samples of a frame, found row by row, several at a time.
class KnownContexts {
public:
    int64_t nx;

    explicit KnownContexts(const CorrectionFrame& frame) : nx(frame.nx), frame_(frame), known_(static_cast<size_t>(frame.count())) {
        for (int64_t r = 0; r < frame.rows(); ++r) find(frame.row(r), known_.data() + (frame.row(r) - frame.values));
    }

    const int32_t* row(int64_t r) const { return frame_.row(r); }
    CorrectionContext context(const int32_t* k) const {
        const uint32_t known = known_[static_cast<size_t>(k - frame_.values)];
        return {kContextClass.of[known % kFlipped], known % ContextClasses::kSkew, known >= kFlipped};
    }

private:
    static constexpr int32_t kMost = ContextClasses::kMost, kSkew = ContextClasses::kSkew;
    static constexpr uint32_t kFlipped = 1024;

    // As correction_context; all sums fit 31 bits.
    void find(const int32_t* k, uint16_t* known) const {
        const int64_t w = frame_.width();
        const auto size = [](int32_t v) { return v < 0 ? -v : v; };
        for (int64_t x = 0; x < nx; ++x) {
            const int32_t left = k[x - 1], above = k[x - w], before = k[x - w - 1], after = k[x - w + 1];
            const int32_t activity = 2 * (size(left) + size(above)) + size(before) + size(after) + size(k[x - 2]) + size(k[x - 2 * w]);
            const int32_t sum = 2 * (left + above) + before + after, lean = size(sum);
            const int32_t skew = (4 * lean > activity ? kSkew : 0) + (2 * lean > activity ? kSkew : 0);
            known[x] = static_cast<uint16_t>((activity < kMost ? activity : kMost) + skew + (sum < 0 ? static_cast<int32_t>(kFlipped) : 0));
        }
    }

    const CorrectionFrame& frame_;
    std::vector<uint16_t> known_;
};

// How many raw bits follow a symbol: that of a run's length, or of an index with its sign.
inline int correction_raw_bits(int c, int s) { return count_extra_bits(c >= kRunClass && c < kAfterRunClass ? s : (s + 1) / 2); }

// CorrectionWeight of every symbol with its raw bits, and the symbols of the indices that have none.
struct SymbolWeights {
    static constexpr int32_t kSmallest = -7, kLargest = 7;
    uint8_t bits[kCorrectionClasses * kCorrectionAlphabet];
    uint8_t small[kLargest - kSmallest + 1];

    SymbolWeights() {
        for (int i = 0; i < kCorrectionClasses * kCorrectionAlphabet; ++i) {
            const int c = i / kCorrectionAlphabet, s = i % kCorrectionAlphabet;
            CorrectionWeight weight;
            weight.symbol(c, s);
            weight.raw(0, correction_raw_bits(c, s));
            bits[i] = static_cast<uint8_t>(weight.bits);
        }
        for (int32_t k = kSmallest; k <= kLargest; ++k) small[k - kSmallest] = static_cast<uint8_t>(correction_symbol(k));
    }
};

inline const SymbolWeights kSymbolWeights;

// Where the next symbol of a list goes, and the next raw bits.
struct SymbolCursor {
    uint16_t* next_symbol;
    uint32_t* next_raw;

    void symbol(int symbol) { *next_symbol++ = static_cast<uint16_t>(symbol); }
    void raw(uint32_t value, int count) {
        *next_raw = value;
        next_raw += count > 0 ? 1 : 0;
    }
};

// In its place where only the weight is asked for.
struct NothingKept {
    void symbol(int) {}
    void raw(uint32_t, int) {}
};

// The runs and indices of a walk, weighed and kept. Signs are as good as random: nothing branches on one.
template <class Kept>
struct WeighedSymbols {
    Kept kept;
    uint32_t bits = 0;

    void run(int c, uint32_t length) {
        if (length < 8) return plain(c, static_cast<int>(length));
        put(c, count_symbol(length), length);
    }
    void index(int c, int32_t k) {
        if (k >= SymbolWeights::kSmallest && k <= SymbolWeights::kLargest) return plain(c, kSymbolWeights.small[k - SymbolWeights::kSmallest]);
        put(c, correction_symbol(k), index_magnitude(k));
    }

private:
    void plain(int c, int s) {
        const int symbol = c * kCorrectionAlphabet + s;
        bits += kSymbolWeights.bits[symbol];
        kept.symbol(symbol);
    }
    void put(int c, int s, uint32_t count) {
        const int extra = count_extra_bits(count_symbol(count));
        plain(c, s);
        kept.raw(count & ((1u << extra) - 1), extra);
    }
};

// The weights of short runs by their class less kRunClass, and of small indices after a run of less than 8 and of more.
struct RunWeights {
    static constexpr uint32_t kMost = 256;
    static constexpr int kClasses = kAfterRunClass - kRunClass, kSmall = SymbolWeights::kLargest - SymbolWeights::kSmallest + 1;
    uint8_t run[kClasses][kMost], index[2][kSmall];

    RunWeights() {
        const auto weight = [](int c, int s) { return kSymbolWeights.bits[c * kCorrectionAlphabet + s]; };
        for (int c = 0; c < kClasses; ++c)
            for (uint32_t n = 0; n < kMost; ++n) run[c][n] = weight(kRunClass + c, count_symbol(n));
        for (int after = 0; after < 2; ++after)
            for (int k = 0; k < kSmall; ++k) index[after][k] = weight(kAfterRunClass + after, kSymbolWeights.small[k]);
    }
};

inline const RunWeights kRunWeights;

// The indices of a tile that are not zero, and where they stand: what walk_corrections sends with all_runs, a run before each. They are
// found first, since no branch foresees which samples are zero; then each of them can be weighed without the others.
class RunsOfTile {
public:
    void find(const CorrectionFrame& tile) {
        samples_ = static_cast<int32_t>(tile.rows() * tile.nx), count_ = 0;
        const size_t most = static_cast<size_t>(samples_) + 1;
        if (places_.size() < most) places_.resize(most), values_.resize(most);
        int32_t first = 0;
        for (int64_t r = 0; r < tile.rows(); ++r, first += static_cast<int32_t>(tile.nx)) {
            const int32_t* k = tile.row(r);
            for (int32_t x = 0; x < tile.nx; ++x) {
                places_[count_] = first + x, values_[count_] = k[x];
                count_ += k[x] != 0 ? 1 : 0;
            }
        }
    }

    // Whether what is sent weighs less than the limit.
    bool is_lighter(uint32_t limit) const {
        constexpr size_t kOften = 512;       // indices after which the limit is looked at
        WeighedSymbols<NothingKept> other{{}};
        uint32_t bits = 0, before = 0;
        int32_t next = 0;
        for (size_t i = 0; i < count_; ++i) {
            if (i % kOften == 0 && bits + other.bits >= limit) return false;
            const int32_t k = values_[i];
            const uint32_t run = static_cast<uint32_t>(places_[i] - next);
            const int c = run_class(before), after = run < 8 ? 0 : 1;
            if (run < RunWeights::kMost) bits += kRunWeights.run[c - kRunClass][run];
            else other.run(c, run);
            if (k >= SymbolWeights::kSmallest && k <= SymbolWeights::kLargest) bits += kRunWeights.index[after][k - SymbolWeights::kSmallest];
            else other.index(kAfterRunClass + after, k);
            before = run, next = places_[i] + 1;
        }
        if (next < samples_) other.run(run_class(before), static_cast<uint32_t>(samples_ - next));
        return bits + other.bits < limit;
    }

    WeighedSymbols<SymbolCursor> sent(const SymbolCursor& begin) const {
        WeighedSymbols<SymbolCursor> out{begin};
        uint32_t before = 0;
        int32_t next = 0;
        for (size_t i = 0; i < count_; ++i) {
            const uint32_t run = static_cast<uint32_t>(places_[i] - next);
            out.run(run_class(before), run);
            out.index(kAfterRunClass + (run < 8 ? 0 : 1), values_[i]);
            before = run, next = places_[i] + 1;
        }
        if (next < samples_) out.run(run_class(before), static_cast<uint32_t>(samples_ - next));
        return out;
    }

private:
    std::vector<int32_t> places_, values_;
    size_t count_ = 0;
    int32_t samples_ = 0;
};

// Takes the symbols of a tile where the memory is warm: of every sample a run and an index at most, and a last run.
struct SymbolSink {
    std::vector<uint16_t> symbols;
    std::vector<uint32_t> raws;
    RunsOfTile runs;

    SymbolCursor begin(const CorrectionFrame& tile) {
        const size_t most = 2 * static_cast<size_t>(tile.rows() * tile.nx) + 1;
        if (symbols.size() < most) symbols.resize(most), raws.resize(most + 1);
        return {symbols.data(), raws.data()};
    }
    SymbolList listed(bool all_runs, const SymbolCursor& end) const {
        return {all_runs, std::vector<uint16_t>(symbols.data(), static_cast<const uint16_t*>(end.next_symbol)),
                std::vector<uint32_t>(raws.data(), static_cast<const uint32_t*>(end.next_raw))};
    }
};

// Not inlined: the compiler would look the address of a thread's own variable up again at every use.
[[gnu::noinline]] inline SymbolSink& thread_sink() {
    thread_local SymbolSink sink;
    return sink;
}

inline SymbolList list_symbols(const CorrectionFrame& tile) {
    SymbolSink& sink = thread_sink();
    WeighedSymbols<SymbolCursor> found{sink.begin(tile)};
    CorrectionState state{0, 0, 0};
    walk_corrections(KnownContexts(tile), 0, tile.rows() * tile.nx, false, state, found);
    state.finish(found);
    sink.runs.find(tile);
    const bool all_runs = sink.runs.is_lighter(found.bits);
    return sink.listed(all_runs, all_runs ? sink.runs.sent(sink.begin(tile)).kept : found.kept);
}

}  // namespace mmip
