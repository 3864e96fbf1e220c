"""Every rule header compiles for a GPU through NVRTC, which needs no GPU, with no standard headers and no warning.

Skipped where the compiler is not installed: pip install nvidia-cuda-nvrtc.
"""

import pytest
from helpers.nvrtc import compiled
from helpers.places import PACKAGE

PROBE = """
#include "rules/coding/crc.h"
#include "rules/dc/dc_walk.h"
#include "rules/dc/dc_reader.h"
#include "rules/blocks/blocks.h"
#include "rules/tokens/builtin_codes.h"
#include "rules/samples/colour.h"
#include "rules/corrections/correction_codes.h"
#include "rules/corrections/correction_walk.h"
#include "rules/coding/crc.h"
#include "rules/blocks/decide.h"
#include "rules/samples/floats.h"
#include "rules/coding/huffman.h"
#include "rules/padding/mask_reader.h"
#include "rules/palette/palette_fit.h"
#include "rules/palette/palette_reader.h"
#include "rules/samples/sample_positions.h"
#include "rules/samples/statistics.h"
#include "rules/tokens/substream_reader.h"
#include "rules/blocks/quantize.h"
#include "rules/tokens/tokens.h"
#include "rules/predictive/colour_forms.h"
#include "rules/predictive/predict.h"
#include "rules/predictive/residual_reader.h"
#include "rules/blocks/transform.h"
using namespace mmip;
struct Bytes {
    unsigned char* at;
    __device__ void byte(unsigned char value) { *at++ = value; }
};
extern "C" __global__ void probe(float* lines, int* indices, unsigned char* bytes, const CodeTables* codes,
                                 const BlockPosition* table) {
    float* line = lines + 32 * threadIdx.x;
    dct_line<32, float>(line, 1);
    idct_line<16, float>(line, 2);
    reversible_line<float>(line, 4);
    inverse_reversible_line<float>(line, 1);
    const int magnitude = quantize_magnitude(scaled_magnitude(line[0], 2.0f), 88);
    const int recon[4] = {0, kDcLengths[0][0], kHeaderLengths[1][14][0], kTokenLengths[0][0]};
    line[1] = dequantize(magnitude, recon, 0.5f) + index_cost(magnitude);
    BitReader bits(bytes, 64);
    indices[0] = decode_symbol(bits, codes[0], 3) + to_sample(line[2]);
    indices[4] = token_entry(17, 3);
    BitWriter writer(bytes);
    put_gamma(writer, kTokenClass[5]);
    put_token(writer, 35, 3, 0, token_size(5), -5);
    writer.finish();
    indices[6] = crc_joined(crc_of(bytes, 7), 1, 9);
    MaskModel model;
    model.reset();
    Bytes sink{bytes};
    RangeEncoder<Bytes, MaskModel> encoder(sink, model);
    code_mask({bytes, 2, 8, 8}, encoder);
    encoder.finish();
    RangeDecoder<MaskModel> decoder(bytes, 64, model);
    code_mask({bytes, 2, 8, 8}, decoder);
    PaletteModel colours;
    colours.reset();
    RangeDecoder<PaletteModel> palette(bytes, 64, colours);
    indices[6] = static_cast<int>(code_gap(0, palette));
    code_colours(bytes, 8, 3, palette);
    line[3] = palette_values(line[1], indices, 7, 512, palette_unit(8)).of[2];
    line[4] = expected_slope(line[0], line[1]) + expected_bend(line[0], line[1], line[2]);
    const CellPlace at{1, 1, 1, 4, 4};
    indices[1] = colour_inverse(colour_forward({1, 2, 3})).a;
    indices[3] = dc_residual_context(reinterpret_cast<unsigned*>(indices), at);
    Entry entries[2] = {{1, 0, 300, 1}, {5, 1, 200, 1}};
    const Segment segment{0, table, bytes, bytes, 3};
    Cost cost;
    indices[5] = decide_segment(entries, 2, segment, kDecisionRounds, reinterpret_cast<unsigned*>(indices), cost);
    ResidualReader<int32_t> residuals(bytes, reinterpret_cast<const uint32_t*>(bytes), 3);
    read_residuals<int32_t>(residuals, {2, 4, 4, 6, 24}, {{indices, nullptr}, 1}, indices + 99, indices + 200);
    WideResidualReader wide(bytes, reinterpret_cast<const uint32_t*>(bytes), 3);
    read_residuals<int32_t>(wide, {1, 4, 4, 6, 24}, {{nullptr, nullptr}, 0}, indices + 99, indices + 300);
    const Predictor<int32_t> set{};
    restore_slices<int32_t, int64_t>(indices + 200, 6, 24, 0, 2, 4, 4, set, true, 255);
    to_components<int32_t>(kFormYCoCg, 8, 1, 2, 3, indices + 7);
    to_channels<int32_t>(kFormDifference, 8, indices[7], indices[8], indices[9]);
    indices[10] = wrapped(indices[7], 8) + static_cast<int32_t>(folded(indices[8])) +
                  residual_token(99, kDirectTokens).symbol;
    indices[2] = block_shape(kMode16, 8).cells + static_cast<int>(scan_key(1, 2, 3, 8, 8, 8, 0));
}
"""


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100"])
def test_rule_headers_compile(architecture: str) -> None:
    headers = {p.relative_to(PACKAGE).as_posix(): p.read_text() for p in sorted((PACKAGE / "rules").rglob("*.h"))}
    assert "warning" not in compiled(PROBE, architecture, ["--std=c++17", "--fmad=false"], headers)
