// The analysis of a superblock: samples in, block modes, DCs and nonzero indices out. Efforts at which rounding decides indices.
// Values: SampleItem per chunk; arrays per cell and entries in the room of their cells out, sums per tile and class. One group =
// one superblock. Encoder side of FORMAT.md sections 2 to 5; choices are those of rules/choose.h, candidates come in rounds.
// A round transforms all its candidates in one buffer and keeps their costs; the winners are transformed again at the end.
#pragma once

#include "../../rules/choose.h"
#include "atomics.h"
#include "block_lines.h"

namespace mmip {

struct SampleItem {
    const void* samples;                     // planes, C order
    const uint8_t* classes;                  // planes x cells, raster order; nullptr: class 0 everywhere
    int64_t shape[3];                        // of a plane, in samples
    int32_t type;                            // index of kSampleTypes
    int32_t offset, rounding, dc_unit;
    int32_t chooses;                         // 0: mode 8 everywhere
    int32_t reversible;                      // bit c: class c
};

// As QuantizerSums of passes/kernels.h.
struct IndexSums {
    int64_t count[3], excess[3], distortion;
};

template <int depth>
struct AnalyzeKernel {
    using Lines = BlockLines<depth>;
    static constexpr int kLanes = depth == 8 ? 128 : 64;
    static constexpr int kRounds = depth == 8 ? 3 : 4;           // modes 8, 4, 16, 32; then the winners
    static constexpr int kFirstRound = 4, kRoundPhases = Lines::kPasses + 3;
    static constexpr int kLast = kFirstRound + kRounds * kRoundPhases, kPhases = kLast + Lines::kPasses + 5;
    static constexpr int kCells = Lines::kCells, kCellLanes = kLanes / kCells, kWords = kCells * Lines::kCellSamples / 32;

    struct Params {
        int64_t groups;
        Batch batch;
        const SampleItem* sources;
        uint8_t* modes;
        uint8_t* classes;
        int32_t* dcs;
        uint16_t* counts;
        uint16_t* positions;
        int32_t* values;
        IndexSums* sums;                     // of kMaxClasses for each tile; added to
    };
    struct Rough {
        int64_t distortion;
        int64_t quarters;
        int32_t nonzeros;
    };
    struct Shared {
        SuperblockCells cells;
        float samples[Lines::kFloats], work[Lines::kFloats];
        float dcs[kCells];
        int32_t classes[kCells];
        int32_t tried[kCells];               // mode, -1: none
        int32_t chosen[kCells];
        int64_t activity[kCells], best[kCells];
        Rough rough[kCells];
        int32_t even[4], merged[4];
        int64_t all;                         // cost of all cells without mode 32
        uint32_t found[kWords];              // positions of nonzero indices, by block from its first cell's room on
        uint32_t before[kWords];             // how many in the words of the block before
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            if (lane < kMostCells) s.cells.find(p.batch, nullptr, nullptr, group, lane);
        } else {
            const TileItem& t = p.batch.tiles[s.cells.tile];
            const SampleItem& source = p.sources[t.chunk];
            const Work w{p, s, t, source, p.batch.chunks[t.chunk]};
            if constexpr (phase == 1) w.start(lane);
            else if constexpr (phase == 2) w.measure_activity(lane);
            else if constexpr (phase == 3) w.choose_first(lane);
            else if constexpr (phase < kLast) w.template round<(phase - kFirstRound) % kRoundPhases, (phase - kFirstRound) / kRoundPhases>(lane);
            else w.template finish<phase - kLast>(lane);
        }
    }

private:
    struct Work {
        const Params& p;
        Shared& s;
        const TileItem& t;
        const SampleItem& source;
        const ChunkItem& chunk;

        MMIP_RULE bool present(int k) const { return s.cells.place[k] >= 0; }
        MMIP_RULE float step(int k) const { return static_cast<float>(chunk.steps[s.classes[k]][t.component]) / kStepOne; }
        MMIP_RULE bool reversible(int k) const { return ((source.reversible >> s.classes[k]) & 1) != 0; }
        MMIP_RULE float inverse(int k) const { return reversible(k) ? 1.0f : 256.0f / step(k); }

        // --- samples and classes

