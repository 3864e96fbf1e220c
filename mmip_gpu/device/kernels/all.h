// Every kernel by its name: what the wrappers of kernels.cu and the CPU executor of phases.cpp are made of.
#pragma once

#include "analyze.h"
#include "dc_streams.h"
#include "list_tokens.h"
#include "place_streams.h"
#include "prepare.h"
#include "sums.h"
#include "write_tokens.h"

// X(name of the entry point, kernel)
#define MMIP_ALL_KERNELS(X)                              \
    X(sum_samples, mmip::SumKernel)                      \
    X(colour_planes, mmip::ColourKernel)                 \
    X(cell_classes, mmip::CellClassKernel)               \
    X(analyze_planes, mmip::AnalyzeKernel<1>)            \
    X(analyze_volumes, mmip::AnalyzeKernel<8>)           \
    X(list_tokens, mmip::ListTokensKernel)               \
    X(list_headers, mmip::ListHeadersKernel)             \
    X(sum_histograms, mmip::SumHistogramsKernel)         \
    X(count_token_bits, mmip::CountTokenBitsKernel)      \
    X(write_tokens, mmip::WriteTokensKernel)             \
    X(place_superblocks, mmip::PlaceSuperblocksKernel)   \
    X(place_streams, mmip::PlaceStreamsKernel)           \
    X(group_crcs, mmip::GroupCrcsKernel)                 \
    X(dc_residuals, mmip::DcResidualsKernel)             \
    X(count_dcs, mmip::CountDcsKernel)                   \
    X(count_dc_bits, mmip::CountDcBitsKernel)            \
    X(write_dcs, mmip::WriteDcsKernel)
