// The synthesis kernel: quantized coefficients of one tile in, samples out, at full or reduced scale.
// Values: SynthesizeJob. Home: host, per instruction set. One item of work = one block, restored by block_synthesis.h and stored
// here. Implements FORMAT.md sections 2, 4, 5.
#pragma once

#include "passes/blocks/block_synthesis.h"

namespace MMIP_NS {

template <class T>
class TileSynthesis {
public:
    explicit TileSynthesis(const mmip::SynthesizeJob& job) : job_(job), t_(job.tile), clip_(job.offset, job.minimum, job.maximum), blocks_(job) {}

    void run() {
        each_block(job_, [this](const PlacedBlock& b) {
            if (job_.scale == 8) store_dcs(b);
            else if (job_.scale > 1) store_reduced(b, blocks_.reduced(b));
            else if (t_.depth == 8) store_full<8>(b, blocks_.full(b));
            else store_full<1>(b, blocks_.full(b));
        });
    }

private:
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

    template <int depth>
    void store_full(const PlacedBlock& b, const F8* samples) {
        if (b.view.cells == 64) store<1, 64>(b, samples);
        else if (b.view.cells == 16) store<1, 32>(b, samples);
        else if (b.view.cells > 1) store<depth == 8 ? 16 : 1, 16>(b, samples);
        else store<depth, 8>(b, samples);
    }

    template <int slices, int size>
    void store(const PlacedBlock& b, const F8* from) {
        const int64_t z0 = (t_.cell[0] + b.z) * t_.depth, y0 = (t_.cell[1] + b.y) * 8, x0 = (t_.cell[2] + b.x) * 8;
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

    // Scale 8: the DCs of its cells.
    void store_dcs(const PlacedBlock& b) {
        for (int k = 0; k < b.view.cells; ++k) {
            const int at = t_.raster[b.first + k];
            T* out = place(t_.cell[0] + at / (t_.ay * t_.ax), t_.cell[1] + at / t_.ax % t_.ay, t_.cell[2] + at % t_.ax);
            if (out != nullptr) *out = clip(to_sample(blocks_.dc_value(at) * scale_factor(t_.depth, 8)));
        }
    }

    // Scale 2 or 4.
    void store_reduced(const PlacedBlock& b, const float* samples) {
        const int cell = 8 / job_.scale, n = cells_along(b.view.cells) * cell, slices = t_.depth == 8 ? n : 1;
        const int64_t z0 = (t_.cell[0] + b.z) * (t_.depth == 8 ? cell : 1), y0 = (t_.cell[1] + b.y) * cell, x0 = (t_.cell[2] + b.x) * cell;
        for (int k = 0; k < slices; ++k)
            for (int j = 0; j < n; ++j) store_row(samples + (k * n + j) * n, z0 + k, y0 + j, x0, n);
    }

    const mmip::SynthesizeJob& job_;
    const mmip::TileView& t_;
    SampleClip clip_;
    BlockSynthesis blocks_;
};

}  // namespace MMIP_NS
