// Entropy decoding of an AC sub-stream: block headers and tokens in, lists of nonzero indices out.
// Values: UnpackJob. Host and device. Implements FORMAT.md section 8.2. One item of work = one sub-stream; its tokens are read by
// read_token outside the reader, so that a host may decode two sub-streams in turns.
// Never reads outside the bytes, and writes no more than the job's arrays hold; sets a status instead.
#pragma once

#include "rules/palette/palette.h"
#include "rules/prediction/prediction.h"
#include "rules/tokens/token_reader.h"

namespace MMIP_NS {

// One sub-stream: block headers here, tokens by read_token, palette cells by palette_reader.h. `predicted`: blocks may have a
// prediction.
template <bool predicted>
class BlockReader {
public:
    MMIP_RULE explicit BlockReader(mmip::UnpackJob& job) : job_(job), bits_(job.data, job.bytes, job.first_bit) {
        source_ = {job.data, job.bytes, nullptr, job.magnitudes, job.token_codes, job.token_codes->fast, job.token_places, job.left_offsets, 0};
        cursor_ = {0, 0, 0, job.tokens};
    }

    // Goes on to the next block that has tokens; false at the sub-stream's end, and at a defect.
    MMIP_RULE bool next_block() {
        const int cells = job_.az * job_.ay * job_.ax;
        while (cell_ < cells) {
            const int status = read_header();
            if (status != kOk) return stop(status);
            if (cursor_.left > 0) return true;
        }
        job_.first_bit = bits_.position;
        return stop(job_.palettes > 0 ? static_cast<int>(kOk) : bits_.finish());
    }

    // After read_token: whether there is a block to go on with.
    MMIP_RULE bool go_on(int status) {
        if (status != kOk) {
            bits_.position = cursor_.bit;
            return stop(status);
        }
        if (cursor_.left > 0) return true;
        for (uint32_t p = first_; p < cursor_.p; ++p) job_.magnitudes[p] = 0;
        bits_.position = cursor_.bit;
        return next_block();
    }

    TokenSource source_;
    TokenCursor cursor_;

private:
    MMIP_RULE bool stop(int status) {
        job_.status = status != kOk && bits_.overrun() ? static_cast<int>(kStatusTruncated) : status;
        job_.tokens = cursor_.out;
        return false;
    }

    MMIP_RULE int read_header() {
        const int i = cell_;
        bits_.refill();
        const int header = decode_symbol(bits_, *job_.header_codes, header_class(context(i), job_.merges[i]));
        if (header < 0) return kStatusSymbol;
        const int mode = header >> 5, n_symbol = header & 31;
        const mmip::TokenBlock& block = job_.blocks[mode];
        if (block.cells == 0 || !fits(i, block)) return kStatusMode;
        bits_.refill();
        const uint32_t n = count_base(n_symbol) + bits_.take(count_extra_bits(n_symbol));
        const uint32_t low = static_cast<uint32_t>(block.cells * job_.low), high = static_cast<uint32_t>(block.cells * job_.high);
        if (n > high - low) return kStatusPosition;
        if (mode == kModePalette) return start_palette(i, n);
        if (n > static_cast<uint64_t>(job_.tokens_end - cursor_.out)) return kStatusTruncated;
        const int status = job_.sets_modes ? set_mode(i, mode, n, block.cells) : check_mode(i, mode, n, block.cells);
        if (status != kOk) return status;
        if constexpr (predicted) {
            const int found = read_prediction(i, block.cells);
            if (found != kOk) return found;
        }
        const uint32_t d = density(n, block.cells);
        for (int k = 0; k < block.cells; ++k) {
            job_.density[job_.raster[i + k]] = d;
            job_.spans[i + k] = {cursor_.out, k == 0 ? n : 0};
        }
        source_.positions = block.positions;
        source_.end = high;
        first_ = low;
        cursor_.bit = bits_.position;
        cursor_.p = low;
        cursor_.left = static_cast<int>(n);
        cell_ = i + block.cells;
        return kOk;
    }

