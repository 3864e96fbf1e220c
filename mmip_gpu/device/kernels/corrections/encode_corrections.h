// Corrections of an encoder: the indices of residuals, their symbols, and their bits at their places in the output.
// Values: original and decoded samples of tiles in; decoded samples corrected in place, counts, sizes and bits out. One group = one
// tile; a lane takes a part of its samples, one after the other. Implements FORMAT.md sections 2 (last step) and 8.3.
#pragma once

#include "rules/corrections/correction_walk.h"
#include "rules/samples/sample_positions.h"
#include "rules/tokens/tokens.h"
#include "device/kernels/atomics.h"
#include "device/kernels/coding/substream_offsets.h"
#include "device/kernels/coding/placed_bits.h"

namespace mmip {

struct CorrectedItem {
    const void* original;                    // planes, C order
    void* decoded;                           // the same; corrected
    int64_t shape[3];
    int64_t symbols;                         // first of the payload in counts and words
    int64_t body;                            // where its sub-streams begin, in bytes of the output
    int32_t type;                            // index of kSampleTypes
    int32_t error, minimum, maximum;
    MMIP_FIELDS(original, decoded, shape, symbols, body, type, error, minimum, maximum)
};

struct CorrectedTile {
    int64_t plane, first[3];                 // its first sample
    int64_t frame;                           // its first value in the frames
    int32_t size[3];                         // samples
    int32_t item;

    MMIP_RULE int64_t samples() const { return static_cast<int64_t>(size[0]) * size[1] * size[2]; }

    MMIP_FIELDS(plane, first, frame, size, item)
};

struct CorrectionKernels {
    static constexpr int kLanes = 128;

    struct Params {
        int64_t groups;                      // tiles; their order is that of the sub-streams
        const CorrectedItem* items;
        const CorrectedTile* tiles;
        int32_t* frames;                     // zeroed; see CorrectionFrame
        CorrectionState* states;             // kLanes a tile: where each lane begins
        uint8_t* all_runs;                   // by tile
        uint32_t* counts;                    // zeroed
        const uint32_t* words;               // of the codes
        uint32_t* lane_bits;                 // kLanes a tile: bits of the lanes before
        uint32_t* sizes;                     // bytes of the sub-streams
        const int64_t* offsets;              // of the sub-streams from their body
        uint32_t* output;                    // zeroed
        MMIP_FIELDS(groups, items, tiles, frames, states, all_runs, counts, words, lane_bits, sizes, offsets, output)
    };

    static MMIP_RULE CorrectionFrame frame_of(const Params& p, const CorrectedTile& t) { return {p.frames + t.frame, t.size[0], t.size[1], t.size[2]}; }

    static MMIP_RULE int64_t first_of(const CorrectedTile& t, int lane) { return t.samples() * lane / kLanes; }

    // The symbols of a lane, from the state that it begins with.
    template <class Sink>
    static MMIP_RULE void walk(const Params& p, const CorrectedTile& t, int lane, bool all_runs, CorrectionState state, Sink& sink) {
        CorrectionSymbols<Sink> out{sink};
        walk_corrections(frame_of(p, t), first_of(t, lane), first_of(t, lane + 1), all_runs, state, out);
        if (lane == kLanes - 1) state.finish(out);
    }
};

// Corrects the decoded samples and puts the indices into their frames.
struct FindCorrectionsKernel : CorrectionKernels {
    static constexpr int kPhases = 1;
    struct Shared {};

    template <class T>
    static MMIP_RULE void find(const CorrectedItem& item, const CorrectedTile& t, const CorrectionFrame& frame, int lane) {
        const T* original = static_cast<const T*>(item.original);
        T* decoded = static_cast<T*>(item.decoded);
        for (int64_t i = lane; i < t.samples(); i += kLanes) {
            const int64_t row = i / t.size[2], x = i % t.size[2];
            const int64_t at = sample_position(item.shape, t.plane, t.first[0] + row / t.size[1], t.first[1] + row % t.size[1], t.first[2] + x);
            const int32_t before = decoded[at], index = correction_index(static_cast<int32_t>(original[at]) - before, item.error);
            frame.row(row)[x] = index;
            decoded[at] = static_cast<T>(corrected(before, index, item.error, item.minimum, item.maximum));
        }
    }

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const CorrectedTile& t = p.tiles[group];
        const CorrectedItem& item = p.items[t.item];
        const CorrectionFrame frame = frame_of(p, t);
        switch (item.type) {
            case kSampleU8: return find<uint8_t>(item, t, frame, lane);
            case kSampleI8: return find<int8_t>(item, t, frame, lane);
            case kSampleU16: return find<uint16_t>(item, t, frame, lane);
            case kSampleI16: return find<int16_t>(item, t, frame, lane);
            default: return find<int32_t>(item, t, frame, lane);
        }
    }
};

