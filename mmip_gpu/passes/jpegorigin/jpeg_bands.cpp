// See jpeg_bands.h.
#include "passes/jpegorigin/jpeg_bands.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "passes/layout.h"
#include "passes/parallel.h"
#include "rules/jpegorigin/jpeg_residual.h"

namespace mmip {
namespace {

struct ByteSink {
    std::vector<uint8_t>* bytes;
    void byte(uint8_t value) { bytes->push_back(value); }
};

// Rows of the image that belong to a band.
struct BandRows {
    int begin, end;
};

BandRows rows_of_band(const JpegForm& form, int band, int band_rows) {
    const int bands = jpeg_band_count(form.ny, band_rows);
    const int begin = band == 0 ? 0 : band * band_rows - form.offset_y;
    return {begin, band + 1 == bands ? form.ny : std::min(form.ny, (band + 1) * band_rows - form.offset_y)};
}

// One band, from or into components that hold at least its rows of blocks.
template <class Coder>
class BandCoder {
public:
    BandCoder(const JpegForm& form, JpegComponents& components, int band, int band_rows, Coder& coder, JpegModel& model)
        : form_(form), components_(components), band_(band), band_rows_(band_rows), bands_(jpeg_band_count(form.ny, band_rows)), values_(coder, model) {}

    Status code_coefficients() {
        for (int c = 0; c < form_.components; ++c) {
            const int begin = form_.band_begin(c, band_, band_rows_, bands_), end = form_.band_begin(c, band_ + 1, band_rows_, bands_);
            for (int row = begin; row < end; ++row)
                for (int column = 0; column < components_[c].columns; ++column)
                    if (const Status status = code_block(c, row, column, begin); status != kOk) return status;
        }
        return kOk;
    }

    // residual: rows of the band.
    void code_residual(const JpegResidual& residual) {
        const int first = rows_of_band(form_, band_, band_rows_).begin + form_.offset_y;
        std::vector<uint8_t> flags(form_.block_columns(0), 0);
        for (int row = first >> 3; 8 * row < first + residual.ny; ++row) {
            int west = 0;
            for (int column = form_.offset_x >> 3; column < form_.block_columns(0); ++column) {
                const int y0 = std::max(8 * row - first, 0), y1 = std::min(8 * row + 8 - first, residual.ny);
                const int x0 = std::max(8 * column - form_.offset_x, 0), x1 = std::min(8 * column + 8 - form_.offset_x, form_.nx);
                west = code_residual_block(values_, residual, y0, y1, x0, x1, west, flags[column]);
                flags[column] = static_cast<uint8_t>(west);
            }
        }
    }

private:
    Status code_block(int c, int row, int column, int begin) {
        JpegComponent& component = components_[c];
        const int local = row - component.first;
        const bool north = row > begin, west = column > 0;
        JpegBlock b{};
        b.values = component.block(local, column);
        b.west = west ? component.block(local, column - 1) : nullptr;
        b.north = north ? component.block(local - 1, column) : nullptr;
        b.corner = west && north ? component.block(local - 1, column - 1) : nullptr;
        b.other = other_block(c, row, column);
        b.steps = form_.table(c), b.chroma = c > 0 ? 1 : 0, b.component = c;
        b.stride = 8 * component.columns;
        int16_t* samples = &component.samples[8 * local * b.stride + 8 * column];
        b.samples_west = west ? samples - 8 : nullptr;
        b.samples_north = north ? samples - 8 * b.stride : nullptr;
        const Status status = code_jpeg_block(values_, b);
        if (status != kOk) return status;
        int32_t block[64];
        synthesize_block(b.values, b.steps, block);
        for (int i = 0; i < 64; ++i) samples[(i >> 3) * b.stride + (i & 7)] = static_cast<int16_t>(block[i]);
        return kOk;
    }

    // Of Cr the block of Cb, of Cb the (first) block of the luma at its place, if it is of this band.
    const int16_t* other_block(int c, int row, int column) {
        if (c == 0) return nullptr;
        if (c == 2) return components_[1].block(row - components_[1].first, column);
        JpegComponent& luma = components_[0];
        const int y = row << form_.shift_y(1), x = column << form_.shift_x(1);
        return y < form_.band_begin(0, band_ + 1, band_rows_, bands_) && x < luma.columns ? luma.block(y - luma.first, x) : nullptr;
    }