    // A palette cell: what it holds comes after all blocks (palette_reader.h).
    MMIP_RULE int start_palette(int i, uint32_t n) {
        if (job_.stage != 2 || job_.high < palette_positions(job_.depth) || n < 1 || n >= kMaxColours) return kStatusMode;
        const int status = set_mode(i, kModePalette, n, 1);
        if (status != kOk) return status;
        job_.density[job_.raster[i]] = density(n, 1);
        if constexpr (predicted) set_prediction(i, 1, kPredictNone);
        job_.spans[i] = {nullptr, n};
        ++job_.palettes;
        cell_ = i + 1;
        return kOk;
    }

    // The symbol after a block's header, where the block may have a prediction.
    MMIP_RULE int read_prediction(int i, int cells) {
        const int at = job_.raster[i], slice = job_.ay * job_.ax, z = at / slice, y = at % slice / job_.ax, x = at % job_.ax;
        int prediction = kPredictNone;
        if (may_be_predicted(cells, z, y, x)) {
            const int w = x > 0 ? job_.near_predictions[at - 1] : kPredictNone, n = y > 0 ? job_.near_predictions[at - job_.ax] : kPredictNone;
            bits_.refill();
            const int symbol = decode_symbol(bits_, *job_.prediction_codes, prediction_class(cells, w, n));
            if (symbol < 0) return kStatusSymbol;
            bits_.refill();
            prediction = predicted_by_symbol(symbol, symbol == kSymbolAngle ? static_cast<int>(bits_.take(kAngleBits)) : 0, w, n);
            if (!prediction_fits(prediction, cells, z, y, x)) return kStatusPrediction;
            if (prediction != kPredictNone && job_.reversible != nullptr && job_.reversible[job_.classes[at]] != 0) return kStatusPrediction;
        }
        set_prediction(i, cells, prediction);
        return kOk;
    }

    MMIP_RULE void set_prediction(int i, int cells, int prediction) {
        for (int k = 0; k < cells; ++k) {
            job_.predictions[i + k] = static_cast<uint8_t>(prediction);
            job_.near_predictions[job_.raster[i + k]] = static_cast<uint8_t>(prediction);
        }
    }

    MMIP_RULE bool fits(int i, const mmip::TokenBlock& b) const {
        if (b.cells == 1) return true;
        const int at = job_.raster[i], z = at / (job_.ay * job_.ax), y = at / job_.ax % job_.ay, x = at % job_.ax;
        return z % b.z == 0 && y % b.y == 0 && x % b.x == 0 && z + b.z <= job_.az && y + b.y <= job_.ay && x + b.x <= job_.ax;
    }

    MMIP_RULE int context(int i) const {
        const int at = job_.raster[i], slice = job_.ay * job_.ax;
        uint32_t sum = 0;
        int neighbours = 0;
        if (at % job_.ax > 0) sum += job_.density[at - 1], ++neighbours;
        if (at % slice >= job_.ax) sum += job_.density[at - job_.ax], ++neighbours;
        if (at >= slice) sum += job_.density[at - slice], ++neighbours;
        return header_context(sum, neighbours);
    }

    MMIP_RULE int set_mode(int i, int mode, uint32_t n, int cells) {
        if (job_.stage > 2 && n == 0) {
            if (cells == 1 && mode != kMode8) return kStatusMode;
            mode = kMode8;
        }
        for (int k = 0; k < cells; ++k) job_.modes[i + k] = static_cast<uint8_t>(mode);
        if (job_.reversible == nullptr) return kOk;
        const int first = job_.classes[job_.raster[i]];
        for (int k = 0; k < cells; ++k)
            if (job_.classes[job_.raster[i + k]] != first) return kStatusDisagree;
        return job_.reversible[first] != 0 && mode != kMode8 ? kStatusDisagree : kOk;
    }

    MMIP_RULE int check_mode(int i, int mode, uint32_t n, int cells) const {
        if (n == 0) return cells == 1 && mode != kMode8 ? kStatusMode : kOk;
        for (int k = 0; k < cells; ++k)
            if (job_.modes[i + k] != mode) return kStatusDisagree;
        return kOk;
    }

    mmip::UnpackJob& job_;
    BitReader bits_;
    int cell_ = 0;
    uint32_t first_ = 0;
};

}  // namespace MMIP_NS
