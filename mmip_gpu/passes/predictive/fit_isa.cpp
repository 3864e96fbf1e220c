// One copy of the kernels of fit_kernels.h, compiled with MMIP_NS (its namespace) per instruction set.
#include "passes/predictive/fit_kernels.h"

#include "rules/predictive/predict.h"

namespace MMIP_NS {
namespace {

typedef double Doubles __attribute__((vector_size(32)));
constexpr int kDoubles = 4;

Doubles loaded(const double* from) {
    Doubles v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}

template <int unknowns>
void add_squares(const mmip::SquaresJob& job) {
    constexpr int vectors = (unknowns + kDoubles - 1) / kDoubles;
    Doubles matrix[unknowns][vectors] = {}, right[vectors] = {};
    const double* row = job.rows;
    for (int64_t s = 0; s < job.count; ++s, row += mmip::kFitRow) {
        Doubles values[vectors], weighted[vectors];
        for (int v = 0; v < vectors; ++v) {
            values[v] = loaded(row + kDoubles * v);
            weighted[v] = values[v] * job.weights[s];
            right[v] += weighted[v] * job.targets[s];
        }
        for (int i = 0; i < unknowns; ++i) {
            const double factor = weighted[i / kDoubles][i % kDoubles];
            for (int v = 0; v <= i / kDoubles; ++v) matrix[i][v] += factor * values[v];
        }
    }
    for (int v = 0; v < vectors; ++v) {
        for (int i = 0; i < unknowns; ++i) __builtin_memcpy(job.matrix + i * mmip::kFitRow + kDoubles * v, &matrix[i][v], sizeof(Doubles));
        __builtin_memcpy(job.right + kDoubles * v, &right[v], sizeof(Doubles));
    }
}

void add_squares_of(const mmip::SquaresJob& job) {
    if (job.unknowns < kNeighbours2d) add_squares<kNeighbours2d - 1>(job);
    else add_squares<kNeighbours3d - 1>(job);
}

}  // namespace

extern const mmip::FitKernels kFitKernels;
const mmip::FitKernels kFitKernels{&add_squares_of};

}  // namespace MMIP_NS
