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

// Takes the symbols of a walk where the memory is warm: of every sample a run and an index at most, and a last run.
struct SymbolSink {
    std::vector<uint16_t> symbols;
    std::vector<uint32_t> raws;
    std::vector<int32_t> places;             // of the indices of a row

    WeighedSymbols<SymbolCursor> walk(const CorrectionFrame& tile, bool all_runs) {
        const int64_t samples = tile.rows() * tile.nx;
        const size_t most = 2 * static_cast<size_t>(samples) + 1;
        if (symbols.size() < most) symbols.resize(most), raws.resize(most + 1);
        WeighedSymbols<SymbolCursor> out{{symbols.data(), raws.data()}};
        CorrectionState state{0, 0, 0};
        walk_corrections(KnownContexts(tile), 0, samples, all_runs, state, out);
        state.finish(out);
        return out;
    }
    SymbolList listed(bool all_runs, const SymbolCursor& end) const {
        return {all_runs, std::vector<uint16_t>(symbols.data(), static_cast<const uint16_t*>(end.next_symbol)),
                std::vector<uint32_t>(raws.data(), static_cast<const uint32_t*>(end.next_raw))};
    }
};

// Whether a run before every index takes fewer bits than the limit: what walk_corrections sends with all_runs. The places of a row's
// indices are found first, since no branch foresees which samples are zero.
inline bool is_lighter_by_runs(const CorrectionFrame& tile, uint32_t limit, std::vector<int32_t>& places) {
    if (places.size() < static_cast<size_t>(tile.nx) + 1) places.resize(static_cast<size_t>(tile.nx) + 1);
    int32_t* const found = places.data();
    const int32_t nx = static_cast<int32_t>(tile.nx);
    WeighedSymbols<NothingKept> out{{}};
    uint32_t before = 0, zeros = 0;          // the last run; zeros since the last index, of the rows before
    for (int64_t r = 0; r < tile.rows() && out.bits < limit; ++r) {
        const int32_t* k = tile.row(r);
        int32_t count = 0, from = 0;
        for (int32_t x = 0; x < nx; ++x) found[count] = x, count += k[x] != 0 ? 1 : 0;
        for (int32_t i = 0; i < count; ++i) {
            const uint32_t run = zeros + static_cast<uint32_t>(found[i] - from);
            out.run(run_class(before), run);
            out.index(kAfterRunClass + (run < 8 ? 0 : 1), k[found[i]]);
            before = run, zeros = 0, from = found[i] + 1;
        }
        zeros += static_cast<uint32_t>(nx - from);
    }
    if (zeros > 0) out.run(run_class(before), zeros);
    return out.bits < limit;
}

// Not inlined: the compiler would look the address of a thread's own variable up again at every use.
[[gnu::noinline]] inline SymbolSink& thread_sink() {
    thread_local SymbolSink sink;
    return sink;
}

inline SymbolList list_symbols(const CorrectionFrame& tile) {
    SymbolSink& sink = thread_sink();
    const WeighedSymbols<SymbolCursor> found = sink.walk(tile, false);
    const bool all_runs = is_lighter_by_runs(tile, found.bits, sink.places);
    return sink.listed(all_runs, all_runs ? sink.walk(tile, true).kept : found.kept);
}

}  // namespace mmip
