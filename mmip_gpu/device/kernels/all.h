// Every kernel by its name: what the wrappers of kernels.cu and the CPU executor of phases.cpp are made of.
#pragma once

#include "corrections.h"
#include "finish.h"
#include "sums.h"
#include "synthesize.h"
#include "unpack.h"

namespace mmip {

using SynthesizeFlatKernel = SynthesisKernel<1, false>;
using SynthesizeDeepKernel = SynthesisKernel<8, false>;
using ReduceFlatKernel = SynthesisKernel<1, true>;
using ReduceDeepKernel = SynthesisKernel<8, true>;

}  // namespace mmip

// X(name of the entry point, kernel)
#define MMIP_ALL_KERNELS(X)                              \
    X(sum_samples, mmip::SumKernel)                      \
    X(check_groups, mmip::CrcKernel)                     \
    X(unpack_masks, mmip::MaskKernel)                    \
    X(unpack_first, mmip::FirstStageKernel)              \
    X(unpack_tokens, mmip::TokenKernel)                  \
    X(unpack_corrections, mmip::CorrectionKernel)        \
    X(synthesize_flat, mmip::SynthesizeFlatKernel)       \
    X(synthesize_deep, mmip::SynthesizeDeepKernel)       \
    X(reduce_flat, mmip::ReduceFlatKernel)               \
    X(reduce_deep, mmip::ReduceDeepKernel)               \
    X(correct_samples, mmip::CorrectSamplesKernel)       \
    X(undo_colour, mmip::UndoColourKernel)               \
    X(indices_to_floats, mmip::FloatKernel)
