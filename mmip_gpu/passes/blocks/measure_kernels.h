// The measuring kernel: quantized coefficients of one tile and the samples that they stand for in, their differences out.
// Values: SynthesizeJob at full scale; sums per class. Home: host, per instruction set. One item of work = one block, which is
// restored and compared while it is in the cache. The encoder's own: FORMAT.md section 1 stores what follows from the sums.
#pragma once

#include "passes/blocks/block_synthesis.h"

namespace MMIP_NS {

template <class T>
class TileMeasure {
public:
    TileMeasure(const mmip::SynthesizeJob& job, mmip::SampleDifference* sums)
        : job_(job), t_(job.tile), sums_(sums), clip_(job.offset, job.minimum, job.maximum), blocks_(job) {}

    void run() {
        each_block(job_, [this](const PlacedBlock& b) {
            const uint64_t masked = job_.mask == nullptr ? 0 : find_mask(b);
            if (masked == ~uint64_t{0}) blocks_.skip(b);
            else if (t_.depth == 8) compare_full<8>(b, masked != 0, blocks_.full(b));
            else compare_full<1>(b, masked != 0, blocks_.full(b));
        });
    }

private:
    static constexpr uint32_t kSmall = 2047;   // squares of so much, 512 of them, fit 32 bits

    template <int depth>
    void compare_full(const PlacedBlock& b, bool masked, const F8* samples) {
        if (b.view.cells == 64) compare<1, 64>(b, masked, samples);
        else if (b.view.cells == 16) compare<1, 32>(b, masked, samples);
        else if (b.view.cells > 1) compare<depth == 8 ? 16 : 1, 16>(b, masked, samples);
        else compare<depth, 8>(b, masked, samples);
    }

    // All ones where the whole block is under the mask, 0 where nothing of it is.
    uint64_t find_mask(const PlacedBlock& b) const {
        uint64_t any = 0, all = ~uint64_t{0};
        for (int n = 0; n < b.view.cells; ++n) {
            const uint64_t* words = job_.mask + t_.raster[b.first + n] * t_.depth;
            for (int k = 0; k < t_.depth; ++k) any |= words[k], all &= words[k];
        }
        return all == ~uint64_t{0} ? all : (any != 0 ? 1 : 0);
    }

    template <int slices, int size>
    void compare(const PlacedBlock& b, bool has_mask, const F8* restored) {
        const int64_t z = (t_.cell[0] + b.z) * t_.depth, y = (t_.cell[1] + b.y) * 8, x = (t_.cell[2] + b.x) * 8;
        const T* from = static_cast<const T*>(job_.samples) + (z - job_.low[0]) * job_.slice + (y - job_.low[1]) * job_.row + x - job_.low[2];
        const bool inside = z + slices <= job_.high[0] && y + size <= job_.high[1] && x + size <= job_.high[2];
        mmip::SampleDifference& sum = sums_[t_.classes[(b.z * t_.ay + b.y) * t_.ax + b.x]];
        if constexpr (sizeof(T) <= 2)
            if (inside && (has_mask ? compare_small<slices, size, true>(b, restored, from, sum) : compare_small<slices, size, false>(b, restored, from, sum))) return;
        const int64_t left[3] = {job_.high[0] - z, job_.high[1] - y, job_.high[2] - x};
        for (int k = 0; k < slices && k < left[0]; ++k)
            for (int j = 0; j < size && j < left[1]; ++j)
                for (int i = 0; i < size && i < left[2]; ++i)
                    if (!has_mask || (mask_bits(b, k, j, i) & 1) == 0)
                        add(restored[((k * size + j) * size + i) / 8][i % 8], from[k * job_.slice + j * job_.row + i], sum);
    }

    // Eight at a time; false, and nothing added, where a difference is too large for it.
    template <int slices, int size, bool has_mask>
    bool compare_small(const PlacedBlock& b, const F8* restored, const T* from, mmip::SampleDifference& sum) const {
        typedef uint32_t U8 __attribute__((vector_size(32)));
        U8 squares{};
        I8 largest{};
        [[maybe_unused]] const I8 lane_bits = {1, 2, 4, 8, 16, 32, 64, 128};
        for (int k = 0; k < slices; ++k)
            for (int j = 0; j < size; ++j)
                for (int i = 0; i < size; i += 8) {
                    const I8 apart = clip_.samples(*restored++) - widened(from + k * job_.slice + j * job_.row + i);
                    I8 far = apart < 0 ? -apart : apart;
                    if constexpr (has_mask) far &= ((I8{} + mask_bits(b, k, j, i)) & lane_bits) == 0;
                    largest = far > largest ? far : largest;
                    squares += reinterpret_cast<U8>(far * far);
                }
        mmip::SampleDifference found{0, 0};
        for (int lane = 0; lane < 8; ++lane) {
            found.squares += squares[lane];
            const uint32_t far = static_cast<uint32_t>(largest[lane]);
            found.largest = far > found.largest ? far : found.largest;
        }
        if (found.largest > kSmall) return false;
        sum.squares += found.squares;
        sum.largest = found.largest > sum.largest ? found.largest : sum.largest;
        return true;
    }

    // From bit 0 on, which samples are under the mask: of a row of a cell, or from one of its samples on.
    int32_t mask_bits(const PlacedBlock& b, int k, int j, int i) const {
        const int cell = ((b.z + k / t_.depth) * t_.ay + b.y + j / 8) * t_.ax + b.x + i / 8;
        return static_cast<int32_t>(job_.mask[cell * t_.depth + k % t_.depth] >> (8 * (j % 8) + i % 8) & 255);
    }

    void add(float restored, T sample, mmip::SampleDifference& sum) const {
        const int32_t v = to_sample(restored) + job_.offset;
        const int64_t apart = static_cast<int64_t>(v < job_.minimum ? job_.minimum : (v > job_.maximum ? job_.maximum : v)) - sample;
        const uint64_t far = static_cast<uint64_t>(apart < 0 ? -apart : apart);
        sum.squares += far * far;
        if (far > sum.largest) sum.largest = static_cast<uint32_t>(far);
    }

    const mmip::SynthesizeJob& job_;
    const mmip::TileView& t_;
    mmip::SampleDifference* sums_;
    SampleClip clip_;
    BlockSynthesis blocks_;
};

}  // namespace MMIP_NS
