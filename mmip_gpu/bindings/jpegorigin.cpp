// Binds what finds, codes and decodes images that were JPEG files.
// Values: pixels as uint8 arrays (images, ny, nx, components) in; a payload out, and back. Home: host. FORMAT.md section 8.10.
#include "bindings/arrays.h"
#include "bindings/bindings.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <optional>
#include <string>
#include <tuple>

#include "passes/coding/payload.h"
#include "passes/jpegorigin/jpeg_bands.h"
#include "passes/jpegorigin/jpeg_search.h"

namespace mmip {
namespace {

using namespace nb::literals;

using Pixels = nb::ndarray<const uint8_t, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using MadePixels = nb::ndarray<uint8_t, nb::ndim<4>, nb::c_contig, nb::device::cpu>;

struct Images {
    const uint8_t* pixels;
    int64_t count, bytes;                                    // images, and bytes of one
    int ny, nx, components;
};

Images images_of(const Pixels& a) {
    constexpr size_t most = 1 << 20;
    require(a.shape(3) == 1 || a.shape(3) == 3, "pixels have one or three components");
    require(a.size() > 0 && a.shape(1) <= most && a.shape(2) <= most, "images without samples, or too long");
    const int ny = static_cast<int>(a.shape(1)), nx = static_cast<int>(a.shape(2)), components = static_cast<int>(a.shape(3));
    return {a.data(), static_cast<int64_t>(a.shape(0)), static_cast<int64_t>(ny) * nx * components, ny, nx, components};
}

void check_band_rows(int band_rows) {
    require(band_rows > 0 && band_rows % kJpegBandUnit == 0 && band_rows <= kJpegMostBandRows, "rows of a band");
}

// (decoded, grid, y, x) of the first image; see JpegTrace.
std::tuple<bool, bool, int, int> probe(Pixels pixels) {
    const Images images = images_of(pixels);
    const JpegTrace trace = probe_jpeg(images.pixels, images.ny, images.nx, images.components);
    return {trace.decoded, trace.grid, trace.grid_y, trace.grid_x};
}

std::string form_bytes(const JpegForm& form) {
    std::vector<uint8_t> bytes;
    append_jpeg_form(form, bytes);
    return {bytes.begin(), bytes.end()};
}

// (form as in the parameters, pixels that decoding does not give back) of the first image.
std::optional<std::tuple<nb::bytes, int64_t>> find(Pixels pixels, int least, int threads) {
    const Images images = images_of(pixels);
    std::string form;
    int64_t wrong;
    {
        nb::gil_scoped_release free;
        const JpegFit fit = find_jpeg(images.pixels, images.ny, images.nx, images.components, least, threads);
        wrong = fit.wrong;
        if (wrong >= 0) form = form_bytes(fit.form);
    }
    if (wrong < 0) return std::nullopt;
    return std::tuple{nb::bytes(form.data(), form.size()), wrong};
}

// The payload; nothing where one image was no JPEG file.
std::optional<nb::bytes> encode(Pixels pixels, int band_rows, int least, int threads) {
    const Images images = images_of(pixels);
    check_band_rows(band_rows);
    std::string payload;
    {
        nb::gil_scoped_release free;
        std::vector<uint8_t> parameters;
        std::vector<std::vector<uint8_t>> streams;
        for (int64_t i = 0; i < images.count; ++i) {
            const uint8_t* image = images.pixels + i * images.bytes;
            const JpegFit fit = find_jpeg(image, images.ny, images.nx, images.components, least, threads);
            if (fit.wrong < 0) {
                streams.clear();
                break;
            }
            append_jpeg_form(fit.form, parameters);
            for (std::vector<uint8_t>& band : encode_jpeg_bands(fit, image, band_rows, threads)) streams.push_back(std::move(band));
        }
        if (!streams.empty()) payload = assemble_parameter_payload(parameters, streams, threads);
    }
    if (payload.empty()) return std::nullopt;
    return nb::bytes(payload.data(), payload.size());
}

// Bands of an image that rows [begin, end) need, whatever its form: a chroma row around, and the grid's offset.
std::pair<int, int> bands_of(int ny, int band_rows, int begin, int end) {
    const int last = jpeg_band_count(ny, band_rows) - 1;
    return {std::max(0, begin - 2) / band_rows, std::min(last, (end + kJpegBandUnit) / band_rows) + 1};
}

// Fills out (images, rows, nx, components) with rows from `begin` on of the images from `first` on; the payload is one of `images` images of ny rows.
void decode(ByteArray data, int64_t images, int ny, int band_rows, int64_t first, int begin, bool check_crc, MadePixels out, int threads) {
    const int64_t count = static_cast<int64_t>(out.shape(0));
    const int rows = static_cast<int>(out.shape(1)), nx = static_cast<int>(out.shape(2)), components = static_cast<int>(out.shape(3)), end = begin + rows;
    check_band_rows(band_rows);
    require(nx > 0 && (components == 1 || components == 3) && 0 <= begin && begin < end && end <= ny && 0 <= first && first + count <= images, "rows outside the images");
    nb::gil_scoped_release free;
    const int all = jpeg_band_count(ny, band_rows);
    const ParameterPayload payload = read_parameter_payload(data.data(), data.size(), data.size(), images * all, check_crc);
    std::vector<JpegForm> forms;
    size_t taken = 0;
    for (int64_t i = 0; i < images; ++i) {
        const JpegForm form = read_jpeg_form(payload.parameters, payload.parameter_bytes, taken, ny, nx, components);
        if (i >= first && i < first + count) forms.push_back(form);
    }
    if (taken != payload.parameter_bytes) throw DataError(kStatusTrailing, "bytes after the form of the last image");
    const auto [from, to] = bands_of(ny, band_rows, begin, end);
    for (int64_t i = 0; i < count; ++i) {
        std::vector<JpegBandBytes> bands;
        for (int band = from; band < to; ++band) {
            const int64_t number = (first + i) * all + band;
            if (band == from || number % kGroupSubstreams == 0) payload.check_group(number / kGroupSubstreams);
            bands.push_back({payload.substream(number), payload.substream_bytes(number)});
        }
        decode_jpeg_bands(forms[i], band_rows, from, bands, begin, end, out.data() + i * rows * static_cast<int64_t>(nx) * components, threads);
    }
}

}  // namespace

void bind_jpegorigin(nb::module_& m) {
    m.def("jpeg_probe", &probe, "pixels"_a);
    m.def("jpeg_find", &find, "pixels"_a, "least"_a, "threads"_a);
    m.def("jpeg_encode", &encode, "pixels"_a, "band_rows"_a, "least"_a, "threads"_a);
    m.def("jpeg_bands", &bands_of, "ny"_a, "band_rows"_a, "begin"_a, "end"_a);
    m.def("jpeg_decode", &decode, "payload"_a, "images"_a, "ny"_a, "band_rows"_a, "first"_a, "begin"_a, "check_crc"_a, "out"_a, "threads"_a);
    m.attr("JPEG_BAND_UNIT") = kJpegBandUnit;
    m.attr("JPEG_MOST_BAND_ROWS") = kJpegMostBandRows;
}

}  // namespace mmip
