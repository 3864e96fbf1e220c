// Every kernel by its name: what the wrappers of kernels.cu and the CPU executor of phases.cpp are made of.
#pragma once

#include "device/kernels/blocks/analyze.h"
#include "device/kernels/blocks/close.h"
#include "device/kernels/columns.h"
#include "device/kernels/corrections/corrections.h"
#include "device/kernels/dc/dc_images.h"
#include "device/kernels/dc/dc_streams.h"
#include "device/kernels/corrections/encode_corrections.h"
#include "device/kernels/padding/fill.h"
#include "device/kernels/samples/finish.h"
#include "device/kernels/tokens/list_headers.h"
#include "device/kernels/tokens/list_predictions.h"
#include "device/kernels/tokens/list_tokens.h"
#include "device/kernels/padding/masks.h"
#include "device/kernels/palette/palettes.h"
#include "device/kernels/predictive/read_residuals.h"
#include "device/kernels/predictive/residuals.h"
#include "device/kernels/predictive/restore.h"
#include "device/kernels/blocks/restore.h"
#include "device/kernels/predictive/write_residuals.h"
#include "device/kernels/coding/substream_offsets.h"
#include "device/kernels/samples/means.h"
#include "device/kernels/samples/prepare.h"
#include "device/kernels/blocks/search.h"
#include "device/kernels/samples/sums.h"
#include "device/kernels/blocks/synthesize.h"
#include "device/kernels/tokens/unpack.h"
#include "device/kernels/tokens/write_tokens.h"

namespace mmip {

using PullKernel = SpreadKernel<true>;
using PushKernel = SpreadKernel<false>;
using SynthesizeFlatKernel = SynthesisKernel<1, false>;
using SynthesizeDeepKernel = SynthesisKernel<8, false>;
using ReduceFlatKernel = SynthesisKernel<1, true>;
using ReduceDeepKernel = SynthesisKernel<8, true>;
using SynthesizePredictedKernel = SynthesisKernel<1, false, DecodeParams, true>;
using ReducePredictedKernel = SynthesisKernel<1, true, DecodeParams, true>;
using SearchPredictedKernel = SearchKernel<1, true>;
using SynthesizeClosedKernel = SynthesisKernel<1, false, CodedParams, true>;
using SynthesizePlanesKernel = SynthesisKernel<1, false, CodedParams>;
using SynthesizeVolumesKernel = SynthesisKernel<8, false, CodedParams>;

}  // namespace mmip

// Modules, each compiled when the first of its kernels is launched. X(name of the entry point, kernel)
#define MMIP_ENCODING_KERNELS(X)                                        \
    X(sample_statistics, mmip::StatisticsKernel)                        \
    X(float_indices, mmip::FloatIndexKernel)                            \
    X(colour_planes, mmip::ColourKernel)                                \
    X(cell_classes, mmip::CellClassKernel)                              \
    X(analyze_planes, mmip::AnalyzeKernel<1>)                           \
    X(analyze_volumes, mmip::AnalyzeKernel<8>)                          \
    X(header_classes, mmip::HeaderClassesKernel)                        \
    X(list_tokens, mmip::ListTokensKernel)                              \
    X(list_headers, mmip::ListHeadersKernel)                            \
    X(list_predictions, mmip::ListPredictionsKernel)                    \
    X(sum_histograms, mmip::SumHistogramsKernel)                        \
    X(count_token_bits, mmip::CountTokenBitsKernel)                     \
    X(write_tokens, mmip::WriteTokensKernel)                            \
    X(place_superblocks, mmip::PlaceSuperblocksKernel)                  \
    X(place_streams, mmip::PlaceStreamsKernel)                          \
    X(group_crcs, mmip::GroupCrcsKernel)                                \
    X(dc_residuals, mmip::DcResidualsKernel)                            \
    X(count_dcs, mmip::CountDcsKernel)                                  \
    X(count_dc_bits, mmip::CountDcBitsKernel)                           \
    X(write_dcs, mmip::WriteDcsKernel)                                  \
    X(dcs_to_image, mmip::DcsToImageKernel)                             \
    X(image_to_dcs, mmip::ImageToDcsKernel)

#define MMIP_SEARCH_KERNELS(X)                                          \
    X(search_planes, mmip::SearchKernel<1>)                             \
    X(search_volumes, mmip::SearchKernel<8>)

