// The samples of one block: its indices dequantized and transformed back, at full or reduced scale.
// Values: SynthesizeJob and a block in; float samples out, before the offset and the clipping. Home: host, per instruction set.
// One item of work = one block; its phases are dequantize and inverse transform. Implements FORMAT.md sections 4 and 5. Knows no
// sample type, so that the transforms are compiled once for all types.
#pragma once

#include "rules/blocks/blocks.h"
#include "rules/blocks/quantize.h"
#include "passes/blocks/block_indices.h"
#include "passes/blocks/block_kernels.h"
#include "passes/blocks/placed_block.h"
#include "passes/blocks/scaled_blocks.h"
#include "passes/kernels.h"
#include "passes/palette/palette_kernels.h"

namespace MMIP_NS {

class BlockSynthesis {
public:
    explicit BlockSynthesis(const mmip::SynthesizeJob& job) : job_(job), t_(job.tile) {
        for (int c = 0; c < kMaxClasses; ++c) {
            unit_[c] = job.classes[c].step / kReconUnit;
            dc_step_[c] = job.classes[c].step / static_cast<float>(job.dc_unit);
        }
    }

    float dc_value(int raster) const { return static_cast<float>(t_.dc[raster]) * dc_step_[t_.classes[raster]]; }

    void skip(const PlacedBlock& b) { begin(b); }   // goes past a block

    // Its samples at full scale, [z][y][x].
    [[gnu::always_inline]] inline const F8* full(const PlacedBlock& b) {
        begin(b);
        if (b.view.mode == kModePalette) {
            paint(b);
        } else {
            find_coefficients(b);
            if (t_.depth == 8) transform<8>(b);
            else transform<1>(b);
        }
        return samples_;
    }

    // Its samples at scale 2 or 4, [z][y][x].
    [[gnu::noinline]] const float* reduced(const PlacedBlock& b) {
        begin(b);
        if (b.view.mode == kModePalette) {
            paint(b);
            reduce_painted();
        } else {
            find_coefficients(b);
            transform_scaled(b);
        }
        return floats(samples_);
    }

    // Its samples at full scale as stages 1 .. `stages` give them, one slice; `spectrum`: the transform of its prediction in the
    // transposed layout, or nullptr.
    [[gnu::noinline]] F8* predicted(const PlacedBlock& b, const F8* spectrum, int stages) {
        begin(b);
        if (b.view.mode == kModePalette) {
            paint(b);
        } else {
            put_spectrum(b, spectrum);
            dequantize_block<true>(b, stages);
            transform<1>(b);
        }
        return samples_;
    }

    // The same at scale 2 or 4, of all stages.
    [[gnu::noinline]] const float* predicted_reduced(const PlacedBlock& b, const F8* spectrum) {
        if (spectrum == nullptr) return reduced(b);
        begin(b);
        put_spectrum(b, spectrum);
        dequantize_block<true>(b, job_.stages);
        transform_scaled(b);
        return floats(samples_);
    }

private:
    void begin(const PlacedBlock& b) {
        class_ = t_.classes[raster(b, 0, 0, 0)];
        reach_ = 0;
        if (job_.counts == nullptr) return;
        positions_ = job_.positions + next_, values_ = job_.values + next_;   // blocks are asked for in coding order
        count_ = job_.counts[b.first];
        next_ += count_;
    }

    int raster(const PlacedBlock& b, int z, int y, int x) const { return ((b.z + z) * t_.ay + b.y + y) * t_.ax + b.x + x; }

    bool reversible() const { return job_.stages > 1 && job_.classes[class_].reversible != 0; }   // stage 1 alone: the DCT for all

    void find_coefficients(const PlacedBlock& b) {
        if (job_.stages > 1) dequantize_block<false>(b, job_.stages);
        else expect_low(b);
    }

