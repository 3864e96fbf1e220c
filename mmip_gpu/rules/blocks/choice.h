// How an encoder chooses the blocks of a superblock: which may merge, in which order modes are tried, which of them stay.
// Values: integer costs and sums of differences, by a view of the superblock. Host and device; all choices are integer (design D2),
// so that all executors choose alike. Not part of the format: a decoder never asks why.
// Executors differ in how they come by costs: one superblock after the other, or a mode of all cells at once. What they ask for,
// and what they make of it, is here.
#pragma once

#include "rules/blocks/blocks.h"
#include "rules/blocks/decide.h"

namespace MMIP_NS {

// A cell with more nonzero indices than this share of its samples may hold an edge; effort 1 tries mode 4 there, nowhere else.
constexpr int kDenseShare = 6;

MMIP_RULE bool is_dense(int nonzeros, int samples) { return nonzeros > samples / kDenseShare; }

// Effort 3: candidates of a rough cost up to 9/8 of the best one are weighed by code lengths; in a pass without one before, which
// is made for the code lengths of the next, the best ones alone, and in one round.
constexpr int64_t kNearNumerator = 9, kNearDenominator = 8;

constexpr int64_t kHopeless = 2;

MMIP_RULE bool is_near(int64_t rough, int64_t best, bool is_first) {
    return is_first ? rough <= best : kNearDenominator * rough <= kNearNumerator * best;
}

// Whether the cells of a block to be vary alike, so that one large block is taken for better unseen: the standard deviation of
// their activities is at most 1/4 of the mean (less would lose speed, more loses bytes). A cell's activity is the sum of the
// differences between its rows, `differences` of them; `sum` and `squares` are over the block's `cells`.
MMIP_RULE bool is_even_block(int64_t sum, int64_t squares, int cells, int differences, float step) {
    const int64_t noise = static_cast<int64_t>(step) * (differences * cells / 16);
    return 16 * (cells * squares - square(sum)) <= square(sum + noise);
}

// The modes as options, in the order in which they are tried; of equal costs the first stays. Those of single cells come first, then
// merged ones from small to large. A palette is weighed between the two kinds.
template <int depth>
struct ModeOrder {
    static constexpr int kSingles = depth == 8 ? 3 : 2, kMerged = depth == 8 ? 1 : 3, kOptions = kSingles + kMerged;
    static constexpr int kMode4Option = kSingles - 1, kQuad = kSingles, kPalette = kOptions;

    static MMIP_RULE int mode(int option) {
        if (option >= kPalette) return kModePalette;
        if (option >= kSingles) return kMode16 + option - kSingles;
        return option == 0 ? kMode8 : (option == kMode4Option ? kMode4 : kModeZ1);
    }

    // Of a block, and of those that it would merge.
    static MMIP_RULE int cells(int option) { return block_shape(mode(option), depth).cells; }
    static MMIP_RULE int part_cells(int option) { return cells(option - 1); }
};

// A merged block against the cells that it would merge, by rough costs: whether it wins, and whether effort 3 weighs it, or them, by
// code lengths.
struct Merge {
    bool wins, try_whole, try_split;
};

// What is chosen so far; costs are those of a block, at its first cell.
template <int depth>
struct Choices {
    static constexpr int kCells = superblock_cells(depth);

    int64_t rough[kCells], least[kCells];    // by rough costs, by those that count
    int32_t best[kCells];                    // option of a single cell, by rough costs
    int32_t chosen[kCells];                  // option of the block that covers the cell
    Merge merge[kCells];                     // of mode 16

