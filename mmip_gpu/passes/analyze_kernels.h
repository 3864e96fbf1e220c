// The analysis kernel: samples of one tile in, block modes and quantized coefficients out.
// Values: AnalyzeJob. Home: host, per instruction set. One item of work = one superblock; its phases are load, transform,
// cost, choose, store. Encoder side of FORMAT.md sections 2 to 5; the choice of modes is the encoder's own.
#pragma once

#include "../rules/blocks.h"
#include "../rules/quantize.h"
#include "block_kernels.h"
#include "kernels.h"

namespace MMIP_NS {

struct Cost {
    int64_t value;
    int64_t distortion;
};

// J = distortion + lambda * rate of `count` coefficients, all AC (the DC places hold zero).
MMIP_RULE Cost block_cost(const F8* coefficients, int count, float inverse, int32_t rounding) {
    I8 rate{};
    int64_t distortion = 0;
    for (int i = 0; i < count / 8; i += 8) {   // eight at a time so that the lanes cannot overflow
        I8 errors{};
        for (int k = i; k < i + 8; ++k) {
            const I8 scaled = scaled_magnitude(coefficients[k], inverse);
            const I8 magnitude = quantize_magnitude(scaled, rounding);
            const I8 error = scaled - (magnitude << 8);
            errors += error * error;
            rate += index_cost(magnitude);
        }
        for (int lane = 0; lane < 8; ++lane) distortion += errors[lane];
    }
    int64_t bits = kBlockCost;
    for (int lane = 0; lane < 8; ++lane) bits += rate[lane];
    return {distortion + kLambdaQuarter * bits, distortion};
}

template <int depth>
struct Superblock {
    static constexpr int width = depth == 8 ? 16 : 32;           // samples on y and x
    static constexpr int slices = depth == 8 ? 16 : 1;
    static constexpr int cells = depth == 8 ? 8 : 16;
    static constexpr int cell_samples = depth * 64;

    alignas(64) F8 samples[slices * width * width / 8];          // natural layout of the superblock
    alignas(64) F8 scratch[slices * width * width / 8];
    alignas(64) F8 cell[cells][cell_samples / 8];                // mode 8, transposed layout
    alignas(64) F8 parts[cells][cell_samples / 8];               // the better of modes 4 and z1
    alignas(64) F8 other[cell_samples / 8];
    alignas(64) F8 quad[depth == 8 ? 1 : 4][depth == 8 ? 4096 / 8 : 256 / 8];   // mode 16
    alignas(64) F8 whole[1024 / 8];                              // mode 32
    float cell_dc[cells], parts_dc[cells], quad_dc[cells], whole_dc[cells];
    alignas(64) int32_t indices[4096];
};

template <int depth>
class TileAnalysis {
    using Block = Superblock<depth>;

public:
    TileAnalysis(const mmip::AnalyzeJob& job, mmip::QuantizerSums* sums) : job_(job), t_(job.tile), sums_(sums) {
        for (int c = 0; c < kMaxClasses; ++c) inverse_[c] = 256.0f / job.classes[c].step;
    }

