// What the phases of a close share: the block at hand, its candidates (coefficients by themselves and what predictions leave of them),
// and what code lengths make of each. Values: closing_state.h; indices of an analysis in, those that are decided out. One group = one tile,
// block after block; candidates stand side by side in the room of a superblock, as many as fit. Encoder side of FORMAT.md sections 3 to 5.
#pragma once

#include "device/kernels/blocks/closing_state.h"
#include "device/kernels/blocks/search_work.h"

namespace mmip {

struct ClosingWork {
    using Block = BlockRestorer<ClosingParams>;
    using Lines = BlockLines<1>;
    static constexpr int kLanes = Block::kLanes, kCellSamples = Lines::kCellSamples;

    const ClosingParams& p;
    ClosingState& s;
    const int32_t at;                        // the tile
    ClosingScratch& scratch;
    const DecodeTile& tile;

    MMIP_RULE const ChunkItem& chunk() const { return p.chunks[tile.item]; }
    MMIP_RULE const SampleItem& source() const { return p.sources[tile.item]; }
    MMIP_RULE int size() const { return s.block.size; }
    MMIP_RULE int samples() const { return size() * size(); }
    MMIP_RULE int cells() const { return samples() / kCellSamples; }
    MMIP_RULE int coefficients() const { return cells() * cell_coefficients(1); }
    MMIP_RULE int stages() const { return chunk().stages - 1; }
    MMIP_RULE int64_t first() const { return tile.base + s.block.next; }   // of the block, in the arrays in coding order
    MMIP_RULE const Block::Cells::Cell& cell() const { return s.block.superblock.cells[s.block.slot]; }
    MMIP_RULE int mode() const { return cell().mode; }
    MMIP_RULE float inverse() const { return 256.0f / (static_cast<float>(chunk().steps[cell().quality_class][tile.component]) / kStepOne); }
    MMIP_RULE IndexSums& sums() const { return p.sums[static_cast<int64_t>(at) * kMaxClasses + cell().quality_class]; }
    MMIP_RULE float* work() const { return s.block.superblock.samples; }
    MMIP_RULE bool has_edge() const { return prediction_fits(kPredictPlanar, cells(), s.block.z, s.block.y, s.block.x); }
    MMIP_RULE bool searches() const { return s.decides != 0 && s.left != 0; }

    // How many candidates are at hand together from one on.
    MMIP_RULE int many_from(int begin) const {
        const int most = superblock_cells(1) / cells(), many = s.decides != 0 ? s.candidate_count - begin : 0;
        return begin == 0 ? smaller_of(many, 1) : smaller_of(many, most);
    }

    // --- the block

    MMIP_RULE void load(int lane) const {
        const int64_t z = tile.cell[0] + s.block.z, y = (tile.cell[1] + s.block.y) * kCellSize, x = (tile.cell[2] + s.block.x) * kCellSize;
        for (int i = lane; i < samples(); i += kLanes) scratch.samples[i] = sample_of(source(), tile.plane, z, y + i / size(), x + i % size());
        if (lane != 0) return;
        const Block::Cells::Cell* own = &cell();
        bool hidden = p.hidden != nullptr;
        for (int j = 0; j < cells() && hidden; ++j) hidden = p.hidden[tile.base + own[j].raster] != 0;
        s.settled = hidden ? 1 : 0;
        s.decides = hidden || own->reversible != 0 || mode() == kModePalette ? 0 : 1;
        s.w = s.block.x > 0 ? p.near_predictions[tile.base + own->raster - 1] : kPredictNone;
        s.n = s.block.y > 0 ? p.near_predictions[tile.base + own->raster - tile.size[2]] : kPredictNone;
        s.left = 0;
        s.candidate_count = s.chosen = 0;
        add_candidate(kPredictNone);
    }

    MMIP_RULE void add_candidate(int prediction) const {
        const bool coded = may_be_predicted(cells(), s.block.z, s.block.y, s.block.x);
        const uint8_t* row = p.prediction_bits + kPredictionAlphabet * prediction_class(cells(), s.w, s.n);
        const int c = s.candidate_count++;
        s.candidates[c] = prediction;
        s.distortion[c] = 0, s.bits[c] = coded ? row[prediction_symbol(prediction, s.w, s.n)] : 0;
    }