// Chooses the way of each tile, finds where its lanes begin, and counts their symbols.
struct CountCorrectionsKernel : CorrectionKernels {
    static constexpr int kPhases = 6, kWays = 2, kSymbols = kCorrectionClasses * kCorrectionAlphabet;
    struct Shared {
        CorrectionPart parts[kWays][2][kLanes];   // by whether they begin inside a run
        CorrectionState states[kWays][kLanes];
        uint32_t bits[kWays][kLanes];
        uint32_t counts[kSymbols];
        bool all_runs;
    };
    struct Counts {
        uint32_t* of;

        MMIP_RULE void symbol(int c, int s) { add_to(of + c * kCorrectionAlphabet + s, 1); }
        MMIP_RULE void raw(uint32_t, int) {}
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        const CorrectedTile& t = p.tiles[group];
        if constexpr (phase == 0) {
            for (int i = lane; i < kSymbols; i += kLanes) s.counts[i] = 0;
            for (int n = 0; n < 2 * kWays; ++n)
                s.parts[n / 2][n % 2][lane] = correction_part(frame_of(p, t), first_of(t, lane), first_of(t, lane + 1), n / 2 != 0, n % 2 != 0);
        } else if constexpr (phase == 1) {
            if (lane >= kWays) return;
            CorrectionState state{0, 0, 0};
            for (int i = 0; i < kLanes; ++i) {
                s.states[lane][i] = state;
                state = s.parts[lane][state.in_run][i].after(state);
            }
        } else if constexpr (phase == 2) {
            for (int way = 0; way < kWays; ++way) {
                CorrectionWeight weight;
                walk(p, t, lane, way != 0, s.states[way][lane], weight);
                s.bits[way][lane] = weight.bits;
            }
        } else if constexpr (phase == 3) {
            if (lane > 0) return;
            uint32_t bits[kWays] = {0, 0};
            for (int i = 0; i < kLanes; ++i) bits[0] += s.bits[0][i], bits[1] += s.bits[1][i];
            s.all_runs = bits[1] < bits[0];
            p.all_runs[group] = s.all_runs ? 1 : 0;
        } else if constexpr (phase == 4) {
            const CorrectionState begin = s.states[s.all_runs ? 1 : 0][lane];
            p.states[group * kLanes + lane] = begin;
            Counts sink{s.counts};
            walk(p, t, lane, s.all_runs, begin, sink);
        } else {
            uint32_t* all = p.counts + p.items[t.item].symbols;
            for (int i = lane; i < kSymbols; i += kLanes)
                if (s.counts[i] != 0) add_to(all + i, s.counts[i]);
        }
    }
};

template <class Writer>
struct CorrectionBits {
    const uint32_t* words;
    Writer& out;

    MMIP_RULE void symbol(int c, int s) { put_word(out, words[c * kCorrectionAlphabet + s], 0, 0); }
    MMIP_RULE void raw(uint32_t value, int bits) { out.put(value, bits); }
};

struct CountCorrectionBitsKernel : CorrectionKernels {
    static constexpr int kPhases = 2;
    struct Shared {
        uint32_t bits[kLanes];
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        if constexpr (phase == 0) {
            const CorrectedTile& t = p.tiles[group];
            BitCounter counter;
            CorrectionBits<BitCounter> sink{p.words + p.items[t.item].symbols, counter};
            walk(p, t, lane, p.all_runs[group] != 0, p.states[group * kLanes + lane], sink);
            s.bits[lane] = counter.count;
        } else {
            uint32_t before = 1;             // the way
            for (int i = 0; i < lane; ++i) before += s.bits[i];
            p.lane_bits[group * kLanes + lane] = before;
            if (lane == kLanes - 1) p.sizes[group] = stream_bytes(before + s.bits[lane]);
        }
    }
};

struct WriteCorrectionsKernel : CorrectionKernels {
    static constexpr int kPhases = 1;
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const CorrectedTile& t = p.tiles[group];
        const CorrectedItem& item = p.items[t.item];
        const bool all_runs = p.all_runs[group] != 0;
        const int64_t first = 8 * (item.body + p.offsets[group]), before = lane == 0 ? 0 : p.lane_bits[group * kLanes + lane];
        PlacedBits out(p.output, first + before);
        if (lane == 0) out.put(all_runs ? 1 : 0, 1);
        CorrectionBits<PlacedBits> sink{p.words + item.symbols, out};
        walk(p, t, lane, all_runs, p.states[group * kLanes + lane], sink);
        out.finish();
    }
};

}  // namespace mmip
