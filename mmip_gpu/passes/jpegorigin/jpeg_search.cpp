// See jpeg_search.h.
#include "passes/jpegorigin/jpeg_search.h"

#include <algorithm>
#include <cstring>

#include "passes/jpegorigin/jpeg_chroma.h"
#include "passes/jpegorigin/jpeg_grid.h"
#include "passes/jpegorigin/jpeg_tables.h"

namespace mmip {
namespace {

constexpr int kProbeWindows = 64, kWindows = 1024, kRounds = 40, kFirstRounds = 6;
constexpr int kEnough = 20, kLikely = 6;                     // of so many pixels one may be wrong: nothing else, or no other grid and tables, is tried
constexpr int kReachedOf1000 = 990, kReachedLeast = 64;

// Chroma samples at a sampling, and where in the grid of the file they begin.
struct Chroma {
    int sampling, offset_y, offset_x;
    FloatPlane planes[2];
    float misses = 0;
};

FloatPlane float_plane(const std::vector<int16_t>& samples, int ny, int nx) {
    FloatPlane plane(ny, nx);
    for (size_t i = 0; i < samples.size(); ++i) plane.values[i] = samples[i];
    return plane;
}

JpegGrid grid_of(const FloatPlane& plane, int windows) {
    return find_jpeg_grid(plane.ny, plane.nx, windows, [&](int y, int x, JpegWindow& window) {
        for (int i = 0; i < kJpegWindow; ++i) std::copy_n(plane.row(y + i) + x, kJpegWindow, window[i]);
    });
}

// offset: 0..7 of the luma; of chroma at half size it may be 8 more: the grid of the chroma tells.
Chroma chroma_at(int sampling, int offset_y, int offset_x, const FloatPlane* full, const uint8_t* known) {
    Chroma chroma{sampling, offset_y, offset_x, {}, 0};
    const bool half_x = jpeg_halves_x(sampling), half_y = jpeg_halves_y(sampling);
    std::array<int, 64> counts{};
    for (int c = 0; c < 2; ++c) {
        chroma.planes[c] = downsampled(full[c], half_x, half_y, offset_x & 1, offset_y & 1);
        const FloatPlane& samples = chroma.planes[c];
        if (sampling != kJpegFull) chroma.misses += upsampling_misses(full[c], samples, half_x, half_y, offset_x & 1, offset_y & 1, known) / 2;
        const JpegGrid grid = grid_of(samples, kWindows / 2);
        for (int i = 0; i < 64; ++i) counts[i] += grid.counts[i];
    }
    int best = -1;
    for (int y = offset_y; y < (half_y ? 16 : 8); y += 8)
        for (int x = offset_x; x < (half_x ? 16 : 8); x += 8) {
            const int begin_y = (8 - (half_y ? y / 2 : y) % 8) % 8, begin_x = (8 - (half_x ? x / 2 : x) % 8) % 8;
            const int count = counts[8 * begin_y + begin_x];
            if (count > best) best = count, chroma.offset_y = y, chroma.offset_x = x;
        }
    return chroma;
}

bool is_of_quality(const JpegTable& table) { return std::memcmp(table.steps, table.own, 64) == 0; }

void take_table(JpegForm& form, int table, const JpegTable& found, bool own) {
    form.quality[table] = static_cast<uint8_t>(own && !is_of_quality(found) ? kJpegOwnTable : found.quality);
    std::memcpy(form.steps[table], own ? found.own : found.steps, 64);
}

class JpegSearch {
public:
    JpegSearch(const uint8_t* pixels, int ny, int nx, int components, int threads)
        : pixels_(pixels), threads_(threads), exact_(jpeg_pixels_of(pixels, static_cast<int64_t>(ny) * nx, components, threads)) {
        form_ = JpegForm{};
        form_.ny = ny, form_.nx = nx, form_.components = components;
        luma_ = float_plane(exact_.planes[0], ny, nx);
        grid_ = grid_of(luma_, kWindows);
    }

