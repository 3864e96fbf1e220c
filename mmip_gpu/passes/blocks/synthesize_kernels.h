// The synthesis kernel: quantized coefficients of one tile in, samples out, at full or reduced scale.
// Values: SynthesizeJob. Home: host, per instruction set. One item of work = one block, restored by block_synthesis.h and stored
// here. Implements FORMAT.md sections 2, 4, 5.
#pragma once

#include "passes/blocks/block_synthesis.h"
#include "passes/blocks/predicted_blocks.h"

namespace MMIP_NS {

template <class T>
class TileSynthesis {
public:
    explicit TileSynthesis(const mmip::SynthesizeJob& job) : job_(job), t_(job.tile), clip_(job.offset, job.minimum, job.maximum), blocks_(job) {}

    void run() {
        if (job_.predictions != nullptr) return run_predicted();
        each_block(job_, [this](const PlacedBlock& b) {
            if (job_.scale == 8) store_dcs(b);
            else if (job_.scale > 1) store_reduced(b, blocks_.reduced(b));
            else if (t_.depth == 8) store_full<8>(b, blocks_.full(b));
            else store_full<1>(b, blocks_.full(b));
        });
    }

private:
    // Full scale, or scale 2 or 4, of a tile with predictions.
    [[gnu::noinline]] void run_predicted() {
        PredictedBlocks predicted(job_, blocks_);
        each_block(job_, [&](const PlacedBlock& b) {
            if (job_.scale > 1) store_reduced(b, predicted.reduced(b));
            else store_full<1>(b, predicted.full(b));
        });
    }

    T clip(int32_t value) const {
        const int32_t v = value + job_.offset;
        return static_cast<T>(v < job_.minimum ? job_.minimum : (v > job_.maximum ? job_.maximum : v));
    }

    // Where a sample of the scaled plane stands in the output.
    T* place(int64_t z, int64_t y, int64_t x) const {
        return static_cast<T*>(job_.samples) + (z - job_.low[0]) * job_.slice + (y - job_.low[1]) * job_.row + x - job_.low[2];
    }

    // One row of samples; those outside of the output are dropped.
    void store_row(const float* row, int64_t z, int64_t y, int64_t x, int count) {
        const int64_t first = job_.low[2] > x ? job_.low[2] - x : 0, end = job_.high[2] - x < count ? job_.high[2] - x : count;
        if (first >= end || z < job_.low[0] || z >= job_.high[0] || y < job_.low[1] || y >= job_.high[1]) return;
        T* out = place(z, y, x + first);
        for (int64_t i = first; i < end; ++i) out[i - first] = clip(to_sample(row[i]));
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

    bool inside(const int64_t* low, const int64_t* high) const {
        bool all = true;
        for (int a = 0; a < 3; ++a) all = all && low[a] >= job_.low[a] && high[a] <= job_.high[a];
        return all;
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
        const int64_t low[3] = {z0, y0, x0}, high[3] = {z0 + slices, y0 + size, x0 + size};
        if (inside(low, high)) {
            T* to = place(z0, y0, x0);
            for (int k = 0; k < slices; ++k, to += job_.slice)
                for (int j = 0; j < size; ++j)
                    for (int i = 0; i < size; i += 8) store_eight(*from++, to + j * job_.row + i);
        } else {
            for (int k = 0; k < slices; ++k)
                for (int j = 0; j < size; ++j, from += size / 8) store_row(reinterpret_cast<const float*>(from), z0 + k, y0 + j, x0, size);
        }
    }

    // Scale 8: the DCs of its cells.
    void store_dcs(const PlacedBlock& b) {
        for (int k = 0; k < b.view.cells; ++k) {
            const int at = t_.raster[b.first + k];
            const float value = blocks_.dc_value(at) * scale_factor(t_.depth, 8);
            store_row(&value, t_.cell[0] + at / (t_.ay * t_.ax), t_.cell[1] + at / t_.ax % t_.ay, t_.cell[2] + at % t_.ax, 1);
        }
    }

    // Scale 2 or 4.
    void store_reduced(const PlacedBlock& b, const float* samples) {
        const int cell = 8 / job_.scale, n = cells_along(b.view.cells) * cell, slices = t_.depth == 8 ? n : 1;
        const int64_t z0 = (t_.cell[0] + b.z) * (t_.depth == 8 ? cell : 1), y0 = (t_.cell[1] + b.y) * cell, x0 = (t_.cell[2] + b.x) * cell;
        const int64_t low[3] = {z0, y0, x0}, high[3] = {z0 + slices, y0 + n, x0 + n};
        if (inside(low, high)) return store_rows(samples, slices, n, place(z0, y0, x0));
        for (int k = 0; k < slices; ++k)
            for (int j = 0; j < n; ++j) store_row(samples + (k * n + j) * n, z0 + k, y0 + j, x0, n);
    }

    // Slices of n x n samples, n a power of two, all inside; eight together, which may be several rows.
    void store_rows(const float* samples, int slices, int n, T* to) const {
        const int together = n * n < 8 ? n * n : 8, part = n < 8 ? n : 8;
        for (int k = 0; k < slices; ++k, to += job_.slice) {
            int y = 0, x = 0;
            for (int at = 0; at < n * n; at += together, samples += together) {
                F8 values{};
                __builtin_memcpy(&values, samples, sizeof(float) * static_cast<uint64_t>(together));
                T eight[8];
                store_eight(values, eight);
                for (int i = 0; i < together; i += part) {
                    __builtin_memcpy(to + y * job_.row + x, eight + i, sizeof(T) * static_cast<uint64_t>(part));
                    x += part;
                    if (x == n) x = 0, ++y;
                }
            }
        }
    }

    const mmip::SynthesizeJob& job_;
    const mmip::TileView& t_;
    SampleClip clip_;
    BlockSynthesis blocks_;
};

}  // namespace MMIP_NS
