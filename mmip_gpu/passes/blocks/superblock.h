// The samples of a superblock, and what an encoder keeps of it: transforms of cells and merged blocks, their candidates.
// Values: AnalyzeJob in; samples minus the offset, coefficients in the transposed layout, DCs in coding order. Home: host, per
// instruction set. One item of work = one superblock. Encoder side of FORMAT.md sections 3 and 4; integers decide.
#pragma once

#include "rules/blocks/choice.h"
#include "passes/blocks/block_kernels.h"
#include "passes/blocks/candidate.h"
#include "passes/kernels.h"
#include "passes/palette/palette_search.h"

namespace MMIP_NS {

template <int depth>
struct Superblock {
    static constexpr int width = depth == 8 ? 16 : 64;           // samples on y and x
    static constexpr int slices = depth == 8 ? 16 : 1;
    static constexpr int cells = depth == 8 ? 8 : 64;
    static constexpr int cell_samples = depth * 64;
    static constexpr int group = depth == 8 ? 8 : 4;             // cells of mode 16
    static constexpr int quads = cells / group;

    alignas(64) F8 samples[slices * width * width / 8];          // natural layout of the superblock
    alignas(64) F8 scratch[slices * width * width / 8];
    Candidate<cell_samples> cell[cells][depth == 8 ? 4 : 3];     // the single modes of each cell, then the palette
    Candidate<group * cell_samples> quad[quads];                 // mode 16
    Candidate<depth == 8 ? 1 : 1024> large[4];                   // mode 32
    Candidate<depth == 8 ? 1 : 4096> whole;                      // mode 64
    PaletteSearch<depth> palette;
    Collector<slices * width * width> collector;
    Decider<slices * width * width> decider;

    // Samples of the superblock that starts at a cell of the tile, minus the offset; places past the plane repeat its last samples.
    // Nothing else knows their type, so that all of an encoder's search is compiled once.
    void load(const mmip::AnalyzeJob& job, int z, int y, int x) {
        switch (job.sample_type) {
            case mmip::kSampleU8: return load_samples<uint8_t>(job, z, y, x);
            case mmip::kSampleI8: return load_samples<int8_t>(job, z, y, x);
            case mmip::kSampleU16: return load_samples<uint16_t>(job, z, y, x);
            case mmip::kSampleI16: return load_samples<int16_t>(job, z, y, x);
            default: return load_samples<int32_t>(job, z, y, x);
        }
    }

    template <class T>
    [[gnu::noinline]] void load_samples(const mmip::AnalyzeJob& job, int z, int y, int x) {
        const T* plane = static_cast<const T*>(job.samples);
        float* out = reinterpret_cast<float*>(samples);
        const int64_t z0 = (job.tile.cell[0] + z) * depth, y0 = (job.tile.cell[1] + y) * 8, x0 = (job.tile.cell[2] + x) * 8;
        const int64_t nz = job.shape[0], ny = job.shape[1], nx = job.shape[2];
        const int32_t offset = job.offset;
        for (int k = 0; k < slices; ++k) {
            const int64_t pz = z0 + k < nz ? z0 + k : nz - 1;
            for (int j = 0; j < width; ++j) {
                const int64_t py = y0 + j < ny ? y0 + j : ny - 1;
                const T* row = plane + (pz * ny + py) * nx;
                float* to = out + (k * width + j) * width;
                if (nx - x0 >= width) {   // the common case, of constant length
                    for (int i = 0; i < width; i += 8) {
                        const F8 values = to_float(widened(row + x0 + i) - offset);
                        __builtin_memcpy(to + i, &values, sizeof values);
                    }
                    continue;
                }
                const int64_t here = nx - x0;
                for (int64_t i = 0; i < here; ++i) to[i] = static_cast<float>(static_cast<int32_t>(row[x0 + i]) - offset);
                for (int64_t i = here; i < width; ++i) to[i] = to[here - 1];
            }
        }
    }

    // Asks for the samples of the tile's superblock after this one: its rows lie far apart.
    static void expect_after(const mmip::AnalyzeJob& job, int z, int y, int x) {
        constexpr int cells_wide = width / 8;
        if (x + cells_wide < job.tile.ax) expect(job, z, y, x + cells_wide);
        else if (y + cells_wide < job.tile.ay) expect(job, z, y + cells_wide, 0);
        else if (z + slices / depth < job.tile.az) expect(job, z + slices / depth, 0, 0);
    }