        template <class T>
        MMIP_RULE void load(const CellOffset cell, int lane) const {
            const int64_t nz = source.shape[0], ny = source.shape[1], nx = source.shape[2];
            const T* plane = static_cast<const T*>(source.samples) + t.plane * nz * ny * nx;
            const int64_t z0 = (t.cell[0] + cell.z) * depth, y0 = (t.cell[1] + cell.y) * 8, x0 = (t.cell[2] + cell.x) * 8;
            for (int i = lane; i < Lines::kSlices * Lines::kWidth * Lines::kWidth; i += kLanes) {
                const int z = i / (Lines::kWidth * Lines::kWidth), y = i / Lines::kWidth % Lines::kWidth, x = i % Lines::kWidth;
                const int64_t pz = least(z0 + z, nz - 1), py = least(y0 + y, ny - 1), px = least(x0 + x, nx - 1);
                s.samples[Lines::at(z, y, x)] = static_cast<float>(static_cast<int32_t>(plane[(pz * ny + py) * nx + px]) - source.offset);
            }
        }

        MMIP_RULE void start(int lane) const {
            const SuperblockPlace place = superblock_at(t, depth, s.cells.index);
            const CellOffset cell{place.z, place.y, place.x};
            switch (source.type) {
                case kSampleU8: load<uint8_t>(cell, lane); break;
                case kSampleI8: load<int8_t>(cell, lane); break;
                case kSampleU16: load<uint16_t>(cell, lane); break;
                case kSampleI16: load<int16_t>(cell, lane); break;
                default: load<int32_t>(cell, lane);
            }
            for (int i = lane; i < kWords; i += kLanes) s.found[i] = 0;
            if (lane >= kCells) return;
            s.activity[lane] = 0;
            s.tried[lane] = -1;
            int found = 0;
            if (present(lane)) {
                if (source.classes != nullptr) {
                    const CellOffset o = superblock_cell(lane, depth);
                    const int64_t gz = (source.shape[0] + depth - 1) / depth, gy = (source.shape[1] + 7) / 8, gx = (source.shape[2] + 7) / 8;
                    found = source.classes[((t.plane * gz + t.cell[0] + cell.z + o.z) * gy + t.cell[1] + cell.y + o.y) * gx + t.cell[2] + cell.x + o.x];
                }
                p.classes[t.first_cell + s.cells.raster[lane]] = static_cast<uint8_t>(found);
            }
            s.classes[lane] = found;
        }

        // --- choices

        MMIP_RULE bool can_merge(int first, int many) const {
            for (int i = first; i < first + many; ++i)
                if (!present(i) || s.classes[i] != s.classes[first]) return false;
            return source.chooses != 0 && !reversible(first);
        }

        // Differences between rows; whole numbers, so that any order gives the same sum.
        MMIP_RULE void measure_activity(int lane) const {
            if (source.chooses == 0) return;
            const int k = lane / kCellLanes;
            const CellOffset o = Lines::origin(k);
            int64_t sum = 0;
            for (int i = lane % kCellLanes; i < depth * 56; i += kCellLanes) {
                const int at = Lines::at(o.z + i / 56, o.y + i / 8 % 7, o.x + i % 8);
                sum += truncate(absolute(s.samples[at] - s.samples[at + Lines::kRow]));
            }
            add_to(&s.activity[k], sum);
        }

        // What the first round tries: mode 8, but where a large block is taken unseen.
        MMIP_RULE void choose_first(int lane) const {
            if (lane >= kCells) return;
            const int first = lane - lane % Lines::kGroup;
            int64_t sum = 0, squares = 0;
            for (int i = first; i < first + Lines::kGroup; ++i) sum += s.activity[i], squares += square(s.activity[i]);
            const bool even = can_merge(first, Lines::kGroup) && is_even_block(sum, squares, Lines::kGroup, depth * 56, step(first));
            if (lane == first) s.even[first / Lines::kGroup] = even ? 1 : 0;
            s.chosen[lane] = kMode8;
            if (source.chooses != 0) s.tried[lane] = present(lane) && !even && !reversible(lane) ? kMode8 : -1;
            s.best[lane] = 0;
            s.rough[lane] = Rough{};
        }

        template <int step, int number>
        MMIP_RULE void round(int lane) const {
            if (source.chooses == 0) return;
            if constexpr (step < Lines::kPasses) {
                transform(step, lane);
            } else if constexpr (step == Lines::kPasses) {
                take_dcs(lane);
            } else if constexpr (step == Lines::kPasses + 1) {
                estimate(lane);
            } else if (lane == 0) {
                if constexpr (number == 0) choose_cells();
                else if constexpr (number == 1) choose_quads();
                else if constexpr (number == 2) merge_quads();
                else merge_all();
                for (int k = 0; k < kCells; ++k) s.rough[k] = Rough{};
            }
        }

