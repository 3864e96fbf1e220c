// What is asked of a chunk's indices: as arrays by column, their counts, and what an encoder derives from counts and sums.
// Values: NumPy arrays. Home: host. FORMAT.md sections 3 to 7.
#include "bindings/chunk.h"

#include "passes/columns.h"
#include "passes/dc/dc_fit.h"
#include "passes/tokens/pack.h"

namespace mmip {
namespace {

std::array<int64_t, 4> grid_of(const IntArray& array) {
    std::array<int64_t, 4> grid;
    for (int axis = 0; axis < 4; ++axis) grid[axis] = static_cast<int64_t>(array.shape(axis));
    return grid;
}

std::vector<QuantizerSums> listed_sums(const Coefficients& c, const LongArray& sums) {
    const size_t rows = c.tiles.size() * kMaxClasses;
    require(sums.size() == 8 * rows, "not the sums of this chunk");
    std::vector<QuantizerSums> found(rows);
    for (size_t i = 0; i < rows; ++i) {
        const int64_t* row = sums.data() + 8 * i;
        std::copy_n(row, 3, found[i].count);
        std::copy_n(row + 3, 3, found[i].excess);
        found[i].distortion = row[6], found[i].rest = row[7];
    }
    return found;
}

}  // namespace

void Chunk::need_ac(int stage) {
    need_settled();
    Coefficients* c = holds_tokens(stage);
    if (c != nullptr && !c->ac && !c->entries.empty()) c->fill_ac();
}

void Chunk::need_entries(int stage) {
    need_settled();
    Coefficients* c = holds_tokens(stage);
    if (c != nullptr && c->ac && c->entries.empty()) c->fill_entries();
}

Coefficients* Chunk::holds_tokens(int stage) { return stage > 1 ? &coefficients : coefficients.dc_image.get(); }

void Chunk::check_columns(int stage, const IntArray& array) const {
    require(array.ndim() == 5 && static_cast<int>(array.shape(4)) == stage_columns(coefficients, stage), "not an array of this stage");
    const Coefficients& c = stage == 1 && coefficients.dc_image ? *coefficients.dc_image : coefficients;
    require(static_cast<int64_t>(array.shape(0)) >= c.box.planes[1] - c.box.planes[0], "array of fewer planes than the box");
    for (int axis = 0; axis < 3; ++axis) require(static_cast<int64_t>(array.shape(axis + 1)) >= c.box_cells(axis), "array smaller than the box");
}

std::vector<std::vector<uint32_t>> Chunk::run_count_symbols(int stage, int threads) {
    need_entries(stage);
    return count_symbols(coefficients, stage, quantizer.steps, threads);
}

std::vector<uint32_t> Chunk::run_count_token_contexts(int stage, int threads) {
    require(stage > 1, "stage 1 has no token contexts of its own");
    need_entries(stage);
    return count_token_contexts(coefficients, stage, threads);
}

void Chunk::to_columns(int stage, IntArray array) {
    check_columns(stage, array);
    const std::array<int64_t, 4> grid = grid_of(array);
    nb::gil_scoped_release free;
    need_ac(stage);
    stage_to_columns(coefficients, stage, grid.data(), array.data());
}

void Chunk::from_columns(int stage, IntArray array) {
    check_columns(stage, array);
    const std::array<int64_t, 4> grid = grid_of(array);
    nb::gil_scoped_release free;
    need_settled();
    stage_from_columns(coefficients, stage, grid.data(), array.data(), static_cast<int>(quantizer.steps.size()));
    dc_weights.reset();
    if (holds_tokens(stage) != nullptr) holds_tokens(stage)->entries.clear();
}

std::array<int, kDcWeights> Chunk::fit_weights(IntArray dc, ClassArray classes, std::optional<ClassArray> masked) {
    const size_t cells = static_cast<size_t>(coefficients.cells);
    require(dc.size() == cells && classes.size() == cells && masked.has_value() == padding.has_value() && (!masked || masked->size() == cells),
            "not the DCs of this chunk");
    const size_t depth = static_cast<size_t>(coefficients.geometry.depth);
    for (size_t i = 0; masked && i < cells; ++i) std::fill_n(coefficients.mask.get() + i * depth, depth, masked->data()[i] != 0 ? ~uint64_t{0} : 0);
    std::copy_n(dc.data(), cells, coefficients.dc.get());
    std::copy_n(classes.data(), cells, coefficients.classes.get());
    nb::gil_scoped_release free;
    const DcWeights weights = fit_dc_weights(coefficients, quantizer.steps);
    std::array<int, kDcWeights> found;
    std::copy_n(weights.of, kDcWeights, found.begin());
    return found;
}

std::vector<double> Chunk::run_settle_sums(LongArray sums, int search) { return settle_sums(coefficients, listed_sums(coefficients, sums), quantizer, search); }

std::vector<double> Chunk::run_sum_errors(LongArray sums, std::vector<std::array<int, 3>> recon) {
    require(recon.size() == quantizer.steps.size(), "points of other classes");
    quantizer.recon = std::move(recon);
    return squared_errors(coefficients, listed_sums(coefficients, sums), quantizer);
}

std::vector<int64_t> Chunk::mode_counts() {
    need_settled();
    std::vector<int64_t> counts(kModeCount, 0);
    for (int64_t i = 0; i < coefficients.cells; ++i) ++counts[coefficients.modes[i]];
    return counts;
}

}  // namespace mmip