#define MMIP_EXTRAS_KERNELS(X)                                          \
    X(count_palettes, mmip::CountPalettesKernel)                        \
    X(write_palettes, mmip::WritePalettesKernel)                        \
    X(find_corrections, mmip::FindCorrectionsKernel)                    \
    X(count_corrections, mmip::CountCorrectionsKernel)                  \
    X(count_correction_bits, mmip::CountCorrectionBitsKernel)           \
    X(write_corrections, mmip::WriteCorrectionsKernel)                  \
    X(find_masks, mmip::FindMasksKernel)                                \
    X(frame_masks, mmip::FrameMasksKernel)                              \
    X(count_masks, mmip::CountMasksKernel)                              \
    X(write_masks, mmip::WriteMasksKernel)                              \
    X(pull_levels, mmip::PullKernel)                                    \
    X(push_levels, mmip::PushKernel)                                    \
    X(fill_planes, mmip::FillKernel<1>)                                 \
    X(fill_volumes, mmip::FillKernel<8>)                                \
    X(settle_blocks, mmip::SettleBlocksKernel)                          \
    X(settle_dcs, mmip::SettleDcsKernel)

#define MMIP_CHECKS_KERNELS(X)                                          \
    X(synthesize_planes, mmip::SynthesizePlanesKernel)                  \
    X(synthesize_volumes, mmip::SynthesizeVolumesKernel)                \
    X(sum_differences, mmip::DifferenceKernel)

#define MMIP_DECODING_KERNELS(X)                                        \
    X(check_groups, mmip::CrcKernel)                                    \
    X(unpack_masks, mmip::MaskKernel)                                   \
    X(unpack_first, mmip::FirstStageKernel)                             \
    X(unpack_tokens, mmip::TokenKernel<false>)                          \
    X(unpack_corrections, mmip::CorrectionKernel)                       \
    X(synthesize_flat, mmip::SynthesizeFlatKernel)                      \
    X(synthesize_deep, mmip::SynthesizeDeepKernel)                      \
    X(reduce_flat, mmip::ReduceFlatKernel)                              \
    X(reduce_deep, mmip::ReduceDeepKernel)                              \
    X(correct_samples, mmip::CorrectSamplesKernel)                      \
    X(undo_colour, mmip::UndoColourKernel)                              \
    X(indices_to_floats, mmip::FloatKernel)

#define MMIP_PREDICTED_KERNELS(X)                                       \
    X(unpack_predicted, mmip::TokenKernel<true>)                        \
    X(restore_tiles, mmip::RestoreKernel)                               \
    X(synthesize_predicted, mmip::SynthesizePredictedKernel)            \
    X(reduce_predicted, mmip::ReducePredictedKernel)                    \
    X(read_columns, mmip::ReadColumnsKernel)                            \
    X(write_columns, mmip::WriteColumnsKernel)

#define MMIP_CLOSING_KERNELS(X)                                         \
    X(search_predicted, mmip::SearchPredictedKernel)                    \
    X(close_tiles, mmip::CloseKernel)                                   \
    X(synthesize_closed, mmip::SynthesizeClosedKernel)

#define MMIP_BRICKS_KERNELS(X)                                          \
    X(read_residuals, mmip::ReadResidualsKernel)                        \
    X(add_cross, mmip::AddCrossKernel)                                  \
    X(restore_bricks, mmip::RestoreBricksKernel)                        \
    X(store_bricks, mmip::StoreBricksKernel)                            \
    X(mean_windows, mmip::MeanWindowsKernel)                            \
    X(load_bricks, mmip::LoadBricksKernel)                              \
    X(choose_sets, mmip::ChooseSetsKernel)                              \
    X(brick_residuals, mmip::BrickResidualsKernel)                      \
    X(count_residuals, mmip::CountResidualsKernel)                      \
    X(write_residuals, mmip::WriteResidualsKernel)                      \
    X(gather_streams, mmip::GatherStreamsKernel)

// M(name of the module, its list)
#define MMIP_MODULES(M)                                                 \
    M(encoding, MMIP_ENCODING_KERNELS)                                  \
    M(search, MMIP_SEARCH_KERNELS)                                      \
    M(extras, MMIP_EXTRAS_KERNELS)                                      \
    M(checks, MMIP_CHECKS_KERNELS)                                      \
    M(decoding, MMIP_DECODING_KERNELS)                                  \
    M(predicted, MMIP_PREDICTED_KERNELS)                                \
    M(closing, MMIP_CLOSING_KERNELS)                                    \
    M(bricks, MMIP_BRICKS_KERNELS)

#define MMIP_ALL_KERNELS(X)                                             \
    MMIP_ENCODING_KERNELS(X)                                            \
    MMIP_SEARCH_KERNELS(X)                                              \
    MMIP_EXTRAS_KERNELS(X)                                              \
    MMIP_CHECKS_KERNELS(X)                                              \
    MMIP_DECODING_KERNELS(X)                                            \
    MMIP_PREDICTED_KERNELS(X)                                           \
    MMIP_CLOSING_KERNELS(X)                                             \
    MMIP_BRICKS_KERNELS(X)
