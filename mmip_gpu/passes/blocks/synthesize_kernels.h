// The synthesis kernel: quantized coefficients of one tile in, samples out, at full or reduced scale.
// Values: SynthesizeJob. Home: host, per instruction set. One item of work = one block; its phases are dequantize, inverse
// transform, store. Implements FORMAT.md sections 2, 4, 5.
#pragma once

#include "rules/blocks/blocks.h"
#include "rules/blocks/quantize.h"
#include "passes/blocks/block_kernels.h"
#include "passes/kernels.h"
#include "passes/palette/palette_kernels.h"

namespace MMIP_NS {

template <class T>
class TileSynthesis {
public:
    explicit TileSynthesis(const mmip::SynthesizeJob& job) : job_(job), t_(job.tile), clip_(job.offset, job.minimum, job.maximum) {
        for (int c = 0; c < kMaxClasses; ++c) {
            unit_[c] = job.classes[c].step / kReconUnit;
            dc_step_[c] = job.classes[c].step / static_cast<float>(job.dc_unit);
        }
    }

    void run() {
        const int cells = t_.az * t_.ay * t_.ax;
        for (int i = 0; i < cells;) {
            const int mode = job_.stages > 1 ? t_.modes[i] : kMode8;
            const mmip::BlockView& view = t_.blocks[mode];
            const int at = t_.raster[i];
            const int z = at / (t_.ay * t_.ax), y = at / t_.ax % t_.ay, x = at % t_.ax;
            class_ = t_.classes[at];
            reach_ = 0;
            if (mode == kModePalette && job_.scale < 8) {
                palette_cell(i, z, y, x);
                ++i;
                continue;
            }
            if (job_.stages > 1 && job_.scale < 8) dequantize_block(view, i);
            if (job_.stages == 1 && job_.scale < 8) expect_low(z, y, x);
            if (job_.scale == 8) scaled_dc(i, view.cells);
            else if (job_.scale > 1) scaled_block(view, z, y, x);
            else if (t_.depth == 8) full_block<8>(view, z, y, x);
            else full_block<1>(view, z, y, x);
            i += view.cells;
        }
    }

private:
    bool reversible() const { return job_.stages > 1 && job_.classes[class_].reversible != 0; }   // stage 1 alone: the DCT for all

    float dc_value(int raster) const { return static_cast<float>(t_.dc[raster]) * dc_step_[t_.classes[raster]]; }

    // Stage 1 alone: the two lowest AC of each axis as the DCs before and after the cell let expect.
    void expect_low(int z, int y, int x) {
        const int at = (z * t_.ay + y) * t_.ax + x;
        const auto along = [&](int place, int length, int stride, uint32_t unit) {
            const float own = dc_value(at), before = place > 0 ? dc_value(at - stride) : own, after = place + 1 < length ? dc_value(at + stride) : own;
            floats(block_)[unit] = expected_slope(before, after);
            floats(block_)[2 * unit] = expected_bend(before, own, after);
            reach_ |= 3 * unit;
        };
        along(x, t_.ax, 1, 8);
        along(y, t_.ay, t_.ax, 1);
        if (t_.depth == 8) along(z, t_.az, t_.ax * t_.ay, 64);
    }

    // What dequantizing one index after the other needs; values, so that they stay in registers.
    struct Dequantizer {
        float* block;                    // transposed layout, zero but for what was put there
        const uint16_t* scan;
        int32_t recon[4];
        float unit;
        uint32_t reach;                  // places or-ed together

        void put(uint32_t position, int32_t index) {
            const uint32_t place = scan[position];
            reach |= place;
            block[place] = dequantize(index, recon, unit);
        }
    };

    // All AC indices of the block whose first cell has coding index i.
    void dequantize_block(const mmip::BlockView& view, int i) {
        Dequantizer to{floats(block_), view.scan, {}, unit_[class_], 0};
        for (int d = 0; d < 4; ++d) to.recon[d] = job_.classes[class_].recon[d];
        if (job_.spans != nullptr) {
            const int cells = t_.az * t_.ay * t_.ax;
            for (int stage = 2; stage <= job_.stages; ++stage) {
                const mmip::TokenSpan span = job_.spans[(stage - 2) * cells + i];
                for (const mmip::Token* t = span.first; t < span.first + span.count; ++t) to.put(t->position, t->value);
            }
        } else {
            const int32_t* q = t_.ac + static_cast<int64_t>(i) * t_.per_cell;
            const uint32_t limit = static_cast<uint32_t>(view.cells * job_.cut);
            for (uint32_t p = 0; p < limit; ++p)
                if (q[p] != 0) to.put(p, q[p]);
        }
        reach_ = to.reach;
    }

