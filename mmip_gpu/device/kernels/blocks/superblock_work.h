// What analyses of a superblock share: its samples and classes, transforms of the blocks that are tried, rough costs, and the
// places of entries in scan order. Values: SampleItem per chunk; arrays per cell and entries in the room of their cells out.
// One group = one superblock. Encoder side of FORMAT.md sections 2 to 5; costs are those of rules/blocks/decide.h.
#pragma once

#include "rules/blocks/choice.h"
#include "device/kernels/atomics.h"
#include "device/kernels/blocks/analysis_items.h"
#include "device/kernels/blocks/block_lines.h"

namespace mmip {

struct Rough {
    int64_t distortion, quarters;            // quarters of a bit
    int32_t nonzeros;
};

template <int depth>
struct SuperblockState {
    using Lines = BlockLines<depth>;
    static constexpr int kCells = Lines::kCells, kWords = kCells * Lines::kCellSamples / 32;

    SuperblockCells cells;
    float samples[Lines::kFloats];
    alignas(16) float work[Lines::kFloats];
    float dcs[kCells];
    int32_t classes[kCells];
    int32_t tried[kCells];                   // mode, -1: none
    Rough rough[kCells];
    Choices<depth> choices;
    uint32_t found[kWords];                  // positions of entries, by block from its first cell's room on
    uint32_t before[kWords];                 // how many in the words of the block before
};

template <int depth, int kLanes>
struct SuperblockWork {
    using Lines = BlockLines<depth>;
    using State = SuperblockState<depth>;
    static constexpr int kCells = Lines::kCells, kCellLanes = kLanes / kCells, kCellWords = Lines::kCellSamples / 32;

    const Batch& batch;
    const AnalyzedCells& out;
    State& s;
    const TileItem& t;
    const SampleItem& source;
    const ChunkItem& chunk;

    // Of the view of rules/blocks/choice.h.
    MMIP_RULE Choices<depth>& choices() const { return s.choices; }
    MMIP_RULE int search() const { return source.search; }
    MMIP_RULE bool present(int k) const { return s.cells.place[k] >= 0; }
    MMIP_RULE int class_of(int k) const { return s.classes[k]; }
    MMIP_RULE float step(int k) const { return static_cast<float>(chunk.choice_steps[s.classes[k]][t.component]) / kStepOne; }
    MMIP_RULE bool reversible(int k) const { return ((source.reversible >> s.classes[k]) & 1) != 0; }
    MMIP_RULE float inverse(int k) const { return reversible(k) ? 1.0f : 256.0f / step(k); }

    // From magnitudes scaled by the step of choices to those of indices.
    MMIP_RULE float ratio(int k) const { return step_ratio(chunk.choice_steps[s.classes[k]][t.component], chunk.steps[s.classes[k]][t.component]); }
    MMIP_RULE int32_t rescale(int k, int32_t scaled) const { return reversible(k) ? scaled : rescaled(scaled, ratio(k)); }

    // Where the entries of the block that starts at cell k stand.
    MMIP_RULE int64_t room(int k) const { return t.first_entry + static_cast<int64_t>(s.cells.place[k]) * cell_coefficients(depth); }

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
        if (lane >= kCells) return;
        s.choices.begin(lane);
        s.tried[lane] = -1;
        int found = 0;
        if (present(lane)) {
            if (source.classes != nullptr) {
                const CellOffset o = superblock_cell(lane, depth);
                const int64_t gz = (source.shape[0] + depth - 1) / depth, gy = (source.shape[1] + 7) / 8, gx = (source.shape[2] + 7) / 8;
                found = source.classes[((t.plane * gz + t.cell[0] + cell.z + o.z) * gy + t.cell[1] + cell.y + o.y) * gx + t.cell[2] + cell.x + o.x];
            }
            out.classes[t.first_cell + s.cells.raster[lane]] = static_cast<uint8_t>(found);
        }
        s.classes[lane] = found;
    }

