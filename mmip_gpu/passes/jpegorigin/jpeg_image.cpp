// See jpeg_image.h.
#include "passes/jpegorigin/jpeg_image.h"

#include <algorithm>

#include "passes/parallel.h"
#include "rules/jpegorigin/idct.h"
#include "rules/jpegorigin/jpeg_colour.h"

namespace mmip {
namespace {

// Row y of a chroma component as the columns of the image see it: one row, or 3 to 1 the sums of two.
void chroma_row(const JpegForm& form, const JpegComponent& chroma, int c, int y, int16_t* row) {
    const int columns = form.columns(c), rows = form.rows(c);
    const bool blended = form.shift_y(c) > 0 && (columns > 2 || form.shift_x(c) == 0);
    const int at = y >> form.shift_y(c), other = std::clamp((y & 1) != 0 ? at + 1 : at - 1, 0, rows - 1);
    const int16_t *near = chroma.sample_row(at), *far = blended ? chroma.sample_row(other) : near;
    const int weight = form.shift_y(c) > 0 ? 3 : 1, far_weight = form.shift_y(c) > 0 ? 1 : 0;
    for (int x = 0; x < columns; ++x) row[x] = static_cast<int16_t>(weight * jpeg_sample(near[x]) + far_weight * jpeg_sample(far[x]));
}

}  // namespace

void JpegComponent::resize(int first_row, int row_count, int column_count) {
    first = first_row, rows = row_count, columns = column_count;
    coefficients.assign(static_cast<size_t>(rows) * columns * 64, 0);
    samples.assign(coefficients.size(), 0);
}

JpegComponents jpeg_components(const JpegForm& form) {
    JpegComponents all(form.components);
    for (int c = 0; c < form.components; ++c) all[c].resize(0, form.block_rows(c), form.block_columns(c));
    return all;
}

void synthesize_block(const int16_t* coefficients, const uint8_t* steps, int32_t* out) {
    for (int i = 0; i < 64; ++i) out[i] = coefficients[i] * steps[i];
    jpeg_idct(out);
}

void synthesize_samples(const JpegForm& form, JpegComponents& components, int threads) {
    for (int c = 0; c < form.components; ++c) {
        JpegComponent& component = components[c];
        parallel_for(component.rows, threads, [&](int64_t row, int) {
            int32_t block[64];
            for (int column = 0; column < component.columns; ++column) {
                synthesize_block(component.block(static_cast<int>(row), column), form.table(c), block);
                int16_t* out = &component.samples[(8 * row * component.columns + column) * 8];
                for (int i = 0; i < 64; ++i) out[(i >> 3) * 8 * component.columns + (i & 7)] = static_cast<int16_t>(block[i]);
            }
        });
    }
}

void jpeg_row(const JpegForm& form, const JpegComponents& components, int y, uint8_t* ycc, std::vector<int16_t>& scratch) {
    const int row = y + form.offset_y, nx = form.nx, x0 = form.offset_x;
    const int16_t* luma = components[0].sample_row(row);
    for (int x = 0; x < nx; ++x) ycc[x] = static_cast<uint8_t>(jpeg_sample(luma[x0 + x]));
    for (int c = 1; c < form.components; ++c) {
        uint8_t* out = ycc + static_cast<int64_t>(c) * nx;
        if (form.sampling == kJpegFull) {
            const int16_t* chroma = components[c].sample_row(row);
            for (int x = 0; x < nx; ++x) out[x] = static_cast<uint8_t>(jpeg_sample(chroma[x0 + x]));
            continue;
        }
        const int columns = form.columns(c), unit = form.sampling == kJpegHalf ? 4 : 1;
        scratch.resize(columns);
        chroma_row(form, components[c], c, row, scratch.data());
        if (form.sampling == kJpegHalfY) {
            for (int x = 0; x < nx; ++x) out[x] = static_cast<uint8_t>((scratch[x0 + x] + 1 + (row & 1)) >> 2);
            continue;
        }
        const auto at = [&](int i) { return static_cast<int>(scratch[i]); };
        for (int x = 0; x < nx; ++x) out[x] = static_cast<uint8_t>(jpeg_upsampled(at, columns, x0 + x, unit));
    }
}

void jpeg_pixels(const JpegForm& form, const JpegComponents& components, int begin, int end, uint8_t* pixels, int threads) {
    const int64_t nx = form.nx;
    parallel_for(end - begin, threads, [&](int64_t i, int) {
        thread_local std::vector<int16_t> scratch;
        thread_local std::vector<uint8_t> ycc;
        uint8_t* out = pixels + i * nx * form.components;
        if (form.components == 1) return jpeg_row(form, components, begin + static_cast<int>(i), out, scratch);
        ycc.resize(3 * nx);
        jpeg_row(form, components, begin + static_cast<int>(i), ycc.data(), scratch);
        for (int64_t x = 0; x < nx; ++x) {
            const JpegColour rgb = jpeg_colour(ycc[x], ycc[nx + x], ycc[2 * nx + x]);
            out[3 * x] = static_cast<uint8_t>(jpeg_clamp(rgb.r));
            out[3 * x + 1] = static_cast<uint8_t>(jpeg_clamp(rgb.g));
            out[3 * x + 2] = static_cast<uint8_t>(jpeg_clamp(rgb.b));
        }
    });
}

}  // namespace mmip