    // A palette cell, painted at full scale; scaled: the means over windows.
    void palette_cell(int i, int z, int y, int x) {
        int32_t held[palette_positions(8)] = {};
        if (job_.spans != nullptr) {
            const mmip::TokenSpan span = job_.spans[i];
            for (const mmip::Token* t = span.first; t < span.first + span.count; ++t) held[t->position] = t->value;
        } else {
            __builtin_memcpy(held, t_.ac + static_cast<int64_t>(i) * t_.per_cell, sizeof(int32_t) * palette_positions(t_.depth));
        }
        const float mean = dc_value((z * t_.ay + y) * t_.ax + x) * scale_factor(t_.depth, 8);
        paint_palette(held, t_.depth, mean, job_.classes[class_].step, floats(samples_));
        if (job_.scale == 1) return t_.depth == 8 ? store<8, 8>(z, y, x) : store<1, 8>(z, y, x);
        const int s = job_.scale, n = 8 / s, slices = t_.depth == 8 ? n : 1;
        for (int k = 0; k < slices; ++k)
            for (int j = 0; j < n; ++j) {
                float row[4];
                for (int m = 0; m < n; ++m) row[m] = window_mean(floats(samples_), 64, 8, k, j, m, s, t_.depth == 8 ? s : 1);
                const int64_t first = t_.depth == 8 ? (t_.cell[0] + z) * n : t_.cell[0] + z;
                store_row(row, first + k, (t_.cell[1] + y) * n + j, (t_.cell[2] + x) * n, n);
            }
    }

    void clear(int vectors) {
        for (int i = 0; i < vectors; ++i) block_[i] = F8{};
    }

    template <int depth>
    void full_block(const mmip::BlockView& view, int z, int y, int x) {
        if (view.cells == 64) return merged_block<1, 64, 8>(z, y, x);
        if (view.cells == 16) return merged_block<1, 32, 4>(z, y, x);
        if (view.cells > 1) return merged_block<depth == 8 ? 16 : 1, 16, 2>(z, y, x);
        const float dc = dc_value((z * t_.ay + y) * t_.ax + x);
        if (reach_ == 0 && !reversible()) return store_flat<depth>(dc, z, y, x);
        floats(block_)[0] = dc;
        if (reversible()) {
            inverse_reversible<depth>(block_, samples_);
        } else if (view.mode == kMode4) {
            inverse_quarters<depth>(block_, samples_);
        } else if (view.mode == kModeZ1) {
            idct_line<8, float>(floats(block_), 64);
            inverse_block<1, 8>(block_, samples_, depth, 8, 8);
        } else {
            return plain_block<depth, 8>(z, y, x);
        }
        clear(depth * 8);
        store<depth, 8>(z, y, x);
    }

    // A block of one transform, its DC or corner included; what is zero beyond the reach of its coefficients is left out.
    template <int slices, int size>
    void plain_block(int z, int y, int x) {
        const int reach_z = slices > 1 ? inverse_reach<slices>(static_cast<int>(reach_) / (size * size)) : 1;
        const int reach_x = inverse_reach<size>(static_cast<int>(reach_) / size % size), reach_y = inverse_reach<size>(static_cast<int>(reach_) % size);
        inverse_block<slices, size>(block_, samples_, reach_z, reach_x, reach_y);
        clear(reach_z * size * size / 8);
        store<slices, size>(z, y, x);
    }

    template <int slices, int size, int m>
    void merged_block(int z, int y, int x) {
        constexpr int corner_depth = slices > 1 ? m : 1;
        float corner[corner_depth * m * m];
        for (int k = 0; k < corner_depth; ++k)
            for (int j = 0; j < m; ++j)
                for (int i = 0; i < m; ++i) corner[(k * m + j) * m + i] = dc_value(((z + k) * t_.ay + y + j) * t_.ax + x + i);
        corner_lines<corner_depth, m, dct_line<m, float>>(corner);
        for (int k = 0; k < corner_depth; ++k)
            for (int j = 0; j < m; ++j)
                for (int i = 0; i < m; ++i) floats(block_)[(k * size + i) * size + j] = corner[(k * m + j) * m + i];
        plain_block<slices, size>(z, y, x);
    }

    T clip(int32_t value) const {
        const int32_t v = value + job_.offset;
        return static_cast<T>(v < job_.minimum ? job_.minimum : (v > job_.maximum ? job_.maximum : v));
    }