        // After mode 8: mode 4 is tried where a cell is dense.
        MMIP_RULE void choose_cells() const {
            for (int k = 0; k < kCells; ++k) {
                const bool dense = s.tried[k] == kMode8 && s.rough[k].nonzeros > Lines::kCellSamples / kDenseShare;
                if (s.tried[k] == kMode8) s.best[k] = cost(k, 1);
                s.tried[k] = dense ? kMode4 : -1;
            }
        }

        // After mode 4: mode 16 is tried.
        MMIP_RULE void choose_quads() const {
            for (int k = 0; k < kCells; ++k) {
                if (s.tried[k] == kMode4 && cost(k, 1) < s.best[k]) {
                    s.best[k] = cost(k, 1);
                    s.chosen[k] = kMode4;
                }
                s.tried[k] = can_merge(k - k % Lines::kGroup, Lines::kGroup) ? kMode16 : -1;
            }
        }

        // After mode 16: mode 32 is tried where all of the superblock merged.
        MMIP_RULE void merge_quads() const {
            bool all = true;
            s.all = 0;
            for (int first = 0; first < kCells; first += Lines::kGroup) {
                int64_t split = 0;
                for (int k = first; k < first + Lines::kGroup; ++k) split += s.best[k];
                const bool tried = s.tried[first] == kMode16;
                const int64_t whole = tried ? cost(first, Lines::kGroup) : 0;
                const bool merged = tried && (s.even[first / Lines::kGroup] != 0 || whole < split);
                s.all += merged ? whole : split;
                all = all && merged;
                for (int k = first; k < first + Lines::kGroup && merged; ++k) s.chosen[k] = kMode16;
            }
            const bool larger = depth == 1 && all && can_merge(0, kCells);
            for (int k = 0; k < kCells; ++k) s.tried[k] = larger ? kMode32 : -1;
        }

        MMIP_RULE void merge_all() const {
            const bool merged = s.tried[0] == kMode32 && cost(0, kCells) < s.all;
            for (int k = 0; k < kCells && merged; ++k) s.chosen[k] = kMode32;
        }

        // Rough cost of the candidate that covers cells k .. k + many - 1.
        MMIP_RULE int64_t cost(int k, int many) const {
            int64_t distortion = 0, quarters = 0;
            for (int i = k; i < k + many; ++i) distortion += s.rough[i].distortion, quarters += s.rough[i].quarters;
            return weigh({distortion, kBlockBits + quarters / 4});
        }

        // --- transforms and indices of the candidates in `tried`

        MMIP_RULE void transform(int pass, int lane) const {
            for (int i = lane; i < kCells * Lines::kCellLines; i += kLanes) {
                const int k = i / Lines::kCellLines, mode = s.tried[k];
                if (mode >= 0) Lines::pass(pass, mode, reversible(k), s.samples, s.work, k, i % Lines::kCellLines);
            }
        }

        MMIP_RULE void take_dcs(int lane) const {
            if (lane < kCells && s.tried[lane] >= 0 && lane % Lines::block_cells(s.tried[lane]) == 0) Lines::take_dcs(s.tried[lane], s.work, lane, s.dcs);
        }

        MMIP_RULE void estimate(int lane) const {
            const int k = lane / kCellLanes, mode = s.tried[k];
            if (mode < 0) return;
            const float scale = inverse(k);
            Rough sum{};
            for (int i = lane % kCellLanes; i < Lines::kCellSamples; i += kCellLanes) {
                const int32_t scaled = scaled_magnitude(s.work[Lines::coefficient(mode, k, i).at], scale);
                const int32_t magnitude = quantize_magnitude(scaled, source.rounding);
                sum.distortion += square((static_cast<int64_t>(magnitude) << 8) - scaled);
                sum.quarters += index_cost(magnitude);
                sum.nonzeros += magnitude > 0 ? 1 : 0;
            }
            add_to(&s.rough[k].distortion, sum.distortion);
            add_to(&s.rough[k].quarters, sum.quarters);
            add_to(reinterpret_cast<uint32_t*>(&s.rough[k].nonzeros), static_cast<uint32_t>(sum.nonzeros));
        }

        // --- the winners

        template <int step>
        MMIP_RULE void finish(int lane) const {
            if constexpr (step == 0) {
                if (lane < kCells) s.tried[lane] = present(lane) ? s.chosen[lane] : -1;
            } else if constexpr (step <= Lines::kPasses) {
                transform(step - 1, lane);
            } else if constexpr (step == Lines::kPasses + 1) {
                take_dcs(lane);
            } else if constexpr (step == Lines::kPasses + 2) {
                find_nonzeros(lane);
            } else if constexpr (step == Lines::kPasses + 3) {
                count_before(lane);
            } else {
                store(lane);
            }
        }

