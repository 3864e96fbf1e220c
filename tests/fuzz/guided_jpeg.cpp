// libFuzzer over kind 5: images of drawn coefficients and residuals there and back, found again from their pixels, then damaged
// forms and bands. Values: bytes of libFuzzer. Any report of a sanitizer, any difference, and any exception but DataError ends
// the run. tests/fuzz/guided.sh builds and runs it.
#include "guided_input.h"
#include "passes/jpegorigin/jpeg_bands.h"
#include "passes/jpegorigin/jpeg_search.h"

using namespace mmip;

namespace {

constexpr int kBandRows[] = {16, 32, 64};

void draw_tables(Input& in, JpegForm& form) {
    for (int t = 0; t < 2; ++t) {
        form.quality[t] = in.u8() % 101;
        const int own = 1 + in.u8();
        for (int i = 0; i < 64; ++i) form.steps[t][i] = static_cast<uint8_t>(form.quality[t] == kJpegOwnTable ? 1 + (own * (i + 1)) % 255 : jpeg_step(t, form.quality[t], i));
    }
}

JpegForm draw_form(Input& in) {
    JpegForm form{};
    const uint8_t drawn = in.u8();
    form.components = drawn & 1 ? 3 : 1;
    form.sampling = form.components == 3 ? (drawn >> 1) % kJpegSamplings : kJpegFull;
    form.ny = 1 + in.u8() % 50, form.nx = 1 + in.u8() % 50;
    form.offset_y = in.u8() % form.unit_y(), form.offset_x = in.u8() % form.unit_x();
    draw_tables(in, form);
    return form;
}

// Few coefficients a block, most of them small.
void draw_coefficients(Input& in, JpegFit& fit) {
    fit.components = jpeg_components(fit.form);
    const Bytes drawn = in.take(in.size / 2);
    size_t at = 0;
    const auto next = [&]() { return drawn.empty() ? 0 : drawn[at++ % drawn.size()]; };
    for (JpegComponent& component : fit.components)
        for (size_t block = 0; block < component.coefficients.size(); block += 64) {
            component.coefficients[block] = static_cast<int16_t>(static_cast<int8_t>(next()) * (next() % 16 == 0 ? 16 : 1));
            for (int k = next() % 6; k > 0; --k) {
                const int place = kJpegZigzag[1 + next() % (k == 1 ? 63 : 9)], value = static_cast<int8_t>(next());
                component.coefficients[block + static_cast<size_t>(place)] = static_cast<int16_t>(value % 16 == 0 ? value * 15 : value / 8);
            }
        }
    synthesize_samples(fit.form, fit.components, 1);
}

// Nothing where the bands are refused: rows of the image, of forms and bands that read as those of one image.
std::optional<Bytes> decoded(const Parts& parts, const JpegForm& of, int band_rows, int begin, int end) {
    Bytes out(static_cast<size_t>(end - begin) * of.nx * of.components, 0xaa);
    try {
        size_t taken = 0;
        const Payload held(std::string(parts.parameters.begin(), parts.parameters.end()));
        const JpegForm form = read_jpeg_form(held.bytes.get(), held.size, taken, of.ny, of.nx, of.components);
        const int from = std::max(0, begin - 2) / band_rows, to = std::min(jpeg_band_count(of.ny, band_rows) - 1, (end + kJpegBandUnit) / band_rows) + 1;
        std::vector<Payload> streams;
        std::vector<JpegBandBytes> bands;
        for (int band = from; band < to; ++band) {
            streams.emplace_back(std::string(parts.streams[band].begin(), parts.streams[band].end()));
            bands.push_back({streams.back().bytes.get(), streams.back().size});
        }
        decode_jpeg_bands(form, band_rows, from, bands, begin, end, out.data(), 1);
    } catch (const DataError&) {
        return std::nullopt;
    }
    return out;
}

void try_rows(Input& in, const Parts& parts, const JpegForm& form, int band_rows, const std::optional<Bytes>& whole) {
    const int begin = in.u8() % form.ny, end = begin + 1 + in.u8() % (form.ny - begin);
    const auto rows = decoded(parts, form, band_rows, begin, end);
    if (!whole) return;
    const size_t row = static_cast<size_t>(form.nx) * form.components;
    if (!rows || memcmp(rows->data(), &(*whole)[begin * row], rows->size()) != 0) differ("some rows and the whole");
}

Parts there_and_back(Input& in, const JpegFit& fit, const Bytes& pixels, int band_rows) {
    Parts parts;
    append_jpeg_form(fit.form, parts.parameters);
    parts.streams = encode_jpeg_bands(fit, pixels.data(), band_rows, 1);
    const auto back = decoded(parts, fit.form, band_rows, 0, fit.form.ny);
    if (!back || *back != pixels) differ("pixels there and back");
    try_rows(in, parts, fit.form, band_rows, back);
    return parts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input in{data, size};
    JpegFit fit;
    fit.form = draw_form(in);
    const uint8_t choice = in.u8();
    Input damages{in.bytes, std::min<size_t>(in.size, 40)};
    in.take(40);
    draw_coefficients(in, fit);
    const JpegForm& form = fit.form;
    Bytes pixels(static_cast<size_t>(form.ny) * form.nx * form.components);
    jpeg_pixels(form, fit.components, 0, form.ny, pixels.data(), 1);
    for (int i = choice % 4; i > 0; --i) pixels[in.u16() % pixels.size()] = in.u8();
    if (choice & 4 && !pixels.empty()) pixels = draw_samples(in, pixels.size(), 1, form.nx * form.components);
    const int band_rows = kBandRows[(choice >> 3) % 3];
    Parts parts = there_and_back(damages, fit, pixels, band_rows);
    if (choice >> 5 == 7) {
        const JpegFit found = find_jpeg(pixels.data(), form.ny, form.nx, form.components, 900, 1);
        if (found.wrong >= 0) parts = there_and_back(damages, found, pixels, band_rows);
    }
    for (int i = damages.u8() % 3; i >= 0; --i) damage(damages, parts);
    try_rows(damages, parts, form, band_rows, decoded(parts, form, band_rows, 0, form.ny));
    return 0;
}