    // Where a sample of the scaled plane stands in the output; nullptr outside the plane.
    T* place(int64_t z, int64_t y, int64_t x) const {
        if (z >= job_.plane_shape[0] || y >= job_.plane_shape[1] || x >= job_.plane_shape[2]) return nullptr;
        return static_cast<T*>(job_.samples) +
               ((z - job_.origin[0]) * job_.shape[1] + y - job_.origin[1]) * job_.shape[2] + x - job_.origin[2];
    }

    // One row of the output; samples past the plane's end are dropped.
    void store_row(const float* row, int64_t z, int64_t y, int64_t x, int count) {
        T* out = place(z, y, x);
        if (out == nullptr) return;
        if (count > job_.plane_shape[2] - x) count = static_cast<int>(job_.plane_shape[2] - x);
        for (int i = 0; i < count; ++i) out[i] = clip(to_sample(row[i]));
    }

    // Eight samples of the output in one row.
    void store_eight(F8 values, T* out) const {
        if constexpr (sizeof(T) <= 2) {
            typedef int16_t Short __attribute__((vector_size(16)));
            typedef T Eight __attribute__((vector_size(8 * sizeof(T))));
            const Eight v = __builtin_convertvector(__builtin_convertvector(clip_.samples(values), Short), Eight);   // step by step: faster code
            __builtin_memcpy(out, &v, sizeof v);
        } else {
            for (int i = 0; i < 8; ++i) out[i] = clip(to_sample(values[i]));
        }
    }

    bool inside(int64_t z, int64_t y, int64_t x) const {
        return z <= job_.plane_shape[0] && y <= job_.plane_shape[1] && x <= job_.plane_shape[2];
    }

    template <int slices, int size>
    void store(int z, int y, int x) {
        const int64_t z0 = (t_.cell[0] + z) * t_.depth, y0 = (t_.cell[1] + y) * 8, x0 = (t_.cell[2] + x) * 8;
        const F8* from = samples_;
        if (inside(z0 + slices, y0 + size, x0 + size)) {
            const int64_t row = job_.shape[2], slice = job_.shape[1] * row;
            T* to = place(z0, y0, x0);
            for (int k = 0; k < slices; ++k, to += slice)
                for (int j = 0; j < size; ++j)
                    for (int i = 0; i < size; i += 8) store_eight(*from++, to + j * row + i);
        } else {
            for (int k = 0; k < slices; ++k)
                for (int j = 0; j < size; ++j, from += size / 8) store_row(reinterpret_cast<const float*>(from), z0 + k, y0 + j, x0, size);
        }
    }

    // A cell without AC is flat: what the inverse transform gives when all other inputs are zero.
    template <int depth>
    void store_flat(float dc, int z, int y, int x) {
        float value = dc * DctDc<8>::value * DctDc<8>::value;
        if constexpr (depth == 8) value = value * DctDc<8>::value;
        for (int i = 0; i < depth * 8; ++i) samples_[i] = F8{} + value;
        store<depth, 8>(z, y, x);
    }

    void scaled_dc(int i, int many) {
        for (int k = 0; k < many; ++k) {
            const int at = t_.raster[i + k];
            T* out = place(t_.cell[0] + at / (t_.ay * t_.ax), t_.cell[1] + at / t_.ax % t_.ay, t_.cell[2] + at % t_.ax);
            if (out != nullptr) *out = clip(to_sample(dc_value(at) * scale_factor(t_.depth, 8)));
        }
    }