    // --- candidates from number `begin` on, side by side

    MMIP_RULE int32_t predicted(int prediction, int y, int x) const {
        if (prediction != kPredictSlice) return prediction_from(s.edge, s.smooth, size(), prediction, y, x);
        const RestoredTile restored(p, tile);
        return restored.slice(s.block.z - 1)[(kCellSize * s.block.y + y) * restored.stride() + kCellSize * s.block.x + x];
    }

    MMIP_RULE void fill(int begin, int lane) const {
        for (int i = lane; i < many_from(begin) * samples(); i += kLanes) {
            const int c = i / samples(), j = i % samples(), y = j / size(), x = j % size();
            const CellOffset o = Lines::origin(c * cells());
            work()[Lines::at(0, o.y + y, o.x + x)] = begin == 0 ? scratch.samples[j] : to_float(predicted(s.candidates[begin + c], y, x));
        }
    }

    // Lines of so many candidates. Long ones fill the registers, so few others are in use.
    static MMIP_PART void transform(ClosingState& s, int many, int pass, int lane) {
        const int mode = s.block.superblock.cells[s.block.slot].mode;
        float* work = s.block.superblock.samples;
        for (int i = lane; i < many * Lines::block_cells(mode) * Lines::kCellLines; i += kLanes)
            Lines::pass(pass, mode, false, work, work, i / Lines::kCellLines, i % Lines::kCellLines);
    }

    MMIP_RULE void finish(int begin, int lane) const {
        for (int i = lane; i < ClosingState::kWords; i += kLanes) s.found[i] = 0;
        if (lane >= many_from(begin)) return;
        if (begin == 0) Lines::take_dcs(mode(), work(), 0, s.dcs);
        else if (mode() == kMode4) Lines::join_parts(work(), Lines::origin(lane * cells()));
    }

    // Where the coefficient at a scan position of a candidate stands.
    MMIP_RULE float& coefficient(int c, int position) const {
        const CellOffset o = Lines::origin(c * cells());
        const int place = p.items[tile.item].tables->scan[mode()][position];
        return work()[Lines::at(0, o.y + place % size(), o.x + place / size())];
    }

    MMIP_RULE void find(int begin, int lane) const {
        const int32_t least = least_scaled(source().search, source().rounding);
        for (int c = 0; c < many_from(begin); ++c) {
            int64_t rest = 0;
            for (int position = lane; position < coefficients(); position += kLanes) {
                float& v = coefficient(c, position);
                if (begin == 0) scratch.own[position] = v;
                else v = scratch.own[position] - v;
                const int32_t scaled = scaled_magnitude(v, inverse());
                if (begin == 0 && quantize_magnitude(scaled, source().rounding) > 0) or_into(&s.left, 1);
                if (scaled < least) rest += square(scaled);
                else or_into(&s.found[(c * cells() * kCellSamples + position) >> 5], 1u << ((c * cells() * kCellSamples + position) & 31));
            }
            add_to(&s.distortion[begin + c], rest);
        }
    }

    MMIP_RULE void count_before(int begin, int lane) const {
        const int words = cells() * kCellSamples / 32;
        for (int i = lane; i < many_from(begin) * words; i += kLanes) {
            uint32_t sum = 0;
            for (int n = i - i % words; n < i; ++n) sum += static_cast<uint32_t>(bit_count(s.found[n]));
            s.before[i] = sum;
        }
    }

    MMIP_RULE int entry_of(int bit) const { return static_cast<int>(s.before[bit >> 5]) + bit_count(s.found[bit >> 5] & ((1u << (bit & 31)) - 1)); }