    static void expect(const mmip::AnalyzeJob& job, int z, int y, int x) {
        constexpr int line = 64;   // bytes
        const int64_t bytes = job.sample_type < mmip::kSampleU16 ? 1 : job.sample_type < mmip::kSampleI32 ? 2 : 4;
        const int64_t z0 = (job.tile.cell[0] + z) * depth, y0 = (job.tile.cell[1] + y) * 8, x0 = (job.tile.cell[2] + x) * 8;
        const int64_t nz = job.shape[0], ny = job.shape[1], nx = job.shape[2], wide = nx - x0 < width ? nx - x0 : width;
        for (int64_t k = z0; k < z0 + slices && k < nz; ++k)
            for (int64_t j = y0; j < y0 + width && j < ny; ++j) {
                const char* row = static_cast<const char*>(job.samples) + ((k * ny + j) * nx + x0) * bytes;
                for (int64_t i = 0; i < wide * bytes; i += line) __builtin_prefetch(row + i);
            }
    }

    void gather_cell(int k, F8* to) const {
        const CellOffset o = superblock_cell(k, depth);
        constexpr int row = width / 8;
        for (int z = 0; z < depth; ++z)
            for (int y = 0; y < 8; ++y)
                to[z * 8 + y] = samples[((o.z * depth + z) * width + o.y * 8 + y) * row + o.x];
    }

    // Sum of the differences between the rows of a cell.
    int64_t activity(int k) const {
        const CellOffset o = superblock_cell(k, depth);
        constexpr int row = width / 8;
        I8 sum{};
        for (int z = 0; z < depth; ++z) {
            const F8* at = samples + ((o.z * depth + z) * width + o.y * 8) * row + o.x;
            F8 slice{};
            for (int y = 0; y < 7; ++y) slice += absolute(at[y * row] - at[(y + 1) * row]);
            sum += truncate(slice);
        }
        int64_t total = 0;
        for (int lane = 0; lane < 8; ++lane) total += sum[lane];
        return total;
    }

    // Calls use(candidate, first cell) for the blocks of the options that were chosen, see ModeOrder of rules/blocks/choice.h.
    template <class Use>
    void each_chosen(const int32_t* chosen, const bool* present, const Use& use) {
        using Order = ModeOrder<depth>;
        for (int k = 0, many = 1; k < cells; k += many) {
            const int o = chosen[k];
            many = present[k] ? Order::cells(o) : 1;
            if (!present[k]) continue;
            if (many == 1) use(cell[k][o < Order::kQuad ? o : Order::kSingles], k);
            else if (many == group) use(quad[k / group], k);
            else if constexpr (depth == 1) {
                if (many == 16) use(large[k / 16], k);
                else use(whole, k);
            }
        }
    }

    // Mode 8 of a cell; of deep ones also mode z1, which differs along z alone, unless it is not wanted.
    void transform_cell(const F8* from, F8* whole, [[maybe_unused]] F8* in_plane) {
        forward_planes<depth, 8>(from, scratch, whole);
        if constexpr (depth == 8) {
            if (in_plane != nullptr) {
                for (int i = 0; i < cell_samples / 8; ++i) in_plane[i] = whole[i];
                dct_line<8, float>(reinterpret_cast<float*>(in_plane), 64);
            }
            slice_phase<8, 8, dct_line<8, Lanes>>(whole);
        }
    }

    // The samples of the block of size x size from cell k on, rows together; of cells of depth 1.
    const F8* gather(int k, int size, F8* to) const {
        const CellOffset o = superblock_cell(k, 1);
        constexpr int row = width / 8;
        if (size == width) return samples;
        for (int y = 0; y < size; ++y)
            for (int x = 0; x < size / 8; ++x) to[y * (size / 8) + x] = samples[(o.y * 8 + y) * row + o.x + x];
        return to;
    }

    // Transforms the m x m(x m) cells of a merged block out of the superblock into `to`, and splits off the corner.
    template <int size, int m>
    void transform_merged(int k, F8* to, float* dc) {
        constexpr int depth_of_block = depth == 8 ? size : 1, corner_depth = depth == 8 ? m : 1;
        [[maybe_unused]] const CellOffset o = superblock_cell(k, depth);
        [[maybe_unused]] constexpr int row = width / 8;
        if constexpr (size == width) {
            forward_planes<depth_of_block, size>(samples, scratch, to);
        } else {
            alignas(64) F8 part[depth_of_block * size * size / 8];
            for (int z = 0; z < depth_of_block; ++z)
                for (int y = 0; y < size; ++y)
                    for (int x = 0; x < size / 8; ++x)
                        part[(z * size + y) * (size / 8) + x] = samples[((o.z * depth + z) * width + o.y * 8 + y) * row + o.x + x];
            forward_planes<depth_of_block, size>(part, scratch, to);
        }
        if constexpr (depth_of_block > 1) slice_phase<depth_of_block, size, dct_line<depth_of_block, Lanes>>(to);
        float corner[corner_depth * m * m];
        float* c = reinterpret_cast<float*>(to);
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
            dc[i] = corner[(cell.z * m + cell.y) * m + cell.x];
        }
    }
};

}  // namespace MMIP_NS