    MMIP_RULE void begin(int k) {
        rough[k] = least[k] = 0;
        best[k] = chosen[k] = 0;
    }
};

// A View has choices() (as they are so far), search() (see Search), is_first() (no pass was before), of a cell k present(k), class_of(k), reversible(k),
// activity(k), step(k), dense(k) and unseen(k) (cells of the block that is taken without a comparison, or 0), and, of a block of an
// option o at its first cell, rough(o, k) and decided(o, k): its cost without and with code lengths.
template <int depth, class View>
struct BlockChoice {
    using Order = ModeOrder<depth>;
    static constexpr int kQuadCells = depth == 8 ? 8 : 4, kUnseenCells = depth == 8 ? 8 : 16;

    // Sum over the blocks that a larger one merges.
    static MMIP_RULE int64_t of_parts(const int64_t* costs, int o, int first) {
        int64_t sum = 0;
        for (int k = first; k < first + Order::cells(o); k += Order::part_cells(o)) sum += costs[k];
        return sum;
    }

    // Whether a prediction may make a block of option o worth its while, by its rough cost without one.
    static MMIP_RULE bool may_gain(const View& v, int o, int first, int64_t rough) {
        return o < Order::kQuad || rough <= kHopeless * of_parts(o == Order::kQuad ? v.choices().least : v.choices().rough, o, first);
    }

    // Whether cells first .. first + many - 1 may form a block.
    static MMIP_RULE bool may_merge(const View& v, int first, int many) {
        if (v.search() == mmip::kSearchNone) return false;
        for (int i = first; i < first + many; ++i)
            if (!v.present(i) || v.class_of(i) != v.class_of(first)) return false;
        return !v.reversible(first);
    }

    // Whether a block of option o may cover cell k.
    static MMIP_RULE bool possible(const View& v, int o, int k) {
        const int many = Order::cells(o);
        return many == 1 ? v.present(k) && !v.reversible(k) : may_merge(v, k - k % many, many);
    }

    // Whether effort 1 takes the block of cells first .. first + many - 1 unseen.
    static MMIP_RULE bool is_even(const View& v, int first, int many) {
        if (v.search() != mmip::kSearchFast || !may_merge(v, first, many)) return false;
        int64_t sum = 0, squares = 0;
        for (int i = first; i < first + many; ++i) sum += v.activity(i), squares += square(v.activity(i));
        return is_even_block(sum, squares, many, depth * 56, v.step(first));
    }

    // Calls use(cell, cells of the block) for those of the kUnseenCells from `first` on that such a block covers: a large one is asked
    // for before those that it would merge.
    template <class Use>
    static MMIP_RULE void find_unseen(const View& v, int first, const Use& use) {
        const bool large = kUnseenCells > kQuadCells && is_even(v, first, kUnseenCells);
        for (int k = first; k < first + kUnseenCells; k += kQuadCells) {
            if (!large && !is_even(v, k, kQuadCells)) continue;
            for (int i = k; i < k + kQuadCells; ++i) use(i, large ? kUnseenCells : kQuadCells);
        }
    }

    // Whether the rough cost of option o at cell k is asked for. Effort 1 tries mode 4 in dense cells, and a large block where all
    // that it would merge has merged.
    static MMIP_RULE bool offers(const View& v, int o, int k) {
        const int many = Order::cells(o);
        if (v.unseen(k) >= many) return v.unseen(k) == many;
        if (!possible(v, o, k)) return false;
        if (o == 0 || o == Order::kQuad || v.search() >= mmip::kSearchRough) return true;
        if (o < Order::kQuad) return v.search() == mmip::kSearchFast && o == Order::kMode4Option && v.dense(k);
        bool merged = true;
        for (int i = k - k % many, n = 0; n < many; n += Order::part_cells(o)) merged = merged && v.choices().chosen[i + n] == o - 1;
        return merged;
    }

    // Option o of a single cell that was tried.
    static MMIP_RULE void settle_single(const View& v, int o, int k) {
        Choices<depth>& c = v.choices();
        const int64_t cost = v.rough(o, k);
        if (o > 0 && cost >= c.least[k]) return;
        c.least[k] = cost;
        c.best[k] = o;
    }