    MMIP_RULE void try_chosen(int lane) const {
        if (lane < kCells) s.tried[lane] = present(lane) ? ModeOrder<depth>::mode(s.choices.chosen[lane]) : -1;
    }

    // Rough cost of a candidate.
    MMIP_RULE int64_t cost(int k, int many) const {
        int64_t distortion = 0, quarters = 0;
        for (int i = k; i < k + many; ++i) distortion += s.rough[i].distortion, quarters += s.rough[i].quarters;
        return weigh({distortion, kBlockBits + quarters / 4});
    }

    // --- the blocks in `tried`

    MMIP_PART void transform(int pass, int lane) const {
        for (int i = lane; i < kCells * Lines::kCellLines; i += kLanes) {
            const int k = i / Lines::kCellLines, mode = s.tried[k];
            if (mode >= 0) Lines::pass(pass, mode, reversible(k), s.samples, s.work, k, i % Lines::kCellLines);
        }
    }

    MMIP_RULE void take_dcs(int lane) const {
        for (int i = lane; i < State::kWords; i += kLanes) s.found[i] = 0;
        if (lane < kCells) s.rough[lane] = Rough{};
        if (lane < kCells && s.tried[lane] >= 0 && lane % Lines::block_cells(s.tried[lane]) == 0) Lines::take_dcs(s.tried[lane], s.work, lane, s.dcs);
    }

    MMIP_PART void estimate(int lane) const {
        const int k = lane / kCellLanes, mode = s.tried[k];
        if (mode < 0) return;
        Rough sum{};
        for (int i = lane % kCellLanes; i < Lines::kCellSamples; i += kCellLanes) add_rough(s.work[Lines::coefficient(mode, k, i).at], k, sum);
        add_rough_sum(k, sum);
    }

    MMIP_RULE void add_rough(float coefficient, int k, Rough& sum) const {
        const int32_t scaled = scaled_magnitude(coefficient, inverse(k)), magnitude = quantize_magnitude(scaled, source.rounding);
        sum.distortion += square((static_cast<int64_t>(magnitude) << 8) - scaled);
        sum.quarters += index_cost(magnitude);
        sum.nonzeros += magnitude > 0 ? 1 : 0;
    }

    MMIP_RULE void add_rough_sum(int k, const Rough& sum) const {
        add_to(&s.rough[k].distortion, sum.distortion);
        add_to(&s.rough[k].quarters, sum.quarters);
        add_to(reinterpret_cast<uint32_t*>(&s.rough[k].nonzeros), static_cast<uint32_t>(sum.nonzeros));
    }

    // Calls use(cell, mode, place in the order table, coefficient).
    template <class Use>
    MMIP_RULE void each_coefficient(int lane, const Use& use) const {
        const int k = lane / kCellLanes, mode = s.tried[k];
        if (mode < 0) return;
        for (int i = lane % kCellLanes; i < Lines::kCellSamples; i += kCellLanes) {
            const typename Lines::Coefficient c = Lines::coefficient(mode, k, i);
            use(k, mode, c.place, s.work[c.at]);
        }
    }

    // The bit of a coefficient in `found`, and which entry of its block it is.
    MMIP_RULE int bit_of(int mode, int k, int place) const {
        return (k - k % Lines::block_cells(mode)) * Lines::kCellSamples + batch.block(depth, mode).order[place];
    }
    MMIP_RULE int entry_of(int bit) const { return static_cast<int>(s.before[bit >> 5]) + bit_count(s.found[bit >> 5] & ((1u << (bit & 31)) - 1)); }

    // From which scaled magnitude on a coefficient of cell k is an entry; in reversible classes, all that are not 0.
    MMIP_RULE int32_t threshold(int k) const { return reversible(k) ? 1 : least_scaled(source.search, source.rounding); }
    MMIP_RULE bool is_entry(int k, int32_t scaled) const {
        return (source.search < kSearchRough ? rescale(k, scaled) : scaled) >= threshold(k);
    }

