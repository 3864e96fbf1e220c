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

// activity_class of all activities but those from kMost on, which have one.
struct ActivityClasses {
    static constexpr int kMost = 128;
    uint8_t of[kMost + 1];

    ActivityClasses() {
        for (int a = 0; a <= kMost; ++a) of[a] = static_cast<uint8_t>(activity_class(static_cast<uint32_t>(a)));
    }
};

inline const ActivityClasses kActivityClass;

// The contexts of all samples of a frame, found row by row, several at a time.
class KnownContexts {
public:
    int64_t nx;

    explicit KnownContexts(const CorrectionFrame& frame) : nx(frame.nx), frame_(frame), known_(static_cast<size_t>(frame.count())) {
        for (int64_t r = 0; r < frame.rows(); ++r) find(frame.row(r), known_.data() + (frame.row(r) - frame.values));
    }

    const int32_t* row(int64_t r) const { return frame_.row(r); }
    CorrectionContext context(const int32_t* k) const {
        const uint32_t known = known_[static_cast<size_t>(k - frame_.values)], activity = known & 255;
        return {kActivityClass.of[activity] * kSkewClasses + static_cast<int>(known >> 8 & 3), activity, known >= kFlipped};
    }

private:
    static constexpr int kMost = ActivityClasses::kMost;
    static constexpr uint32_t kFlipped = 1024;

    // As correction_context; all sums fit 31 bits.
    void find(const int32_t* k, uint16_t* known) const {
        const int64_t w = frame_.width();
        const auto size = [](int32_t v) { return v < 0 ? -v : v; };
        for (int64_t x = 0; x < nx; ++x) {
            const int32_t left = k[x - 1], above = k[x - w], before = k[x - w - 1], after = k[x - w + 1];
            const int32_t activity = 2 * (size(left) + size(above)) + size(before) + size(after) + size(k[x - 2]) + size(k[x - 2 * w]);
            const int32_t sum = 2 * (left + above) + before + after, lean = size(sum);
            const int32_t skew = (4 * lean > activity ? 256 : 0) + (2 * lean > activity ? 256 : 0);
            known[x] = static_cast<uint16_t>((activity < kMost ? activity : kMost) + skew + (sum < 0 ? static_cast<int32_t>(kFlipped) : 0));
        }
    }

    const CorrectionFrame& frame_;
    std::vector<uint16_t> known_;
};

// Takes the symbols of a walk where the memory is warm: of every sample a run and an index at most, and a last run.
struct SymbolSink {
    CorrectionWeight weight;
    std::vector<uint16_t> symbols;
    std::vector<uint32_t> raws;
    uint16_t* next_symbol;
    uint32_t* next_raw;

    void begin(int64_t samples) {
        const size_t most = 2 * static_cast<size_t>(samples) + 1;
        if (symbols.size() < most) symbols.resize(most), raws.resize(most + 1);
        next_symbol = symbols.data(), next_raw = raws.data(), weight = {};
    }
    void symbol(int c, int s) {
        weight.symbol(c, s);
        *next_symbol++ = static_cast<uint16_t>(c * kCorrectionAlphabet + s);
    }
    void raw(uint32_t value, int count) {
        weight.raw(value, count);
        *next_raw = value;
        next_raw += count > 0 ? 1 : 0;
    }
    SymbolList listed(bool all_runs) const {
        return {all_runs, std::vector<uint16_t>(symbols.data(), static_cast<const uint16_t*>(next_symbol)),
                std::vector<uint32_t>(raws.data(), static_cast<const uint32_t*>(next_raw))};
    }
};

inline void walk_tile(const CorrectionFrame& tile, bool all_runs, SymbolSink& sink) {
    sink.begin(tile.rows() * tile.nx);
    CorrectionState state{0, 0, 0};
    CorrectionSymbols<SymbolSink> out{sink};
    walk_corrections(KnownContexts(tile), 0, tile.rows() * tile.nx, all_runs, state, out);
    state.finish(out);
}

// Whether a run before every index takes fewer bits than the limit.
inline bool is_lighter_by_runs(const CorrectionFrame& tile, uint32_t limit) {
    CorrectionWeight weight;
    CorrectionState state{0, 0, 0};
    CorrectionSymbols<CorrectionWeight> out{weight};
    for (int64_t row = 0; row < tile.rows() && weight.bits < limit; ++row) walk_corrections(tile, row * tile.nx, (row + 1) * tile.nx, true, state, out);
    state.finish(out);
    return weight.bits < limit;
}

// Not inlined: the compiler would look the address of a thread's own variable up again at every use.
[[gnu::noinline]] inline SymbolSink& thread_sink() {
    thread_local SymbolSink sink;
    return sink;
}

inline SymbolList list_symbols(const CorrectionFrame& tile) {
    SymbolSink& sink = thread_sink();
    walk_tile(tile, false, sink);
    const bool all_runs = is_lighter_by_runs(tile, sink.weight.bits);
    if (all_runs) walk_tile(tile, true, sink);
    return sink.listed(all_runs);
}

}  // namespace mmip