    template <class T>
    void run(Block& b) {
        const int sz = superblock_depth(depth), sy = superblock_width(depth);
        for (int z = 0; z < t_.az; z += sz)
            for (int y = 0; y < t_.ay; y += sy)
                for (int x = 0; x < t_.ax; x += sy) {
                    load<T>(b, z, y, x);
                    find_cells(z, y, x);
                    transform_cells(b);
                    choose_and_store(b);
                }
    }

private:
    // Phase 1: samples of the superblock, minus the offset; places past the plane repeat its last samples.
    template <class T>
    void load(Block& b, int z, int y, int x) {
        const T* plane = static_cast<const T*>(job_.samples);
        float* out = reinterpret_cast<float*>(b.samples);
        const int64_t z0 = (t_.cell[0] + z) * depth, y0 = (t_.cell[1] + y) * 8, x0 = (t_.cell[2] + x) * 8;
        const int64_t nz = job_.shape[0], ny = job_.shape[1], nx = job_.shape[2];
        for (int k = 0; k < Block::slices; ++k) {
            const int64_t pz = z0 + k < nz ? z0 + k : nz - 1;
            for (int j = 0; j < Block::width; ++j) {
                const int64_t py = y0 + j < ny ? y0 + j : ny - 1;
                const T* row = plane + (pz * ny + py) * nx;
                float* to = out + (k * Block::width + j) * Block::width;
                const int64_t here = nx - x0 < Block::width ? nx - x0 : Block::width;
                for (int64_t i = 0; i < here; ++i) to[i] = static_cast<float>(static_cast<int32_t>(row[x0 + i]) - job_.offset);
                for (int64_t i = here; i < Block::width; ++i) to[i] = to[here - 1];
            }
        }
    }

    // The superblock's cells that lie in the tile: Z order, coding order of the first.
    void find_cells(int z, int y, int x) {
        for (int k = 0; k < Block::cells; ++k) {
            const CellOffset o = superblock_cell(k, depth);
            present_[k] = z + o.z < t_.az && y + o.y < t_.ay && x + o.x < t_.ax;
            if (!present_[k]) continue;
            class_[k] = t_.classes[t_.raster[next_]];
            place_[k] = next_++;
        }
    }

    static void gather_cell(const Block& b, int k, F8* to) {
        const CellOffset o = superblock_cell(k, depth);
        constexpr int row = Block::width / 8;
        for (int z = 0; z < depth; ++z)
            for (int y = 0; y < 8; ++y)
                to[z * 8 + y] = b.samples[((o.z * depth + z) * Block::width + o.y * 8 + y) * row + o.x];
    }

    // Phase 2: modes 8, 4 (and z1) of every cell.
    void transform_cells(Block& b) {
        alignas(64) F8 samples[Block::cell_samples / 8];
        for (int k = 0; k < Block::cells; ++k) {
            if (!present_[k]) continue;
            gather_cell(b, k, samples);
            float* cell = reinterpret_cast<float*>(b.cell[k]);
            if (job_.classes[class_[k]].reversible != 0) {
                forward_reversible<depth>(samples, b.scratch, b.cell[k]);
                b.cell_dc[k] = cell[0];
                mode_[k] = kMode8;
                continue;
            }
            forward_planes<depth, 8>(samples, b.scratch, b.cell[k]);
            if constexpr (depth == 8) {
                split_slices(b, k);
                slice_phase<8, 8, dct_line<8, F8>>(b.cell[k]);
            }
            b.cell_dc[k] = take_dc(b.cell[k]);
            mode_[k] = kMode8;
            best_[k] = cost(b.cell[k], Block::cell_samples, k);
            if (job_.plain == 0) try_quarters(b, samples, k);
        }
    }

    static float take_dc(F8* coefficients) {
        float& at = reinterpret_cast<float*>(coefficients)[0];
        const float dc = at;
        at = 0;
        return dc;
    }

    // Mode z1 is the in-plane transform with the eight slice DCs transformed over z.
    void split_slices(Block& b, int k) {
        for (int i = 0; i < Block::cell_samples / 8; ++i) b.parts[k][i] = b.cell[k][i];
        dct_line<8, float>(reinterpret_cast<float*>(b.parts[k]), 64);
        b.parts_dc[k] = take_dc(b.parts[k]);
    }

    // Mode 4 against z1 (if there is one), and the winner against mode 8.
    void try_quarters(Block& b, const F8* samples, int k) {
        forward_quarters<depth>(samples, b.scratch, b.other);
        const float dc = take_dc(b.other);
        const int64_t quarters = cost(b.other, Block::cell_samples, k);
        int64_t slices = quarters + 1;
        if constexpr (depth == 8) slices = cost(b.parts[k], Block::cell_samples, k);
        const int64_t split = quarters < slices ? quarters : slices;
        if (split >= best_[k]) return;
        best_[k] = split;
        mode_[k] = quarters < slices ? kMode4 : kModeZ1;
        if (mode_[k] == kModeZ1) return;
        for (int i = 0; i < Block::cell_samples / 8; ++i) b.parts[k][i] = b.other[i];
        b.parts_dc[k] = dc;
    }