    // Returns the distortion of those that are no entries.
    MMIP_RULE int64_t find_entries(int lane) const {
        int64_t rest = 0;
        each_coefficient(lane, [&](int k, int mode, int place, float coefficient) {
            const int32_t scaled = scaled_magnitude(coefficient, inverse(k));
            if (!is_entry(k, scaled)) {
                rest += square(scaled);
                return;
            }
            const int bit = bit_of(mode, k, place);
            or_into(&s.found[bit >> 5], 1u << (bit & 31));
        });
        return rest;
    }

    MMIP_RULE void count_before(int lane) const {
        for (int i = lane; i < State::kWords; i += kLanes) {
            const int mode = s.tried[i / kCellWords];
            uint32_t sum = 0;
            if (mode >= 0)
                for (int n = i - i % (Lines::block_cells(mode) * kCellWords); n < i; ++n) sum += static_cast<uint32_t>(bit_count(s.found[n]));
            s.before[i] = sum;
        }
    }

    // Entries of the block in `mode` that starts at cell k.
    MMIP_RULE int entries_of(int mode, int k) const {
        const int last = (k + Lines::block_cells(mode)) * kCellWords - 1;
        return static_cast<int>(s.before[last]) + bit_count(s.found[last]);
    }

    // The index at a place of its block, and what it adds to the sums.
    MMIP_RULE void put(int64_t at, int position, int32_t scaled, int32_t magnitude, bool negative, IndexSums& sums) const {
        out.positions[at] = static_cast<uint16_t>(position);
        out.values[at] = negative ? -magnitude : magnitude;
        count_index(magnitude, scaled, sums);
    }

    // Stores the coefficients of the lane, rounded.
    MMIP_RULE void put_rounded(int lane, IndexSums& sums) const {
        each_coefficient(lane, [&](int k, int mode, int place, float coefficient) {
            const int32_t before = scaled_magnitude(coefficient, inverse(k)), scaled = rescale(k, before);
            const int32_t magnitude = reversible(k) ? scaled : quantize_magnitude(scaled, source.rounding);
            if (magnitude == 0) {
                sums.rest += square(before);
                return;
            }
            sums.distortion += reversible(k) ? 0 : square((static_cast<int64_t>(magnitude) << 8) - scaled);
            const int bit = bit_of(mode, k, place), first = k - k % Lines::block_cells(mode);
            put(room(first) + entry_of(bit), bit - first * Lines::kCellSamples, scaled, magnitude, coefficient < 0, sums);
        });
    }

    // Mode, count and DC of a cell whose block has so many indices; returns the squared error of the DC.
    MMIP_RULE int64_t put_cell(int k, int mode, int count) const {
        const int cells = Lines::block_cells(mode);
        const int64_t cell = t.first_cell + s.cells.place[k];
        out.counts[cell] = static_cast<uint16_t>(k % cells == 0 ? count : 0);
        out.modes[cell] = static_cast<uint8_t>(count == 0 && cells == 1 ? kMode8 : mode);
        const QuantizedDc dc = reversible(k) ? QuantizedDc{truncate(s.dcs[k]), 0} : quantize_scaled_dc(rescale(k, scaled_magnitude(s.dcs[k], inverse(k))), s.dcs[k] < 0, source.dc_unit);
        out.dcs[t.first_cell + s.cells.raster[k]] = dc.index;
        return dc.error;
    }

    MMIP_RULE void add_sums(int k, const IndexSums& sums) const {
        if (reversible(k)) return;
        IndexSums& total = out.sums[s.cells.tile * kMaxClasses + s.classes[k]];
        for (int n = 0; n < 3; ++n) add_to(&total.count[n], sums.count[n]), add_to(&total.excess[n], sums.excess[n]);
        add_to(&total.distortion, sums.distortion);
        add_to(&total.rest, sums.rest);
    }
};

}  // namespace mmip