    // Stage 1 alone: the two lowest AC of each axis as the DCs before and after the cell let expect.
    void expect_low(const PlacedBlock& b) {
        const int at = raster(b, 0, 0, 0);
        const auto along = [&](int position, int length, int stride, uint32_t unit) {
            const float own = dc_value(at), before = position > 0 ? dc_value(at - stride) : own, after = position + 1 < length ? dc_value(at + stride) : own;
            floats(block_)[unit] = expected_slope(before, after);
            floats(block_)[2 * unit] = expected_bend(before, own, after);
            reach_ |= 3 * unit;
        };
        along(b.x, t_.ax, 1, 8);
        along(b.y, t_.ay, t_.ax, 1);
        if (t_.depth == 8) along(b.z, t_.az, t_.ax * t_.ay, 64);
    }

    void put_spectrum(const PlacedBlock& b, const F8* spectrum) {
        if (spectrum == nullptr) return;
        __builtin_memcpy(block_, spectrum, sizeof(F8) * 8 * static_cast<uint64_t>(b.view.cells));
        reach_ = static_cast<uint32_t>(64 * b.view.cells - 1);
    }

    // The AC indices of the block in stages 2 .. `stages`; `added` to what is there.
    template <bool added>
    void dequantize_block(const PlacedBlock& b, int stages) {
        if (job_.counts == nullptr) {
            reach_ |= BlockIndices{job_, b.view, b.first}.dequantize<added>(stages, job_.classes[class_].recon, unit_[class_], floats(block_));
            return;
        }
        Dequantizer to{floats(block_), b.view.scan, {}, unit_[class_], 0};
        for (int d = 0; d < 4; ++d) to.recon[d] = job_.classes[class_].recon[d];
        const int limit = b.view.cells * job_.cut;
        for (int n = 0; n < count_ && positions_[n] < limit; ++n) to.put<added>(positions_[n], values_[n]);
        reach_ |= to.reach;
    }

    // A palette cell at full scale.
    void paint(const PlacedBlock& b) {
        int32_t held[palette_positions(8)] = {};
        if (job_.spans != nullptr) {
            const mmip::TokenSpan span = job_.spans[b.first];
            for (const mmip::Token* t = span.first; t < span.first + span.count; ++t) held[t->position] = t->value;
        } else if (job_.counts != nullptr) {
            for (int n = 0; n < count_; ++n) held[positions_[n]] = values_[n];
        } else {
            __builtin_memcpy(held, t_.ac + static_cast<int64_t>(b.first) * t_.per_cell, sizeof(int32_t) * palette_positions(t_.depth));
        }
        const float mean = dc_value(raster(b, 0, 0, 0)) * scale_factor(t_.depth, 8);
        paint_palette(held, t_.depth, mean, job_.classes[class_].step, floats(samples_));
    }

    // The means of its windows.
    void reduce_painted() {
        const int s = job_.scale, n = 8 / s, slices = t_.depth == 8 ? n : 1;
        float means[64] = {};
        for (int k = 0; k < slices; ++k)
            for (int j = 0; j < n; ++j)
                for (int i = 0; i < n; ++i) means[(k * n + j) * n + i] = window_mean(floats(samples_), 64, 8, k, j, i, s, t_.depth == 8 ? s : 1);
        __builtin_memcpy(floats(samples_), means, sizeof means);
    }

    void clear(int vectors) {
        for (int i = 0; i < vectors; ++i) block_[i] = F8{};
    }

    template <int depth>
    [[gnu::always_inline]] inline void transform(const PlacedBlock& b) {
        if (b.view.cells == 64) return merged_block<1, 64, 8>(b);
        if (b.view.cells == 16) return merged_block<1, 32, 4>(b);
        if (b.view.cells > 1) return merged_block<depth == 8 ? 16 : 1, 16, 2>(b);
        const float dc = dc_value(raster(b, 0, 0, 0));
        if (reach_ == 0 && !reversible()) return flat<depth>(dc);
        floats(block_)[0] = dc;
        if (reversible()) {
            inverse_reversible<depth>(block_, samples_);
        } else if (b.view.mode == kMode4) {
            inverse_quarters<depth>(block_, samples_);
        } else if (b.view.mode == kModeZ1) {
            idct_line<8, float>(floats(block_), 64);
            inverse_block<1, 8>(block_, samples_, depth, 8, 8);
        } else {
            return plain_block<depth, 8>();
        }
        clear(depth * 8);
    }

