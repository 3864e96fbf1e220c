// The analysis of a superblock where code lengths decide: efforts 2 (indices) and 3 (modes and indices).
// Values: as superblock_work.h; bits of all symbols by payload, classes of headers from a pass before. One group = one superblock;
// candidates come in rounds, one mode each: by rough costs, then (effort 3) by code lengths where those are near, then the
// winners. Encoder side of FORMAT.md sections 2 to 5. One lane decides a block's part of a stage (rules/decide.h).
#pragma once

#include "list_tokens.h"
#include "superblock_work.h"

namespace mmip {

// |q| of one stage by position; more than kEnoughMagnitude counts like it. Other stages' stand in the same array.
struct StageMagnitudes {
    uint8_t* at;
    int low;

    MMIP_RULE uint32_t operator[](int p) const { return p >= low ? at[p] : 0; }
};

MMIP_RULE void set_magnitude(StageMagnitudes m, int p, uint32_t value) {
    m.at[p] = static_cast<uint8_t>(value < kEnoughMagnitude ? value : kEnoughMagnitude);
}

template <int depth>
struct SearchKernel {
    using Lines = BlockLines<depth>;
    static constexpr int kLanes = depth == 8 ? 128 : 64;
    static constexpr int kPasses = Lines::kPasses, kCells = Lines::kCells, kOptions = 4;
    static constexpr int kRoughPhases = kPasses + 4, kLengthPhases = kPasses + 7;    // of a round
    static constexpr int kRough = 2, kChoice = kRough + kOptions * kRoughPhases, kByLengths = kChoice + 1;
    static constexpr int kDecision = kByLengths + kOptions * kLengthPhases, kLast = kDecision + 1, kPhases = kLast + kLengthPhases;

    struct Params {
        int64_t groups;
        Batch batch;
        const SampleItem* sources;
        AnalyzedCells out;
        Entry* entries;                      // scratch, in the room of their cells
        const uint8_t* rates;                // headers, then tokens, see Segment of rules/decide.h
        const int64_t* first_rates;          // by payload
        const uint8_t* header_classes;       // by cell in coding order and stage; nullptr: guessed from the block itself
    };
    struct Shared : SuperblockState<depth> {
        uint8_t magnitudes[kCells * Lines::kCellSamples];
        int64_t cost[kOptions][kCells], decided[kOptions][kCells];   // weighed; of a block at its first cell
        int64_t rest[kCells];                // distortion of what is no entry, of the block that starts there
        int64_t distortion[kCells], bits[kCells];
        uint16_t begins[kCells][kMostStages], kept[kCells][kMostStages];   // entries of a block in a stage
        int32_t best[kCells];                // option of a single cell
        int32_t try_whole[4], try_split[4], merged[4], try_all;
    };

    // The modes in the order in which they are tried; merged ones last.
    static MMIP_RULE int option_mode(int option) {
        if (depth == 8) return option == 0 ? kMode8 : (option == 1 ? kModeZ1 : (option == 2 ? kMode4 : kMode16));
        return option == 0 ? kMode8 : (option == 1 ? kMode4 : (option == 2 ? kMode16 : kMode32));
    }
    static constexpr int kSingles = depth == 8 ? 3 : 2, kQuadOption = kSingles, kAllOption = kSingles + 1;

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane < kMostCells) s.cells.find(p.batch, nullptr, nullptr, group, lane);
        } else {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const Work w{{p.batch, p.out, s, t, p.sources[t.chunk], p.batch.chunks[t.chunk]}, s, p};
            if constexpr (phase == 1) w.begin(lane);
            else if constexpr (phase < kChoice) w.rough_round((phase - kRough) / kRoughPhases, (phase - kRough) % kRoughPhases, lane);
            else if constexpr (phase == kChoice) w.choose(lane);
            else if constexpr (phase < kDecision) w.length_round((phase - kByLengths) / kLengthPhases, (phase - kByLengths) % kLengthPhases, lane);
            else if constexpr (phase == kDecision) w.decide_modes(lane);
            else w.length_round(kOptions, phase - kLast, lane);
        }
    }

