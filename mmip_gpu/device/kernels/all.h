// Every kernel by its name: what the wrappers of kernels.cu and the CPU executor of phases.cpp are made of.
#pragma once

#include "analyze.h"
#include "corrections.h"
#include "dc_streams.h"
#include "finish.h"
#include "list_tokens.h"
#include "palettes.h"
#include "place_streams.h"
#include "prepare.h"
#include "search.h"
#include "sums.h"
#include "synthesize.h"
#include "unpack.h"
#include "write_tokens.h"

namespace mmip {

using SynthesizeFlatKernel = SynthesisKernel<1, false>;
using SynthesizeDeepKernel = SynthesisKernel<8, false>;
using ReduceFlatKernel = SynthesisKernel<1, true>;
using ReduceDeepKernel = SynthesisKernel<8, true>;

}  // namespace mmip

// X(name of the entry point, kernel)
#define MMIP_ALL_KERNELS(X)                              \
    X(sum_samples, mmip::SumKernel)                      \
    X(colour_planes, mmip::ColourKernel)                 \
    X(cell_classes, mmip::CellClassKernel)               \
    X(analyze_planes, mmip::AnalyzeKernel<1>)            \
    X(analyze_volumes, mmip::AnalyzeKernel<8>)           \
    X(search_planes, mmip::SearchKernel<1>)              \
    X(search_volumes, mmip::SearchKernel<8>)             \
    X(header_classes, mmip::HeaderClassesKernel)         \
    X(list_tokens, mmip::ListTokensKernel)               \
    X(list_headers, mmip::ListHeadersKernel)             \
    X(sum_histograms, mmip::SumHistogramsKernel)         \
    X(count_token_bits, mmip::CountTokenBitsKernel)      \
    X(write_tokens, mmip::WriteTokensKernel)             \
    X(count_palettes, mmip::CountPalettesKernel)         \
    X(write_palettes, mmip::WritePalettesKernel)         \
    X(place_superblocks, mmip::PlaceSuperblocksKernel)   \
    X(place_streams, mmip::PlaceStreamsKernel)           \
    X(group_crcs, mmip::GroupCrcsKernel)                 \
    X(dc_residuals, mmip::DcResidualsKernel)             \
    X(count_dcs, mmip::CountDcsKernel)                   \
    X(count_dc_bits, mmip::CountDcBitsKernel)            \
    X(write_dcs, mmip::WriteDcsKernel)                    \
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
