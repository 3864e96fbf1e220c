// A chunk as Python sees it: the steps of its coding and decoding, with the checks of what is given.
// Values: NumPy arrays and payload bytes. Home: host; the GIL is released while work is done. FORMAT.md sections 2 to 8.
#pragma once

#include "bindings/arrays.h"

#include <optional>
#include <string>
#include <vector>

#include "passes/blocks/synthesize.h"
#include "passes/coding/codebook.h"
#include "passes/tokens/unpack.h"

namespace mmip {

// The coefficients of a chunk (or of a box of its tiles) with the quantizer that belongs to them.
struct Chunk {
    Coefficients coefficients;
    Quantizer quantizer;
    std::optional<int32_t> padding;
    AnalyzeOptions analyzed_by;
    std::optional<DcWeights> dc_weights;     // fitted to the DCs as they are, where that was done already
    bool unsettled = false;                  // masked blocks are as they were analyzed: what measures a chunk does not look at them

    Chunk(int64_t planes, std::array<int64_t, 3> shape, int depth, std::array<int, 3> tile_log2, std::vector<int> cuts,
          std::vector<std::vector<uint32_t>> steps, std::vector<uint8_t> reversible, std::vector<std::array<int, 3>> recon,
          std::optional<std::array<int64_t, 8>> box, std::optional<int32_t> padding_value, std::optional<std::array<int, 3>> dc_image, bool prediction,
          std::optional<std::vector<std::vector<uint32_t>>> choice_steps);

    static TileBox tile_box(const Geometry& g, const std::optional<std::array<int64_t, 8>>& given);

    // Encoding.
    void check_samples(const ReadOnlyArray& samples, const std::optional<ClassArray>& classes) const;
    std::vector<double> run_analyze(ReadOnlyArray samples, std::optional<ClassArray> classes, int offset, int rounding, int search, int passes, int threads);
    // Other steps for the blocks of an analysis by choice steps; the result is that of run_analyze.
    std::vector<double> run_requantize(std::vector<std::vector<uint32_t>> steps, int threads);
    // What comes after either: the DC image; masked blocks wait for who reads indices, but for predictions.
    std::vector<double> settle(std::vector<double> errors);
    void need_settled();
    void run_fill(ReadOnlyArray samples, std::optional<ClassArray> classes, AnyArray filled, int threads);
    nb::bytes run_pack(int stage, int threads);

    // Decoding.
    UnpackOptions unpack_options(bool check_crc, bool alone, int threads) const;
    uint64_t run_unpack(int stage, ByteArray payload, bool check_crc, bool alone, int threads);
    std::pair<std::array<int64_t, 3>, std::array<int64_t, 3>> window(int scale) const;
    // An output array as the passes take it: all samples of the box; or, from `origin` (z, y, x) in the scaled plane on, so many as a
    // strided one holds.
    Output output(const AnyArray& out, int scale) const;
    Output output(const StridedArray& out, int scale, const std::optional<std::array<int64_t, 3>>& origin) const;
    void run_synthesize(int stages, int scale, int offset, int minimum, int maximum, AnyArray out, int threads);
    // (sum of squares, largest) of the differences between what all stages decode to and the samples, one a class.
    std::vector<std::pair<uint64_t, uint64_t>> run_measure(int offset, int minimum, int maximum, ReadOnlyArray samples, int threads);
    // Seconds of checks, stage 1, later stages and synthesis.
    std::array<double, 4> run_decode(const nb::object& list, bool check_crc, int scale, int offset, int minimum, int maximum, StridedArray out, int threads,
                                     std::optional<std::array<int64_t, 3>> origin);

    // Corrections.
    void check_indices(const IntArray& indices) const;
    nb::bytes run_pack_corrections(IntArray indices, int threads) const;
    std::vector<uint32_t> run_count_corrections(IntArray indices, int threads) const;
    uint64_t run_unpack_corrections(ByteArray payload, IntArray indices, bool check_crc, int threads) const;

    // Indices by stage, settled, in the two forms: an analyzed chunk holds entries, a decoded one holds them in place. Each form is made from
    // the other when it is wanted.
    void check_columns(int stage, const IntArray& array) const;
    void need_ac(int stage);
    void need_entries(int stage);
    Coefficients* holds_tokens(int stage);
    std::vector<std::vector<uint32_t>> run_count_symbols(int stage, int threads);
    std::vector<uint32_t> run_count_token_contexts(int stage, int threads);
    void to_columns(int stage, IntArray array);
    void from_columns(int stage, IntArray array);

    // The DC weights that stage 1 would state for these DCs and classes (per tile in raster order); masked: 1 for cells that lie
    // under the padding mask as a whole.
    std::array<int, kDcWeights> fit_weights(IntArray dc, ClassArray classes, std::optional<ClassArray> masked);
    // Reconstruction points and squared errors out of sums (QuantizerSums as int64: counts, excesses, distortion, rest) by tile and class.
    std::vector<double> run_settle_sums(LongArray sums, int search);
    // Squared errors out of such sums, where the reconstruction points are those of an analysis before.
    std::vector<double> run_sum_errors(LongArray sums, std::vector<std::array<int, 3>> recon);
    // Cells per block mode: how the encoder decided.
    std::vector<int64_t> mode_counts();
};

}  // namespace mmip
