// What the phases of a search share: the modes that it tries, their costs, and what code lengths make of the blocks in `tried`.
// Values: as superblock_work.h; bits of all symbols by payload, classes of headers from a pass before. One group = one superblock.
// Encoder side of FORMAT.md sections 2 to 5; one lane decides a block's part of a stage (rules/blocks/decide.h), all others are parallel.
#pragma once

#include "rules/palette/palette.h"
#include "device/kernels/tokens/list_tokens.h"
#include "device/kernels/blocks/superblock_work.h"

namespace mmip {

struct SearchParams {
    int64_t groups;
    int64_t first;                           // superblock of the first group
    Batch batch;
    const SampleItem* sources;
    AnalyzedCells out;
    Entry* entries;                          // scratch of the groups: a superblock's samples for each
    const BlockPosition* const* tables;      // by chunk and mode: see ScanContexts of passes/layout.h
    const uint8_t* rates;                    // headers, then tokens, see Segment of rules/blocks/decide.h
    const int64_t* first_rates;              // by payload
    const uint8_t* header_classes;           // by cell in coding order and stage; nullptr: guessed from the block itself
    const int32_t* earlier;                  // R2 by stage 2 of a pass before, tile after tile; nullptr: nothing is predicted
    uint8_t* predictions;                    // out, where blocks are predicted: coding order
    MMIP_FIELDS(groups, first, batch, sources, out, entries, tables, rates, first_rates, header_classes, earlier, predictions)
};

// |q| of one stage by position; other stages' stand in the same array.
struct StageMagnitudes {
    uint8_t* at;
    int low;

    MMIP_RULE uint32_t operator[](int p) const { return p >= low ? at[p] : 0; }
};

MMIP_RULE void set_magnitude(StageMagnitudes m, int p, uint32_t value) {
    m.at[p] = static_cast<uint8_t>(value < kSaturatingMagnitude ? value : kSaturatingMagnitude);
}

template <int depth>
struct SearchState : SuperblockState<depth> {
    using Order = ModeOrder<depth>;
    static constexpr int kCells = SuperblockState<depth>::kCells;

    int64_t rough_cost[Order::kOptions][kCells], length_cost[Order::kSingles][kCells];   // weighed; of a block at its first cell
    int64_t palette_distortion[kCells];
    float palette_dc[kCells];                // that of mode 8
    int64_t rest[kCells];                    // distortion of what is no entry, of the block that starts there
};

// In the place of the coefficients, once entries are listed.
template <int depth>
struct LengthScratch {
    static constexpr int kCells = SuperblockState<depth>::kCells;

    int64_t distortion[kCells], bits[kCells];
    uint16_t begins[kCells][kMostStages], kept[kCells][kMostStages];   // entries of a block in a stage
    uint8_t magnitudes[kCells * 64 * depth];
};

template <int depth, int kLanes>
struct SearchWork : SuperblockWork<depth, kLanes> {
    using Base = SuperblockWork<depth, kLanes>;
    using Lines = BlockLines<depth>;
    using Base::kCellLanes;
    static constexpr int kCells = Lines::kCells;

    SearchState<depth>& s;
    const SearchParams& p;
    const int64_t group;

    MMIP_RULE SearchWork(const Base& base, SearchState<depth>& state, const SearchParams& params, int64_t g) : Base(base), s(state), p(params), group(g) {}

    MMIP_RULE LengthScratch<depth>& scratch() const {
        static_assert(sizeof(LengthScratch<depth>) <= sizeof s.work, "no room for the decisions");
        return *reinterpret_cast<LengthScratch<depth>*>(s.work);
    }

    MMIP_RULE bool full() const { return this->search() == kSearchFull; }
    MMIP_RULE bool is_first() const { return p.header_classes == nullptr; }   // of the passes
    MMIP_RULE int first_of(int k, int mode) const { return k - k % Lines::block_cells(mode); }
    MMIP_RULE Entry* entries_at(int k) const { return p.entries + (group * kCells + k) * Lines::kCellSamples; }
    MMIP_RULE int stages() const { return this->chunk.stages - 1; }

    // Whether code lengths decide the block that covers cell k.
    MMIP_RULE bool decides(int k) const { return s.tried[k] >= 0 && s.tried[k] != kModePalette && !this->reversible(k); }
    MMIP_RULE bool begins(int k) const { return first_of(k, s.tried[k]) == k; }

    // --- phases on the coefficients of the blocks in `tried`

    MMIP_RULE void find(int lane) const {
        const int own = lane / kCellLanes;
        if (s.tried[own] < 0 || s.tried[own] == kModePalette) return;
        add_to(&s.rest[first_of(own, s.tried[own])], this->find_entries(lane));
    }

