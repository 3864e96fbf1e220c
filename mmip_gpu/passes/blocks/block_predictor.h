// The prediction of a block from what stages 1 and 2 gave before it in its tile, with vectors.
// Values: restored integers of the tile (slices of rows of whole cells) in; floats [y][x] of the block out. Home: host, per
// instruction set. One item of work = one block. Gives what prediction_at of rules/prediction/prediction.h gives.
#pragma once

#include "rules/prediction/prediction.h"
#include "passes/blocks/block_kernels.h"
#include "passes/kernels.h"

namespace MMIP_NS {

// The forward transform of a block in a mode, its DC or corner dropped.
struct SpectrumTransform {
    alignas(64) F8 scratch[4096 / 8];

    void run(int mode, const F8* samples, F8* spectrum) {
        if (mode == kMode16) return merged<16, 2>(samples, spectrum);
        if (mode == kMode32) return merged<32, 4>(samples, spectrum);
        if (mode == kMode64) return merged<64, 8>(samples, spectrum);
        if (mode == kMode4) forward_quarters<1>(samples, scratch, spectrum);
        else forward_planes<1, 8>(samples, scratch, spectrum);
        reinterpret_cast<float*>(spectrum)[0] = 0;
    }

private:
    template <int size, int m>
    void merged(const F8* samples, F8* spectrum) {
        forward_planes<1, size>(samples, scratch, spectrum);
        for (int x = 0; x < m; ++x)
            for (int y = 0; y < m; ++y) reinterpret_cast<float*>(spectrum)[x * size + y] = 0;
    }
};

class BlockPredictor {
public:
    void use(const mmip::TileView& tile, const int32_t* restored) { t_ = tile, restored_ = restored; }

    // The block of size x size samples whose first cell has this coding index.
    void begin(int first, int size) {
        const int at = t_.raster[first], stride = 8 * t_.ax;
        size_ = size, z_ = at / (t_.ay * t_.ax), y_ = at / t_.ax % t_.ay, x_ = at % t_.ax;
        slice_ = restored_ + static_cast<int64_t>(z_) * slice_samples();
        has_edge_ = prediction_fits(kPredictPlanar, cells(), z_, y_, x_);
        if (!has_edge_) return;
        find_edge(edge_of(slice_, stride, y_, x_, size, t_.ax), edge_);
        smooth_edge(edge_, size, smooth_);
    }

    bool fits(int prediction) const { return prediction_fits(prediction, cells(), z_, y_, x_); }
    bool may_be_predicted() const { return has_edge_ || z_ > 0; }

    void predict(int prediction, F8* out) const {
        if (prediction == kPredictSlice) return copy_slice(out);
        if (prediction == kPredictPlanar) return planar(out);
        angle(prediction, takes_smooth_edge(prediction, size_) ? smooth_ : edge_, out);
    }

private:
    int cells() const { return size_ * size_ / 64; }
    int64_t slice_samples() const { return static_cast<int64_t>(64) * t_.ay * t_.ax; }

    void copy_slice(F8* out) const {
        const int stride = 8 * t_.ax;
        const int32_t* from = slice_ - slice_samples() + 8 * (y_ * stride + x_);
        for (int y = 0; y < size_; ++y)
            for (int x = 0; x < size_; x += 8) *out++ = to_float(load(from + y * stride + x));
    }

    void planar(F8* out) const {
        const int32_t *left = edge_ + 2 * size_ - 1, *row = edge_ + 2 * size_ + 1;
        const int shift = bit_length(static_cast<uint32_t>(size_));   // log2 + 1
        for (int y = 0; y < size_; ++y)
            for (int x = 0; x < size_; x += 8) {
                const I8 column = I8{0, 1, 2, 3, 4, 5, 6, 7} + x;
                const I8 sum = (size_ - 1 - column) * left[-y] + (column + 1) * row[size_] + (size_ - 1 - y) * load(row + x) + ((y + 1) * left[-size_] + size_);
                *out++ = to_float(sum >> shift);
            }
    }

    void angle(int prediction, const int32_t* edge, F8* out) const {
        const int step = angle_step(prediction), corner = 2 * size_, forward = prediction >= kFirstVertical ? 1 : -1, low = (size_ * step) >> 5;
        int32_t line[3 * kLargestPredicted + 10];
        int32_t* reference = line + kLargestPredicted;
        for (int k = 0; k <= 2 * size_; ++k) reference[k] = edge[corner + forward * k];
        for (int k = 1; k <= 8; ++k) reference[2 * size_ + k] = 0;   // taken 0 times
        if (low < -1)
            for (int k = low, inverse = inverse_angle(prediction); k < 0; ++k) reference[k] = edge[corner - forward * ((k * inverse + 128) >> 8)];
        alignas(32) F8 turned[kLargestPredicted * kLargestPredicted / 8];
        F8* to = forward > 0 ? out : turned;
        for (int r = 0; r < size_; ++r) {
            const int at = (r + 1) * step, f = at & 31;
            const int32_t* from = reference + (at >> 5) + 1;
            for (int i = 0; i < size_; i += 8) *to++ = to_float(((32 - f) * load(from + i) + f * load(from + i + 1) + 16) >> 5);
        }
        if (forward > 0) return;
        const int groups = size_ / 8;
        for (int y = 0; y < groups; ++y)
            for (int x = 0; x < groups; ++x) transpose8(turned + 8 * y * groups + x, groups, out + 8 * x * groups + y, groups);
    }

    static I8 load(const int32_t* from) {
        I8 v;
        __builtin_memcpy(&v, from, sizeof v);
        return v;
    }

    mmip::TileView t_{};
    const int32_t* restored_ = nullptr;
    const int32_t* slice_ = nullptr;
    int size_ = 8, z_ = 0, y_ = 0, x_ = 0;
    bool has_edge_ = false;
    int32_t edge_[kEdgeSamples + 8], smooth_[kEdgeSamples + 8];
};

}  // namespace MMIP_NS