    // The best fit, if it leaves no more than `most_wrong` pixels wrong.
    JpegFit run(int64_t most_wrong) {
        best_.wrong = -1;
        if (grid_.clear() && !try_grid(grid_.y, grid_.x) && !is_likely()) try_grid(grid_.second_y, grid_.second_x);
        if (best_.wrong > 0 && 2 * best_.wrong < static_cast<int64_t>(form_.ny) * form_.nx) {
            improve_jpeg(best_, pixels_, exact_, kRounds, threads_);
            repair_jpeg(best_, pixels_, exact_, threads_);
        }
        if (best_.wrong > most_wrong) best_.wrong = -1;
        return std::move(best_);
    }

private:
    // These return whether there is no need to look further.
    bool try_grid(int grid_y, int grid_x) {
        form_.offset_y = (8 - grid_y) % 8, form_.offset_x = (8 - grid_x) % 8;
        const JpegTable table = find_jpeg_table(luma_, grid_y, grid_x, exact_.known.data(), 0, 0);
        if (form_.components == 3) return try_samplings(table);
        for (const bool own : {false, true}) {
            if (own && (is_likely() || is_of_quality(table))) break;
            take_table(form_, 0, table, own);
            take_table(form_, 1, table, false);
            if (try_form()) return true;
        }
        return false;
    }

    bool try_samplings(const JpegTable& luma) {
        FloatPlane full[2];
        for (int c = 0; c < 2; ++c) full[c] = float_plane(exact_.planes[c + 1], form_.ny, form_.nx);
        const JpegForm start = form_;
        for (const int sampling : {kJpegHalf, kJpegHalfX, kJpegHalfY, kJpegFull}) {
            const Chroma chroma = chroma_at(sampling, start.offset_y, start.offset_x, full, exact_.known.data());
            if (chroma.misses > 0.2f) continue;
            form_.sampling = sampling, form_.offset_y = chroma.offset_y, form_.offset_x = chroma.offset_x;
            const int begin_y = (8 - (chroma.offset_y >> form_.shift_y(1)) % 8) % 8, begin_x = (8 - (chroma.offset_x >> form_.shift_x(1)) % 8) % 8;
            const JpegTable table = find_jpeg_table(chroma.planes[0], begin_y, begin_x, sampling == kJpegFull ? exact_.known.data() : nullptr, 1, luma.quality);
            for (const bool own : {false, true}) {
                if (own && (is_likely() || (is_of_quality(luma) && is_of_quality(table)))) break;
                take_table(form_, 0, luma, own);
                take_table(form_, 1, table, own);
                if (try_form()) return true;
            }
        }
        return false;
    }

    // Small steps leave so many pixels wrong, another grid more.
    bool is_likely() const { return best_.wrong >= 0 && best_.wrong * kLikely <= static_cast<int64_t>(form_.ny) * form_.nx; }

    bool try_form() {
        JpegFit fit = recover_jpeg(form_, pixels_, exact_, kFirstRounds, threads_);
        if (best_.wrong < 0 || fit.wrong < best_.wrong) best_ = std::move(fit);
        return best_.wrong * kEnough <= static_cast<int64_t>(form_.ny) * form_.nx;
    }

    const uint8_t* pixels_;
    const int threads_;
    const JpegPixels exact_;
    JpegForm form_;
    JpegFit best_;
    FloatPlane luma_;
    JpegGrid grid_;
};

}  // namespace

JpegTrace probe_jpeg(const uint8_t* pixels, int ny, int nx, int components) {
    JpegTrace trace;
    const int64_t count = static_cast<int64_t>(ny) * nx;
    if (components == 3) {
        const JpegReach reach = jpeg_reach(pixels, count, std::max<int64_t>(1, count / 1024) | 1);
        if (1000 * reach.reached < kReachedOf1000 * reach.counted) return trace;
        trace.decoded = reach.counted >= kReachedLeast;
    }
    const JpegGrid grid = find_jpeg_grid(ny, nx, kProbeWindows, [&](int y, int x, JpegWindow& window) {
        for (int i = 0; i < kJpegWindow; ++i)
            for (int j = 0; j < kJpegWindow; ++j) {
                const uint8_t* p = pixels + (static_cast<int64_t>(y + i) * nx + x + j) * components;
                window[i][j] = components == 1 ? p[0] : 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
            }
    });
    trace.grid = grid.clear(), trace.grid_y = grid.y, trace.grid_x = grid.x;
    return trace;
}

JpegFit find_jpeg(const uint8_t* pixels, int ny, int nx, int components, int least, int threads) {
    const int64_t count = static_cast<int64_t>(ny) * nx;
    if (!probe_jpeg(pixels, ny, nx, components).grid) return JpegFit{{}, {}, -1};
    return JpegSearch(pixels, ny, nx, components, threads).run(count * (1000 - least) / 1000);
}

}  // namespace mmip
