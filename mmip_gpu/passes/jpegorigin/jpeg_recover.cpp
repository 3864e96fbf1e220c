// See jpeg_recover.h.
#include "passes/jpegorigin/jpeg_recover.h"

#include <algorithm>
#include <cmath>

#include "passes/jpegorigin/jpeg_chroma.h"
#include "passes/jpegorigin/jpeg_dct.h"
#include "passes/jpegorigin/jpeg_repair.h"
#include "passes/parallel.h"
#include "rules/jpegorigin/idct.h"
#include "rules/jpegorigin/jpeg_colour.h"

namespace mmip {
namespace {

constexpr float kRounding = 0.49f;                           // the integer transform is a hundredth off
constexpr int kMoves = 60;
constexpr int kStale = 4, kHopelessOf1000 = 300;               // rounds that do not help; pixels wrong, of which one such round is enough

// Rounds of: decode, look where pixels differ, move coefficients by what the difference transforms to. Where a sample was
// saturated, or lies outside the image, only its bound is known; what decoding gives there stands in for it.
class Recovery {
public:
    Recovery(const JpegForm& form, const uint8_t* pixels, const JpegPixels& exact, int threads)
        : form_(form), pixels_(pixels), exact_(exact), threads_(threads), components_(jpeg_components(form)) {
        for (int c = 0; c < form.components; ++c) errors_[c] = FloatPlane(form.ny, form.nx);
    }

    JpegFit run(int rounds) {
        JpegFit best;
        best.form = form_, best.wrong = INT64_MAX;
        for (int c = 0; c < form_.components; ++c) seed_errors(c);
        improve(best, rounds, true);
        return best;
    }

    // Rounds from a fit on.
    void resume(JpegFit& best, int rounds) {
        components_ = best.components;
        synthesize_samples(form_, components_, threads_);
        find_errors();
        improve(best, rounds, false);
    }

    // Blocks of the components at full size, one by one; better than `best` or not at all.
    void repair(JpegFit& best) {
        components_ = best.components;
        for (int c = 0; c < form_.components; ++c) {
            if (form_.shift_x(c) + form_.shift_y(c) > 0) continue;
            parallel_for(components_[c].rows, threads_, [&](int64_t row, int) {
                for (int column = 0; column < components_[c].columns; ++column) repair_block(c, static_cast<int>(row), column);
            });
        }
        synthesize_samples(form_, components_, threads_);
        const int64_t wrong = find_errors();
        if (wrong < best.wrong) best.wrong = wrong, best.components = components_;
    }

private:
    void improve(JpegFit& best, int rounds, bool first) {
        const int64_t hopeless = static_cast<int64_t>(form_.ny) * form_.nx * kHopelessOf1000 / 1000;
        int stale = 0;
        for (int round = 0; round < rounds && best.wrong > 0; ++round) {
            for (int c = 0; c < form_.components; ++c) move_coefficients(c, first && round == 0, stale % 2 == 1 ? 1.7f : 1.f);
            synthesize_samples(form_, components_, threads_);
            const int64_t wrong = find_errors();
            if (wrong < best.wrong) {
                best.wrong = wrong, best.components = components_;
                stale = 0;
            } else if (++stale == kStale || best.wrong > hopeless) {
                return;
            }
        }
    }

    void seed_errors(int c) {
        for (size_t i = 0; i < errors_[c].values.size(); ++i) errors_[c].values[i] = static_cast<float>(exact_.planes[c][i]) - 128.f;
    }

    void move_coefficients(int c, bool first, float gain) {
        const bool half_x = form_.shift_x(c) > 0, half_y = form_.shift_y(c) > 0;
        const FloatPlane halved = half_x || half_y ? downsampled(errors_[c], half_x, half_y, form_.offset_x & 1, form_.offset_y & 1) : FloatPlane();
        const FloatPlane& errors = half_x || half_y ? halved : errors_[c];
        const int y0 = form_.offset_y >> form_.shift_y(c), x0 = form_.offset_x >> form_.shift_x(c);
        JpegComponent& component = components_[c];
        const uint8_t* steps = form_.table(c);
        parallel_for(component.rows, threads_, [&](int64_t row, int) {
            for (int column = 0; column < component.columns; ++column) {
                float in[64], out[64];
                float any = 0;
                for (int i = 0; i < 64; ++i) {
                    const int y = 8 * static_cast<int>(row) + (i >> 3) - y0, x = 8 * column + (i & 7) - x0;
                    const int inside_y = std::clamp(y, 0, errors.ny - 1), inside_x = std::clamp(x, 0, errors.nx - 1);
                    const bool visible = inside_y == y && inside_x == x;
                    in[i] = visible || first ? errors.row(inside_y)[inside_x] : 0.f;
                    any += std::fabs(in[i]);
                }
                if (any == 0.f) continue;
                jpeg_forward(in, out);
                int16_t* block = component.block(static_cast<int>(row), column);
                for (int i = 0; i < 64; ++i) {
                    const int moved = block[i] + static_cast<int>(std::floor(gain * out[i] / static_cast<float>(steps[i]) + 0.5f));
                    block[i] = static_cast<int16_t>(std::clamp(moved, -kJpegMaxCoefficient, kJpegMaxCoefficient));
                }
            }
        });
    }