    // Scale 2 or 4: the corner of the block, through a smaller inverse transform.
    void scaled_block(const mmip::BlockView& view, int z, int y, int x) {
        const int m = view.cells == 64 ? 8 : (view.cells == 16 ? 4 : (view.cells > 1 ? 2 : 1)), size = 8 * m, s = job_.scale, n = size / s;
        const int slices = t_.depth == 8 ? size : 1, out_slices = t_.depth == 8 ? n : 1, md = t_.depth == 8 ? m : 1;
        float* block = floats(block_);
        float corner[64];
        for (int k = 0; k < md; ++k)
            for (int j = 0; j < m; ++j)
                for (int i = 0; i < m; ++i) corner[(k * m + j) * m + i] = dc_value(((z + k) * t_.ay + y + j) * t_.ax + x + i);
        if (m == 2 && md == 2) corner_lines<2, 2, dct_line<2, float>>(corner);
        if (m == 2 && md == 1) corner_lines<1, 2, dct_line<2, float>>(corner);
        if (m == 4) corner_lines<1, 4, dct_line<4, float>>(corner);
        if (m == 8) corner_lines<1, 8, dct_line<8, float>>(corner);
        for (int k = 0; k < md; ++k)
            for (int j = 0; j < m; ++j)
                for (int i = 0; i < m; ++i) block[(k * size + i) * size + j] = corner[(k * m + j) * m + i];
        float* out = floats(samples_);
        if (view.mode == kModeZ1) {
            scaled_slices(block, n, s, out);
        } else if (view.mode == kMode4) {
            scaled_quarters(block, n, s, out);
        } else {
            for (int k = 0; k < out_slices; ++k)
                for (int j = 0; j < n; ++j)
                    for (int i = 0; i < n; ++i) out[(k * n + j) * n + i] = block[(k * size + i) * size + j];
            inverse_small(out, out_slices, n);
            const float factor = scale_factor(t_.depth, s);
            for (int i = 0; i < out_slices * n * n; ++i) out[i] = out[i] * factor;
        }
        clear(slices * size * size / 8);
        const int64_t z0 = t_.depth == 8 ? (t_.cell[0] + z) * 8 / s : t_.cell[0] + z;
        for (int k = 0; k < out_slices; ++k)
            for (int j = 0; j < n; ++j)
                store_row(out + (k * n + j) * n, z0 + k, (t_.cell[1] + y) * 8 / s + j, (t_.cell[2] + x) * 8 / s, n);
    }

    static void inverse_small(float* values, int slices, int n) {
        for (int row = 0; row < slices * n; ++row) idct_any<32>(values + row * n, 1, n);
        for (int k = 0; k < slices; ++k)
            for (int i = 0; i < n; ++i) idct_any<32>(values + k * n * n + i, n, n);
        if (slices > 1)
            for (int i = 0; i < n * n; ++i) idct_any<32>(values + i, n * n, n);
    }

    // Mode z1: every part reduced on its own, then s parts averaged.
    static void scaled_slices(float* block, int n, int s, float* out) {
        idct_line<8, float>(block, 64);
        const float factor = 1.0f / static_cast<float>(s);
        for (int k = 0; k < n; ++k)
            for (int i = 0; i < n * n; ++i) out[k * n * n + i] = 0.0f;
        float part[32 * 32];   // the largest n of inverse_small
        for (int k = 0; k < 8; ++k) {
            for (int j = 0; j < n; ++j)
                for (int i = 0; i < n; ++i) part[j * n + i] = block[k * 64 + i * 8 + j];
            inverse_small(part, 1, n);
            float* to = out + k / s * n * n;
            for (int i = 0; i < n * n; ++i) to[i] = k % s == 0 ? part[i] * factor : to[i] + part[i] * factor;
        }
        for (int i = 0; i < n * n * n; ++i) out[i] = out[i] * factor;
    }

    // Mode 4: every part through a smaller inverse transform, into its half of each axis.
    void scaled_quarters(float* block, int n, int s, float* out) const {
        const int deep = t_.depth == 8 ? 2 : 1, h = n / 2, slices = t_.depth == 8 ? h : 1;
        if (t_.depth == 8) inverse_quarter_dcs<8>(block);
        else inverse_quarter_dcs<1>(block);
        const float factor = scale_factor(t_.depth, s);
        float part[32 * 32];
        for (int u = 0; u < 4 * deep; ++u) {
            const int uz = u >> 2, uy = (u >> 1) & 1, ux = u & 1;
            for (int k = 0; k < slices; ++k)
                for (int j = 0; j < h; ++j)
                    for (int i = 0; i < h; ++i) part[(k * h + j) * h + i] = block[((4 * uz + k) * 8 + 4 * ux + i) * 8 + 4 * uy + j];
            inverse_small(part, slices, h);
            for (int k = 0; k < slices; ++k)
                for (int j = 0; j < h; ++j)
                    for (int i = 0; i < h; ++i)
                        out[((uz * slices + k) * n + uy * h + j) * n + ux * h + i] = part[(k * h + j) * h + i] * factor;
        }
    }

    static float* floats(F8* block) { return reinterpret_cast<float*>(block); }

    const mmip::SynthesizeJob& job_;
    const mmip::TileView& t_;
    SampleClip clip_;
    float unit_[kMaxClasses], dc_step_[kMaxClasses];
    int class_ = 0;
    uint32_t reach_ = 0;                 // of the block's AC: their places or-ed together
    alignas(64) F8 block_[4096 / 8] = {};
    alignas(64) F8 samples_[4096 / 8];
};

}  // namespace MMIP_NS