    // Entries, or the indices themselves in reversible classes, which leave nothing to decide.
    MMIP_RULE void list(int lane) const {
        IndexSums ignored{};
        if (this->reversible(lane / kCellLanes)) return this->put_rounded(lane, ignored);
        if (!decides(lane / kCellLanes)) return;
        this->each_coefficient(lane, [&](int k, int mode, int place, float coefficient) {
            const int32_t scaled = scaled_magnitude(coefficient, this->inverse(k));
            if (scaled < this->threshold(k)) return;
            const int bit = this->bit_of(mode, k, place), first = first_of(k, mode), position = bit - first * Lines::kCellSamples;
            entries_at(first)[this->entry_of(bit)] = {static_cast<uint16_t>(position), static_cast<uint16_t>(coefficient < 0 ? 1 : 0), scaled,
                                                      quantize_magnitude(scaled, kHalfUp)};
        });
    }

    // --- phases after the coefficients

    MMIP_RULE void clear(int lane) const {
        LengthScratch<depth>& d = scratch();
        for (int i = lane; i < kCells * Lines::kCellSamples; i += kLanes) d.magnitudes[i] = 0;
        if (lane < kCells) d.distortion[lane] = d.bits[lane] = 0;
    }

    MMIP_RULE void decide(int lane) const {
        for (int i = lane; i < kCells * stages(); i += kLanes) {
            const int k = i / stages();
            if (decides(k) && begins(k)) decide_stage(k, i % stages());
        }
    }

    // Of the block in `tried` that starts at cell k.
    MMIP_RULE int64_t decided_cost(int k) const { return weigh({s.rest[k] + scratch().distortion[k], scratch().bits[k]}); }

    // The indices of the winners, which are in `tried`.
    MMIP_RULE void store(int lane) const {
        const int own = lane / kCellLanes, mode = s.tried[own];
        IndexSums sums{};
        if (decides(own)) store_decided(first_of(own, mode), lane, sums);
        this->add_sums(own, sums);
        if (lane >= kCells || s.tried[lane] < 0) return;
        IndexSums cell{};
        if (s.tried[lane] == kModePalette) {
            cell.distortion = s.palette_distortion[lane] + this->put_cell(lane, kModePalette, store_palette(lane));
        } else {
            const int first = first_of(lane, s.tried[lane]);
            cell.distortion = this->put_cell(lane, s.tried[lane], this->reversible(lane) ? this->entries_of(s.tried[lane], lane) : kept_before(first, stages()));
            if (decides(lane) && first == lane) cell.distortion += s.rest[lane] + scratch().distortion[lane];
        }
        this->add_sums(lane, cell);
    }

private:
    MMIP_RULE void decide_stage(int k, int i) const {
        const int mode = s.tried[k], base = k * Lines::kCellSamples;
        const int cells = Lines::block_cells(mode), low = cells * this->chunk.cuts[i];
        const int from = this->entry_of(base + low), count = this->entry_of(base + cells * this->chunk.cuts[i + 1]) - from;
        const uint8_t* rates = p.rates + p.first_rates[this->chunk.first_payload + i + 1];
        const int64_t span = this->t.first_span + static_cast<int64_t>(s.cells.place[k]) * stages() + i;
        const int context = p.header_classes != nullptr ? p.header_classes[span] : guessed_header_class(count, cells, s.cells.merges(k, depth));
        const uint8_t* row = rates + context * kHeaderAlphabet;
        const BlockPosition* positions = p.tables[this->t.chunk * kModeCount + mode];
        const Segment segment = block_segment(low, positions, rates + kHeaderSymbols, row, mode, cells);
        LengthScratch<depth>& d = scratch();
        Cost cost;
        const int kept = decide_segment(entries_at(k) + from, count, segment, decision_rounds(this->search(), is_first()), StageMagnitudes{d.magnitudes + base, low}, cost);
        d.begins[k][i] = static_cast<uint16_t>(from);
        d.kept[k][i] = static_cast<uint16_t>(kept);
        add_to(&d.distortion[k], cost.distortion);
        add_to(&d.bits[k], cost.bits);
    }

    MMIP_RULE int kept_before(int k, int stage) const {
        int sum = 0;
        for (int i = 0; i < stage; ++i) sum += scratch().kept[k][i];
        return sum;
    }

    // The lanes of all cells of a block store it.
    MMIP_RULE void store_decided(int first, int lane, IndexSums& sums) const {
        const int width = Lines::block_cells(s.tried[first]) * kCellLanes;
        int64_t to = this->room(first);
        for (int i = 0; i < stages(); ++i) {
            const Entry* entries = entries_at(first) + scratch().begins[first][i];
            const int kept = scratch().kept[first][i];
            for (int n = lane - first * kCellLanes; n < kept; n += width)
                this->put(to + n, entries[n].position, entries[n].scaled, entries[n].magnitude, entries[n].negative != 0, sums);
            to += kept;
        }
    }

    // What stands at the positions of a palette cell (see search_palettes.h), without the zeros; how many are left.
    MMIP_RULE int store_palette(int k) const {
        const int64_t room = this->room(k);
        int count = 0;
        for (int i = 0; i < palette_positions(depth); ++i) {
            const int32_t value = this->out.values[room + i];
            if (value == 0) continue;
            this->out.positions[room + count] = static_cast<uint16_t>(i);
            this->out.values[room + count++] = value;
        }
        return count;
    }
};

}  // namespace mmip
