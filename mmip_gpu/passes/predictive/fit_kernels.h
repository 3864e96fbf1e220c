// Sums of least squares over many samples, in one copy per instruction set.
// Values: rows of differences in, sums of products out. Home: host. Binary64: each sum takes its samples in their order, so that all
// copies give the same.
#pragma once

#include <cstdint>

namespace mmip {

constexpr int kFitRow = 20;                  // numbers of a row; unknowns are fewer

struct SquaresJob {
    const double* rows;                      // of each sample kFitRow: the unknowns' factors, then zeros
    const double *targets, *weights;
    int64_t count;
    int unknowns;
    double *matrix, *right;                  // out: kFitRow x kFitRow sums of (weight a) b on and below the diagonal; of (weight a) target
};

struct FitKernels {
    void (*add_squares)(const SquaresJob&);
};

// Of the best copy for this machine that no compiler makes fused multiply-adds in.
const FitKernels& fit_kernels();

}  // namespace mmip