private:
    struct Work : SuperblockWork<depth, kLanes> {
        using Base = SuperblockWork<depth, kLanes>;
        using Base::kCellLanes;
        Shared& s;
        const Params& p;

        MMIP_RULE Work(const Base& base, Shared& shared, const Params& params) : Base(base), s(shared), p(params) {}

        MMIP_RULE bool full() const { return this->source.search == kSearchFull; }
        MMIP_RULE int32_t threshold() const { return full() ? kLeastFull : kLeastRough; }
        MMIP_RULE int first_of(int k, int mode) const { return k - k % Lines::block_cells(mode); }

        MMIP_RULE void begin(int lane) const {
            this->start(lane);
            for (int i = lane; i < kCells * Lines::kCellSamples; i += kLanes) s.magnitudes[i] = 0;
        }

        // Whether option o may be taken at cell k.
        MMIP_RULE bool possible(int o, int k) const {
            const int mode = option_mode(o), many = Lines::block_cells(mode);
            return many == 1 ? this->present(k) && !this->reversible(k) : this->can_merge(k - k % many, many);
        }

        // --- rough costs of all modes

        MMIP_PART void rough_round(int o, int step, int lane) const {
            const int mode = option_mode(o);
            if (step == 0) {
                if (lane >= kCells) return;
                s.tried[lane] = possible(o, lane) ? mode : -1;
                s.rough[lane] = Rough{};
            } else if (step <= kPasses) {
                this->transform(step - 1, lane);
            } else if (step == kPasses + 1) {
                this->take_dcs(lane);
            } else if (step == kPasses + 2) {
                this->estimate(lane);
            } else if (lane < kCells && s.tried[lane] >= 0 && first_of(lane, mode) == lane) {
                s.cost[o][lane] = this->cost(lane, Lines::block_cells(mode));
            }
        }

        // --- which modes win by them, and which are near

        MMIP_PART void choose(int lane) const {
            if (lane != 0) return;
            int64_t total = 0;
            for (int first = 0; first < kCells; first += Lines::kGroup) {
                const int q = first / Lines::kGroup;
                const int64_t split = choose_singles(first, s.cost, false);
                const bool may = possible(kQuadOption, first);
                const int64_t whole = may ? s.cost[kQuadOption][first] : 0;
                const bool wins = may && whole < split;
                s.merged[q] = wins ? 1 : 0;
                s.try_whole[q] = may && (wins || is_near(whole, split)) ? 1 : 0;
                s.try_split[q] = !may || !wins || is_near(split, whole) ? 1 : 0;
                total += wins ? whole : split;
                merge(first, Lines::kGroup, kMode16, wins);
            }
            s.try_all = 0;
            if (depth == 8 || !possible(kAllOption, 0)) return;
            s.try_all = is_near(s.cost[kAllOption][0], total) ? 1 : 0;
            if (!full()) merge(0, kCells, kMode32, s.cost[kAllOption][0] < total);
        }

        // The best of the single cells' options, in `best` and `chosen`; returns the cost of all cells of a group.
        MMIP_RULE int64_t choose_singles(int first, const int64_t (&costs)[kOptions][kCells], bool near_only) const {
            int64_t sum = 0;
            for (int k = first; k < first + Lines::kGroup; ++k) {
                s.chosen[k] = kMode8;
                if (!possible(0, k)) continue;
                const int64_t limit = near_only ? s.cost[s.best[k]][k] : 0;
                int best = -1;
                for (int o = 0; o < kSingles; ++o) {
                    if (near_only && !is_near(s.cost[o][k], limit)) continue;
                    if (best < 0 || costs[o][k] < costs[best][k]) best = o;
                }
                s.best[k] = best;
                s.chosen[k] = option_mode(best);
                sum += costs[best][k];
            }
            return sum;
        }

        MMIP_RULE void merge(int first, int many, int mode, bool wins) const {
            for (int k = first; k < first + many && wins; ++k) s.chosen[k] = mode;
        }

        // --- code lengths of the modes that are near, then of the winners (o == kOptions)

        MMIP_RULE bool near_by(int o, int k) const {
            if (!possible(o, k)) return false;
            if (o >= kAllOption) return s.try_all != 0;
            if (o == kQuadOption) return s.try_whole[k / Lines::kGroup] != 0;
            return s.try_split[k / Lines::kGroup] != 0 && is_near(s.cost[o][k], s.cost[s.best[k]][k]);
        }

        MMIP_PART void length_round(int o, int step, int lane) const {
            const bool last = o == kOptions;
            if (!last && !full()) return;
            if (step == 0) {
                if (lane >= kCells) return;
                s.tried[lane] = last ? (this->present(lane) ? s.chosen[lane] : -1) : (near_by(o, lane) ? option_mode(o) : -1);
                s.rest[lane] = s.distortion[lane] = s.bits[lane] = 0;
            } else if (step <= kPasses) {
                this->transform(step - 1, lane);
            } else if (step == kPasses + 1) {
                this->take_dcs(lane);
            } else if (step == kPasses + 2) {
                find(lane);
            } else if (step == kPasses + 3) {
                this->count_before(lane);
            } else if (step == kPasses + 4) {
                list(lane);
            } else if (step == kPasses + 5) {
                decide(lane);
            } else if (last) {
                store(lane);
            } else if (lane < kCells && s.tried[lane] >= 0 && first_of(lane, s.tried[lane]) == lane) {
                s.decided[o][lane] = weigh({s.rest[lane] + s.distortion[lane], s.bits[lane]});
            }
        }

        MMIP_RULE void find(int lane) const {
            this->find_entries(lane, threshold());
            this->each_coefficient(lane, [&](int k, int mode, int, float coefficient) {
                const int32_t scaled = scaled_magnitude(coefficient, this->inverse(k));
                if (scaled < threshold()) add_to(&s.rest[first_of(k, mode)], square(scaled));
            });
        }

        MMIP_RULE void list(int lane) const {
            this->each_coefficient(lane, [&](int k, int mode, int place, float coefficient) {
                const int32_t scaled = scaled_magnitude(coefficient, this->inverse(k));
                if (this->reversible(k) || scaled < threshold()) return;
                const int bit = this->bit_of(mode, k, place), first = first_of(k, mode), position = bit - first * Lines::kCellSamples;
                p.entries[this->room(first) + this->entry_of(bit)] = {static_cast<uint16_t>(position), static_cast<uint16_t>(coefficient < 0 ? 1 : 0), scaled,
                                                                      quantize_magnitude(scaled, kHalfUp)};
            });
        }

        MMIP_RULE void decide(int lane) const {
            const int stages = this->chunk.stages - 1;
            for (int i = lane; i < kCells * stages; i += kLanes) {
                const int k = i / stages, mode = s.tried[k];
                if (mode >= 0 && first_of(k, mode) == k && !this->reversible(k)) decide_stage(k, mode, i % stages);
            }
        }

        MMIP_RULE void decide_stage(int k, int mode, int i) const {
            const BlockItem& block = this->batch.block(depth, mode);
            const int64_t payload = this->chunk.first_payload + i + 1;
            const int low = block.cells * this->chunk.cuts[i], base = k * Lines::kCellSamples;
            const int from = this->entry_of(base + low), count = this->entry_of(base + block.cells * this->chunk.cuts[i + 1]) - from;
            const uint8_t* rates = p.rates + p.first_rates[payload];
            const int64_t span = this->t.first_span + static_cast<int64_t>(s.cells.place[k]) * (this->chunk.stages - 1) + i;
            const int context = p.header_classes != nullptr ? p.header_classes[span] : guessed_header_class(count, block.cells);
            const uint8_t* row = rates + context * kHeaderAlphabet;
            const Segment segment{low, block.neighbours, block.position_class, rates + kHeaderSymbols, row + 32 * mode, block.cells == 1 ? row[0] : row[32 * mode]};
            Cost cost;
            const int kept = decide_segment(p.entries + this->room(k) + from, count, segment, StageMagnitudes{s.magnitudes + base, low}, cost);
            s.begins[k][i] = static_cast<uint16_t>(from);
            s.kept[k][i] = static_cast<uint16_t>(kept);
            add_to(&s.distortion[k], cost.distortion);
            add_to(&s.bits[k], cost.bits);
        }

        MMIP_PART void decide_modes(int lane) const {
            if (lane != 0 || !full()) return;
            int64_t total = 0;
            for (int first = 0; first < kCells; first += Lines::kGroup) {
                const int q = first / Lines::kGroup;
                const int64_t split = s.try_split[q] != 0 ? choose_singles(first, s.decided, true) : 0;
                bool wins = s.merged[q] != 0;
                if (s.try_whole[q] != 0 && s.try_split[q] != 0) wins = s.decided[kQuadOption][first] < split;
                total += wins ? s.decided[kQuadOption][first] : split;
                merge(first, Lines::kGroup, kMode16, wins);
            }
            if (depth == 1 && s.try_all != 0) merge(0, kCells, kMode32, s.decided[kAllOption][0] < total);
        }

        // --- the winners

        MMIP_RULE void store(int lane) const {
            IndexSums sums{};
            const int own = lane / kCellLanes;
            if (s.tried[own] >= 0 && this->reversible(own)) this->put_rounded(lane, sums);
            const int stages = this->chunk.stages - 1;
            for (int i = lane; i < kCells * stages; i += kLanes) {
                const int k = i / stages, mode = s.tried[k];
                if (mode >= 0 && first_of(k, mode) == k && !this->reversible(k)) store_stage(k, i % stages);
            }
            if (lane >= kCells || s.tried[lane] < 0) return;
            const int mode = s.tried[lane];
            const bool decided = first_of(lane, mode) == lane && !this->reversible(lane);
            IndexSums cell{};
            cell.distortion = this->put_cell(lane, mode, this->reversible(lane) ? this->entries_of(mode, lane) : kept_before(first_of(lane, mode), stages));
            if (decided) cell.distortion += s.rest[lane] + s.distortion[lane];
            this->add_sums(lane, cell);
        }

        MMIP_RULE int kept_before(int k, int stages) const {
            int sum = 0;
            for (int i = 0; i < stages; ++i) sum += s.kept[k][i];
            return sum;
        }

        MMIP_RULE void store_stage(int k, int i) const {
            const int64_t room = this->room(k);
            const int before = kept_before(k, i);
            IndexSums sums{};
            for (int n = 0; n < s.kept[k][i]; ++n) {
                const Entry e = p.entries[room + s.begins[k][i] + n];
                this->put(room + before + n, e.position, e.scaled, e.magnitude, e.negative != 0, sums);
            }
            this->add_sums(k, sums);
        }
    };
};

}  // namespace mmip