        struct Index {
            int32_t scaled, magnitude;
            bool negative;
        };
        MMIP_RULE Index index(float coefficient, int k, float scale) const {
            const int32_t scaled = scaled_magnitude(coefficient, scale);
            return {scaled, reversible(k) ? scaled : quantize_magnitude(scaled, source.rounding), coefficient < 0};
        }

        // The bit of a coefficient in `found`.
        MMIP_RULE int bit_of(int mode, int k, int place) const {
            return (k - k % Lines::block_cells(mode)) * Lines::kCellSamples + p.batch.block(depth, mode).order[place];
        }

        MMIP_RULE void find_nonzeros(int lane) const {
            const int k = lane / kCellLanes, mode = s.tried[k];
            if (mode < 0) return;
            const float scale = inverse(k);
            for (int i = lane % kCellLanes; i < Lines::kCellSamples; i += kCellLanes) {
                const typename Lines::Coefficient c = Lines::coefficient(mode, k, i);
                if (index(s.work[c.at], k, scale).magnitude == 0) continue;
                const int bit = bit_of(mode, k, c.place);
                or_into(&s.found[bit >> 5], 1u << (bit & 31));
            }
        }

        MMIP_RULE void count_before(int lane) const {
            constexpr int words = Lines::kCellSamples / 32;
            for (int i = lane; i < kWords; i += kLanes) {
                const int mode = s.tried[i / words];
                uint32_t sum = 0;
                if (mode >= 0) {
                    const int cells = Lines::block_cells(mode) * words;
                    for (int n = i - i % cells; n < i; ++n) sum += static_cast<uint32_t>(bit_count(s.found[n]));
                }
                s.before[i] = sum;
            }
        }

        MMIP_RULE void store(int lane) const {
            const int k = lane / kCellLanes, mode = s.tried[k];
            if (mode < 0) return;
            const float scale = inverse(k);
            const bool exact = reversible(k);
            const int first = k - k % Lines::block_cells(mode);
            const int64_t room = t.first_entry + static_cast<int64_t>(s.cells.place[first]) * cell_coefficients(depth);
            IndexSums sums{};
            for (int i = lane % kCellLanes; i < Lines::kCellSamples; i += kCellLanes) {
                const typename Lines::Coefficient c = Lines::coefficient(mode, k, i);
                const Index q = index(s.work[c.at], k, scale);
                const int64_t excess = (static_cast<int64_t>(q.magnitude) << 8) - q.scaled;
                sums.distortion += square(excess);
                if (q.magnitude == 0) continue;
                const int bit = bit_of(mode, k, c.place), kind = q.magnitude < 3 ? q.magnitude - 1 : 2;
                const int64_t at = room + s.before[bit >> 5] + bit_count(s.found[bit >> 5] & ((1u << (bit & 31)) - 1));
                p.positions[at] = static_cast<uint16_t>(bit - first * Lines::kCellSamples);
                p.values[at] = q.negative ? -q.magnitude : q.magnitude;
                for (int n = 0; n < 3; ++n) sums.count[n] += kind == n ? 1 : 0, sums.excess[n] += kind == n ? excess : 0;
            }
            IndexSums& total = p.sums[s.cells.tile * kMaxClasses + s.classes[k]];
            if (lane % kCellLanes == 0) sums.distortion += store_cell(k, mode, exact);
            if (exact) return;
            for (int n = 0; n < 3; ++n) add_to(&total.count[n], sums.count[n]), add_to(&total.excess[n], sums.excess[n]);
            add_to(&total.distortion, sums.distortion);
        }

        // Mode, count and DC of a cell; returns the squared error of the DC.
        MMIP_RULE int64_t store_cell(int k, int mode, bool exact) const {
            constexpr int words = Lines::kCellSamples / 32;
            const int cells = Lines::block_cells(mode), first = k - k % cells, last = (first + cells) * words - 1;
            const uint32_t count = s.before[last] + static_cast<uint32_t>(bit_count(s.found[last]));
            const int64_t cell = t.first_cell + s.cells.place[k];
            p.counts[cell] = static_cast<uint16_t>(k == first ? count : 0);
            p.modes[cell] = static_cast<uint8_t>(count == 0 && cells == 1 ? kMode8 : mode);
            const QuantizedDc dc = exact ? QuantizedDc{truncate(s.dcs[k]), 0} : quantize_dc(s.dcs[k], inverse(k), source.dc_unit);
            p.dcs[t.first_cell + s.cells.raster[k]] = dc.index;
            return dc.error;
        }
    };
};

}  // namespace mmip