    // A block of one transform, its DC or corner included; what is zero beyond the reach of its coefficients is left out.
    template <int slices, int size>
    void plain_block() {
        const int reach_z = slices > 1 ? inverse_reach<slices>(static_cast<int>(reach_) / (size * size)) : 1;
        const int reach_x = inverse_reach<size>(static_cast<int>(reach_) / size % size), reach_y = inverse_reach<size>(static_cast<int>(reach_) % size);
        inverse_block<slices, size>(block_, samples_, reach_z, reach_x, reach_y);
        clear(reach_z * size * size / 8);
    }

    template <int slices, int size, int m>
    void merged_block(const PlacedBlock& b) {
        put_corner<(slices > 1 ? m : 1), m>(b);
        plain_block<slices, size>();
    }

    // The DCs of the m x m (x m) cells of a merged block through a transform of their own, to its lowest frequencies.
    template <int deep, int m>
    void put_corner(const PlacedBlock& b) {
        constexpr int size = 8 * m;
        float corner[deep * m * m];
        for (int k = 0; k < deep; ++k)
            for (int j = 0; j < m; ++j)
                for (int i = 0; i < m; ++i) corner[(k * m + j) * m + i] = dc_value(raster(b, k, j, i));
        corner_lines<deep, m, dct_line<m, float>>(corner);
        for (int k = 0; k < deep; ++k)
            for (int j = 0; j < m; ++j)
                for (int i = 0; i < m; ++i) floats(block_)[(k * size + i) * size + j] = corner[(k * m + j) * m + i];
    }

    // A cell without AC is flat: what the inverse transform gives when all other inputs are zero.
    template <int depth>
    void flat(float dc) {
        float value = dc * DctDc<8>::value * DctDc<8>::value;
        if constexpr (depth == 8) value = value * DctDc<8>::value;
        for (int i = 0; i < depth * 8; ++i) samples_[i] = F8{} + value;
    }

    // Scale 2 or 4: the low frequencies of the block, through a smaller inverse transform.
    void transform_scaled(const PlacedBlock& b) {
        const int cells = b.view.cells;
        if (cells == 64) put_corner<1, 8>(b);
        else if (cells == 16) put_corner<1, 4>(b);
        else if (cells == 8) put_corner<2, 2>(b);
        else if (cells > 1) put_corner<1, 2>(b);
        else floats(block_)[0] = dc_value(raster(b, 0, 0, 0));
        const ScaledBlock to{t_.depth, cells_along(cells) * 8, job_.scale};
        if (b.view.mode == kModeZ1) to.restore_slices(floats(block_), floats(samples_));
        else if (b.view.mode == kMode4) to.restore_quarters(floats(block_), floats(samples_));
        else to.restore(floats(block_), floats(samples_));
        clear(b.view.cells * t_.depth * 8);
    }

    static float* floats(F8* block) { return reinterpret_cast<float*>(block); }

    const mmip::SynthesizeJob& job_;
    const mmip::TileView& t_;
    float unit_[kMaxClasses], dc_step_[kMaxClasses];
    int class_ = 0;
    const uint16_t* positions_ = nullptr;   // of the block's entries
    const int32_t* values_ = nullptr;
    int count_ = 0, next_ = 0;              // how many; where those of the next block begin
    uint32_t reach_ = 0;                 // of the block's AC: their places or-ed together
    alignas(64) F8 block_[4096 / 8] = {};
    alignas(64) F8 samples_[4096 / 8];
};

}  // namespace MMIP_NS