    const JpegForm& form_;
    JpegComponents& components_;
    const int band_, band_rows_, bands_;
    JpegValues<Coder> values_;
};

using Encoder = RangeEncoder<ByteSink, StatedProbability>;
using Decoder = RangeDecoder<StatedProbability>;

void decode_band(const JpegForm& form, JpegComponents& components, int band, int band_rows, JpegBandBytes stream, std::vector<int16_t>& residual) {
    const std::unique_ptr<JpegModel> model(new JpegModel);
    model->reset();
    StatedProbability stated{};
    if (stream.size > UINT32_MAX) throw DataError(kStatusTrailing, "band too long");
    Decoder decoder(stream.bytes, static_cast<uint32_t>(stream.size), stated);
    const auto fail = [&](Status status, const char* what) { throw DataError(status, "band " + std::to_string(band) + ": " + what); };
    if (decoder.code == decoder.range) fail(kStatusMask, "impossible range code");
    BandCoder<Decoder> coder(form, components, band, band_rows, decoder, *model);
    if (const Status status = coder.code_coefficients(); status != kOk) fail(status, "a coefficient or a count out of range");
    const BandRows rows = rows_of_band(form, band, band_rows);
    residual.assign(static_cast<size_t>(rows.end - rows.begin) * form.nx * form.components, 0);
    coder.code_residual({residual.data(), rows.end - rows.begin, form.nx, form.components});
    if (stream.size > decoder.used) fail(kStatusTrailing, "bytes left over");
}

void add_residual(const JpegForm& form, BandRows rows, const std::vector<int16_t>& residual, int begin, int end, uint8_t* pixels) {
    const int64_t row = static_cast<int64_t>(form.nx) * form.components;
    for (int y = std::max(rows.begin, begin); y < std::min(rows.end, end); ++y)
        for (int64_t x = 0; x < row; ++x) {
            uint8_t& pixel = pixels[(y - begin) * row + x];
            const int value = pixel + residual[static_cast<size_t>(y - rows.begin) * row + x];
            if (value < 0 || value > 255) throw DataError(kStatusValue, "a pixel outside 0..255");
            pixel = static_cast<uint8_t>(value);
        }
}

}  // namespace

std::vector<std::vector<uint8_t>> encode_jpeg_bands(const JpegFit& fit, const uint8_t* pixels, int band_rows, int threads) {
    const JpegForm& form = fit.form;
    const int64_t row = static_cast<int64_t>(form.nx) * form.components;
    JpegComponents components = fit.components;
    std::vector<uint8_t> decoded(static_cast<size_t>(row) * form.ny);
    jpeg_pixels(form, components, 0, form.ny, decoded.data(), threads);
    std::vector<std::vector<uint8_t>> streams(jpeg_band_count(form.ny, band_rows));
    parallel_for(static_cast<int64_t>(streams.size()), threads, [&](int64_t band, int) {
        const BandRows rows = rows_of_band(form, static_cast<int>(band), band_rows);
        std::vector<int16_t> residual(static_cast<size_t>(rows.end - rows.begin) * row);
        for (size_t i = 0; i < residual.size(); ++i) residual[i] = static_cast<int16_t>(pixels[rows.begin * row + i] - decoded[rows.begin * row + i]);
        const std::unique_ptr<JpegModel> model(new JpegModel);
        model->reset();
        StatedProbability stated{};
        ByteSink sink{&streams[band]};
        Encoder encoder(sink, stated);
        BandCoder<Encoder> coder(form, components, static_cast<int>(band), band_rows, encoder, *model);
        coder.code_coefficients();
        coder.code_residual({residual.data(), rows.end - rows.begin, form.nx, form.components});
        encoder.finish();
        std::vector<uint8_t>& bytes = streams[band];
        while (bytes.size() > 1 && bytes.back() == 0) bytes.pop_back();
    });
    return streams;
}

void decode_jpeg_bands(const JpegForm& form, int band_rows, int first, const std::vector<JpegBandBytes>& bands, int begin, int end, uint8_t* pixels, int threads) {
    const int count = static_cast<int>(bands.size()), all = jpeg_band_count(form.ny, band_rows);
    JpegComponents components(form.components);
    for (int c = 0; c < form.components; ++c) {
        const int from = form.band_begin(c, first, band_rows, all);
        components[c].resize(from, form.band_begin(c, first + count, band_rows, all) - from, form.block_columns(c));
    }
    std::vector<std::vector<int16_t>> residuals(bands.size());
    parallel_for(count, threads, [&](int64_t i, int) { decode_band(form, components, first + static_cast<int>(i), band_rows, bands[i], residuals[i]); });
    jpeg_pixels(form, components, begin, end, pixels, threads);
    for (int i = 0; i < count; ++i) add_residual(form, rows_of_band(form, first + i, band_rows), residuals[i], begin, end, pixels);
}

// u8: sampling + 4 offset_y; u8: offset_x; for luma and, with three components, chroma u8 quality and, where it is 0, 64 steps.
void append_jpeg_form(const JpegForm& form, std::vector<uint8_t>& out) {
    out.push_back(static_cast<uint8_t>(form.sampling + 4 * form.offset_y));
    out.push_back(static_cast<uint8_t>(form.offset_x));
    for (int t = 0; t < (form.components == 3 ? 2 : 1); ++t) {
        out.push_back(form.quality[t]);
        for (int k = 0; k < 64 && form.quality[t] == kJpegOwnTable; ++k) out.push_back(form.steps[t][kJpegZigzag[k]]);
    }
}

JpegForm read_jpeg_form(const uint8_t* parameters, size_t size, size_t& at, int ny, int nx, int components) {
    const auto take = [&]() {
        if (at >= size) throw DataError(kStatusTruncated, "parameters end before the form of an image");
        return parameters[at++];
    };
    const auto expect = [](bool condition, const char* what) {
        if (!condition) throw DataError(kStatusSymbol, what);
    };
    JpegForm form{};
    form.ny = ny, form.nx = nx, form.components = components;
    const int first = take();
    form.sampling = first & 3, form.offset_y = first >> 2, form.offset_x = take();
    expect(form.sampling < (components == 3 ? kJpegSamplings : 1), "a sampling that there is not");
    expect(form.offset_y < form.unit_y() && form.offset_x < form.unit_x(), "a grid offset outside the grid's unit");
    for (int t = 0; t < (components == 3 ? 2 : 1); ++t) {
        form.quality[t] = take();
        expect(form.quality[t] <= 100, "a quality above 100");
        for (int k = 0; k < 64; ++k) {
            const int i = kJpegZigzag[k];
            form.steps[t][i] = form.quality[t] == kJpegOwnTable ? take() : static_cast<uint8_t>(jpeg_step(t, form.quality[t], i));
            expect(form.steps[t][i] > 0, "a step of 0");
        }
    }
    return form;
}

}  // namespace mmip