    MMIP_RULE void list(int begin, int lane) const {
        for (int c = 0; c < many_from(begin); ++c) {
            const int base = c * cells() * kCellSamples;
            for (int position = lane; position < coefficients(); position += kLanes) {
                const int bit = base + position;
                if ((s.found[bit >> 5] >> (bit & 31) & 1) == 0) continue;
                const float v = coefficient(c, position);
                const int32_t scaled = scaled_magnitude(v, inverse());
                scratch.entries[begin + c][entry_of(bit)] = {static_cast<uint16_t>(position), static_cast<uint16_t>(v < 0 ? 1 : 0), scaled,
                                                             quantize_magnitude(scaled, kHalfUp)};
            }
            for (int i = lane; i <= stages(); i += kLanes) s.begins[begin + c][i] = static_cast<uint16_t>(entry_of(base + cells() * chunk().cuts[i]));
        }
    }

    // --- code lengths

    MMIP_RULE void decide(int lane) const {
        for (int i = lane; s.decides != 0 && i < s.candidate_count * stages(); i += kLanes) decide_stage(i / stages(), i % stages());
    }

    MMIP_RULE void choose(int lane) const {
        if (lane != 0) return;
        for (int c = 1; c < s.candidate_count; ++c)
            if (cost(c) < cost(s.chosen)) s.chosen = c;
    }

    MMIP_RULE void store(int lane) const {
        const int c = s.chosen, prediction = s.candidates[c];
        int written = 0;
        for (int i = 0; i < stages() && s.decides != 0; ++i) written += s.kept[c][i];
        for (int j = lane; j < cells(); j += kLanes) {
            p.predictions[first() + j] = p.near_predictions[tile.base + (&cell())[j].raster] = static_cast<uint8_t>(prediction);
            if (s.decides != 0 && source().dc_unit == 1) add_to(&sums().distortion, quantize_dc(s.dcs[j], inverse(), 1).error);
        }
        if (lane == 0 && s.decides + s.settled > 0) {
            p.counts[first()] = static_cast<uint16_t>(written);
            if (written == 0 && mode() == kMode4) p.modes[first()] = kMode8;
        }
        if (s.decides == 0) return;
        if (lane == 0) add_to(&sums().distortion, s.distortion[c]);
        store_indices(c, lane);
    }

    // What a palette leaves of a cell; the samples are restored, but not rounded.
    MMIP_RULE void add_error(int lane) const {
        if (mode() != kModePalette) return;
        int64_t squares = 0;
        for (int i = lane; i < samples(); i += kLanes) squares += square(scaled_difference(scratch.samples[i], *Block::sample(s.block, i), inverse()));
        add_to(&sums().distortion, squares);
    }

private:
    MMIP_RULE int64_t cost(int c) const { return weigh({s.distortion[c], s.bits[c]}); }

    MMIP_PART void decide_stage(int c, int i) const {
        const int from = s.begins[c][i], count = s.begins[c][i + 1] - from, low = cells() * chunk().cuts[i];
        const uint8_t* rates = p.rates + p.first_rates[chunk().first_payload + i + 1];
        const int context = p.header_classes[tile.spans + static_cast<int64_t>(s.block.next) * stages() + i];
        const BlockPosition* positions = p.items[tile.item].tables->blocks[mode()].positions;
        const Segment segment = block_segment(low, positions, rates + kHeaderSymbols, rates + context * kHeaderAlphabet, mode(), cells());
        Cost found;
        const int kept = decide_segment(scratch.entries[c] + from, count, segment, decision_rounds(source().search, false),
                                        StageMagnitudes{scratch.magnitudes[c], low}, found);
        s.kept[c][i] = static_cast<uint16_t>(kept);
        add_to(&s.distortion[c], found.distortion);
        add_to(&s.bits[c], found.bits);
    }

    MMIP_RULE void store_indices(int c, int lane) const {
        int64_t to = p.room(tile, s.block.next);
        IndexSums found{};
        for (int i = 0; i < stages(); to += s.kept[c][i++])
            for (int n = lane; n < s.kept[c][i]; n += kLanes) {
                const Entry& e = scratch.entries[c][s.begins[c][i] + n];
                p.positions[to + n] = e.position;
                p.values[to + n] = e.negative != 0 ? -e.magnitude : e.magnitude;
                count_index(e.magnitude, e.scaled, found);
            }
        for (int k = 0; k < 3; ++k) add_to(&sums().count[k], found.count[k]), add_to(&sums().excess[k], found.excess[k]);
    }
};

}  // namespace mmip