    int64_t cost(const F8* coefficients, int count, int k) const {
        return block_cost(coefficients, count, inverse_[class_[k]], job_.rounding).value;
    }

    // Whether cells k .. k + many - 1 may form a block.
    bool can_merge(int k, int many) const {
        if (job_.plain != 0) return false;
        for (int i = k; i < k + many; ++i)
            if (!present_[i] || class_[i] != class_[k]) return false;
        return job_.classes[class_[k]].reversible == 0;
    }

    int64_t sum_best(int k, int many) const {
        int64_t sum = 0;
        for (int i = k; i < k + many; ++i) sum += best_[i];
        return sum;
    }

    // Copies m x m(x m) cells' samples of a merged block out of the superblock, transforms, and splits off the corner.
    template <int size, int m>
    void transform_merged(Block& b, int k, F8* coefficients, float* dc) {
        constexpr int slices = depth == 8 ? size : 1, corner_depth = depth == 8 ? m : 1;
        const CellOffset o = superblock_cell(k, depth);
        constexpr int row = Block::width / 8;
        alignas(64) F8 samples[slices * size * size / 8];
        for (int z = 0; z < slices; ++z)
            for (int y = 0; y < size; ++y)
                for (int x = 0; x < size / 8; ++x)
                    samples[(z * size + y) * (size / 8) + x] = b.samples[((o.z * depth + z) * Block::width + o.y * 8 + y) * row + o.x + x];
        forward_planes<slices, size>(samples, b.scratch, coefficients);
        if constexpr (slices > 1) slice_phase<slices, size, dct_line<slices, F8>>(coefficients);
        float corner[corner_depth * m * m];
        float* c = reinterpret_cast<float*>(coefficients);
        for (int z = 0; z < corner_depth; ++z)
            for (int y = 0; y < m; ++y)
                for (int x = 0; x < m; ++x) {
                    float& at = c[(z * size + x) * size + y];
                    corner[(z * m + y) * m + x] = at;
                    at = 0;
                }
        inverse_corner_lines<corner_depth, m, idct_line<m, float>>(corner);
        for (int i = 0; i < corner_depth * m * m; ++i) {
            const CellOffset cell = superblock_cell(i, depth);
            dc[k + i] = corner[(cell.z * m + cell.y) * m + cell.x];
        }
    }

    // Phases 3 to 5: merged candidates against what they replace; the winners are quantized into the tile.
    void choose_and_store(Block& b) {
        bool merged[4] = {false, false, false, false};
        constexpr int group = depth == 8 ? 8 : 4;
        for (int q = 0; q < Block::cells / group; ++q) {
            const int k = q * group;
            if (!can_merge(k, group)) continue;
            transform_merged<16, 2>(b, k, b.quad[q], b.quad_dc);
            const int64_t split = sum_best(k, group), joined = cost(b.quad[q], depth == 8 ? 4096 : 256, k);
            merged[q] = joined < split;
            if (merged[q]) {
                best_[k] = joined;
                for (int i = k + 1; i < k + group; ++i) best_[i] = 0;
            }
        }
        if constexpr (depth == 1) {
            if (can_merge(0, 16)) {
                transform_merged<32, 4>(b, 0, b.whole, b.whole_dc);
                if (cost(b.whole, 1024, 0) < sum_best(0, 16)) return store(b, b.whole, kMode32, 0, 16, b.whole_dc);
            }
        }
        for (int k = 0; k < Block::cells;) {
            if (!present_[k]) {
                ++k;
            } else if (merged[k / group]) {
                store(b, b.quad[k / group], kMode16, k, group, b.quad_dc);
                k += group;
            } else {
                if (mode_[k] != kMode8) store(b, b.parts[k], mode_[k], k, 1, b.parts_dc);
                else store(b, b.cell[k], kMode8, k, 1, b.cell_dc);
                ++k;
            }
        }
    }