    // Mode 16 against its cells by rough costs, and what is to be weighed by code lengths; `tried`: whether it has a rough cost.
    static MMIP_RULE void compare_quad(const View& v, int first, bool tried) {
        Choices<depth>& c = v.choices();
        const int64_t split = of_parts(c.least, Order::kQuad, first), whole = tried ? v.rough(Order::kQuad, first) : 0;
        const bool wins = tried && (v.unseen(first) == kQuadCells || whole < split);
        c.merge[first] = {wins, tried && (wins || is_near(whole, split, v.is_first())), !wins || is_near(split, whole, v.is_first())};
        c.rough[first] = wins ? whole : split;
    }

    // Whether effort 3 weighs option o at cell k by code lengths.
    static MMIP_RULE bool weighs(const View& v, int o, int k) {
        if (v.search() != mmip::kSearchFull || !possible(v, o, k)) return false;
        Choices<depth>& c = v.choices();
        const int many = Order::cells(o), first = k - k % many;
        if (o < Order::kQuad) return c.merge[k - k % kQuadCells].try_split && is_near(v.rough(o, k), c.least[k], v.is_first());
        return o == Order::kQuad ? c.merge[first].try_whole : is_near(v.rough(o, first), of_parts(c.rough, o, first), v.is_first());
    }

    // Mode 16 or its cells, once what is weighed has its costs.
    static MMIP_RULE void settle_quad(const View& v, int first) {
        Choices<depth>& c = v.choices();
        const bool full = v.search() == mmip::kSearchFull;
        const Merge m = c.merge[first];
        const int64_t split = !full || m.try_split ? choose_cells(v, first) : 0;
        const int64_t whole = !m.try_whole ? 0 : (full ? v.decided(Order::kQuad, first) : v.rough(Order::kQuad, first));
        const bool wins = full && m.try_whole && m.try_split ? whole < split : m.wins;
        c.least[first] = wins ? whole : split;
        if (wins) take(v, Order::kQuad, first);
    }

    // A larger block of option o or those that it would merge; `tried`: whether it has the cost that counts.
    static MMIP_RULE void settle_large(const View& v, int o, int first, bool tried) {
        Choices<depth>& c = v.choices();
        const int64_t rough = of_parts(c.rough, o, first), split = of_parts(c.least, o, first);
        const int64_t whole_rough = tried ? v.rough(o, first) : 0;
        const int64_t whole = tried && v.search() == mmip::kSearchFull ? v.decided(o, first) : whole_rough;
        const bool wins = tried && (v.unseen(first) == Order::cells(o) || whole < split);
        c.rough[first] = wins && whole_rough < rough ? whole_rough : rough;
        c.least[first] = wins ? whole : split;
        if (wins) take(v, o, first);
    }

private:
    static MMIP_RULE void take(const View& v, int o, int first) {
        for (int k = first; k < first + Order::cells(o); ++k) v.choices().chosen[k] = o;
    }

    // The modes of the cells of a group, by the costs that count, of which a palette has its rough one; returns the sum of them.
    static MMIP_RULE int64_t choose_cells(const View& v, int first) {
        Choices<depth>& c = v.choices();
        int64_t sum = 0;
        for (int k = first; k < first + kQuadCells; ++k) {
            if (!possible(v, 0, k)) continue;
            int best = c.best[k];
            int64_t cost = c.least[k];
            if (v.search() == mmip::kSearchFull) {
                const bool palette = best == Order::kPalette;
                best = -1;
                for (int o = 0; o < Order::kSingles; ++o)
                    if (is_near(v.rough(o, k), c.least[k], v.is_first()) && (best < 0 || v.decided(o, k) < cost)) best = o, cost = v.decided(o, k);
                if (palette && (best < 0 || c.least[k] < cost)) best = Order::kPalette, cost = c.least[k];
            }
            c.chosen[k] = best;
            sum += cost;
        }
        return sum;
    }
};

}  // namespace MMIP_NS