    void repair_block(int c, int row, int column) {
        JpegComponent& component = components_[c];
        const int64_t stride = 8 * component.columns;
        const int16_t* samples = &component.samples[8 * row * stride + 8 * column];
        JpegBounds bounds;
        bool broken = false;
        for (int i = 0; i < 64; ++i) {
            const int y = 8 * row + (i >> 3) - form_.offset_y, x = 8 * column + (i & 7) - form_.offset_x;
            bounds.low[i] = -1e9f, bounds.high[i] = 1e9f;
            if (y < 0 || y >= form_.ny || x < 0 || x >= form_.nx) continue;
            const int64_t at = static_cast<int64_t>(y) * form_.nx + x;
            const int known = exact_.planes[c][at] - 128, raw = samples[(i >> 3) * stride + (i & 7)];
            if (exact_.known[at] == 0 && form_.components == 3) continue;
            if (exact_.known[at] != 0 || known > 0) bounds.low[i] = static_cast<float>(known) - kRounding, broken |= raw < known;
            if (exact_.known[at] != 0 || known < 0) bounds.high[i] = static_cast<float>(known) + kRounding, broken |= raw > known;
        }
        if (broken) repair_jpeg_block(bounds, form_.table(c), kMoves, component.block(row, column));
    }

    // Differences of Y, Cb, Cr at full size; returns the pixels that differ.
    int64_t find_errors() {
        std::vector<int64_t> wrong(form_.ny);
        parallel_for(form_.ny, threads_, [&](int64_t y, int) {
            thread_local std::vector<int16_t> scratch;
            thread_local std::vector<uint8_t> ycc;
            ycc.resize(static_cast<size_t>(form_.components) * form_.nx);
            jpeg_row(form_, components_, static_cast<int>(y), ycc.data(), scratch);
            const int16_t* luma = components_[0].sample_row(static_cast<int>(y) + form_.offset_y) + form_.offset_x;
            for (int x = 0; x < form_.nx; ++x) {
                const bool right = form_.components == 1 ? grey_errors(y, x, luma[x] + 128, ycc[x])
                                                         : colour_errors(y, x, luma[x] + 128, &ycc[x]);
                wrong[y] += right ? 0 : 1;
            }
        });
        int64_t sum = 0;
        for (const int64_t w : wrong) sum += w;
        return sum;
    }

    static float bounded(int pixel, float decoded) {
        if (pixel == 255) return std::max(decoded, 255.f);
        return pixel == 0 ? std::min(decoded, 0.f) : static_cast<float>(pixel);
    }

    bool grey_errors(int64_t y, int x, int raw, int sample) {
        const int pixel = pixels_[y * form_.nx + x];
        errors_[0].row(static_cast<int>(y))[x] = pixel == sample ? 0.f : bounded(pixel, static_cast<float>(raw)) - static_cast<float>(raw);
        return pixel == sample;
    }

    bool colour_errors(int64_t y, int x, int raw, const uint8_t* sample) {
        const int64_t i = y * form_.nx + x;
        const uint8_t* p = pixels_ + 3 * i;
        const int cb = sample[form_.nx], cr = sample[2 * form_.nx];
        const JpegColour rgb = jpeg_colour(sample[0], cb, cr);
        const bool right = jpeg_clamp(rgb.r) == p[0] && jpeg_clamp(rgb.g) == p[1] && jpeg_clamp(rgb.b) == p[2];
        float error[3] = {0.f, 0.f, 0.f};
        if (!right && exact_.known[i] != 0) {
            for (int c = 0; c < 3; ++c) error[c] = static_cast<float>(exact_.planes[c][i]) - static_cast<float>(c == 0 ? raw : (c == 1 ? cb : cr));
        } else if (!right) {
            const float r = bounded(p[0], static_cast<float>(rgb.r)), g = bounded(p[1], static_cast<float>(rgb.g)), b = bounded(p[2], static_cast<float>(rgb.b));
            error[0] = 0.299f * r + 0.587f * g + 0.114f * b - static_cast<float>(raw);
            error[1] = -0.168736f * r - 0.331264f * g + 0.5f * b + 128.f - static_cast<float>(cb);
            error[2] = 0.5f * r - 0.418688f * g - 0.081312f * b + 128.f - static_cast<float>(cr);
        }
        for (int c = 0; c < 3; ++c) errors_[c].row(static_cast<int>(y))[x] = error[c];
        return right;
    }

    const JpegForm form_;
    const uint8_t* pixels_;
    const JpegPixels& exact_;
    const int threads_;
    JpegComponents components_;
    FloatPlane errors_[3];
};

}  // namespace

JpegFit recover_jpeg(const JpegForm& form, const uint8_t* pixels, const JpegPixels& exact, int rounds, int threads) {
    return Recovery(form, pixels, exact, threads).run(rounds);
}

void improve_jpeg(JpegFit& fit, const uint8_t* pixels, const JpegPixels& exact, int rounds, int threads) {
    Recovery(fit.form, pixels, exact, threads).resume(fit, rounds);
}

void repair_jpeg(JpegFit& fit, const uint8_t* pixels, const JpegPixels& exact, int threads) {
    if (fit.wrong > 0) Recovery(fit.form, pixels, exact, threads).repair(fit);
}

}  // namespace mmip