    void store(Block& b, F8* coefficients, int mode, int k, int many, const float* dc) {
        const int c = class_[k], i = place_[k];
        const bool reversible = job_.classes[c].reversible != 0;
        const mmip::BlockView& view = t_.blocks[mode];
        for (int j = 0; j < many; ++j) t_.dc[t_.raster[i + j]] = reversible ? truncate(dc[k + j]) : dc_index(dc[k + j], c);
        const int count = many * Block::cell_samples;
        bool any = false;
        if (reversible) {
            reinterpret_cast<float*>(coefficients)[0] = 0;
            for (int n = 0; n < count; ++n) b.indices[n] = truncate(reinterpret_cast<const float*>(coefficients)[n]);
            any = true;
        } else {
            any = quantize(b, coefficients, count, c);
        }
        const int stored = !any && many == 1 ? kMode8 : mode;
        for (int j = 0; j < many; ++j) t_.modes[i + j] = static_cast<uint8_t>(stored);
        int32_t* out = t_.ac + static_cast<int64_t>(i) * t_.per_cell;
        if (any) {
            for (int p = 0; p < view.count; ++p) out[p] = b.indices[view.scan[p]];
        } else {
            for (int p = 0; p < view.count; ++p) out[p] = 0;
        }
    }

    // A DC index, rounded half up.
    int32_t dc_index(float coefficient, int c) {
        const int32_t scaled = scaled_magnitude(coefficient, inverse_[c]);
        const int32_t magnitude = quantize_magnitude(scaled, 128);
        const int64_t error = (static_cast<int64_t>(magnitude) << 8) - scaled;
        sums_[c].distortion += error * error;
        return coefficient < 0 ? -magnitude : magnitude;
    }

    // Indices in the transposed layout, and the sums for the reconstruction points. Whether any is not zero.
    bool quantize(Block& b, const F8* coefficients, int count, int c) {
        I8 any{};
        I8* out = reinterpret_cast<I8*>(b.indices);
        I8 counts[3] = {}, excess[3] = {};
        int64_t distortion = 0;
        for (int n = 0; n < count / 8; n += 8) {
            I8 errors{};
            for (int k = n; k < n + 8; ++k) {
                const I8 scaled = scaled_magnitude(coefficients[k], inverse_[c]);
                const I8 magnitude = quantize_magnitude(scaled, job_.rounding);
                const I8 over = (magnitude << 8) - scaled;
                any |= magnitude;
                errors += over * over;
                const I8 one = magnitude == 1, two = magnitude == 2, more = magnitude > 2;
                counts[0] -= one, counts[1] -= two, counts[2] -= more;
                excess[0] += over & one, excess[1] += over & two, excess[2] += over & more;
                out[k] = where(coefficients[k] < 0, -magnitude, magnitude);
            }
            for (int lane = 0; lane < 8; ++lane) distortion += errors[lane];
        }
        int32_t found = 0;
        for (int lane = 0; lane < 8; ++lane) {
            found |= any[lane];
            for (int j = 0; j < 3; ++j) sums_[c].count[j] += counts[j][lane], sums_[c].excess[j] += excess[j][lane];
        }
        sums_[c].distortion += distortion;
        return found != 0;
    }

    const mmip::AnalyzeJob& job_;
    const mmip::TileView& t_;
    mmip::QuantizerSums* sums_;
    float inverse_[kMaxClasses];
    int next_ = 0;
    bool present_[Block::cells];
    int class_[Block::cells], place_[Block::cells], mode_[Block::cells];
    int64_t best_[Block::cells];
};

}  // namespace MMIP_NS
