// Binds what finds, codes and decodes images that were JPEG files.
// Values: pixels as uint8 arrays (images, ny, nx, components) in; parameters and sub-streams out, and back. Home: host. FORMAT.md section 8.9.
#include "bindings/arrays.h"
#include "bindings/bindings.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <tuple>

#include "passes/jpegorigin/jpeg_bands.h"
#include "passes/jpegorigin/jpeg_search.h"

namespace mmip {
namespace {

using namespace nb::literals;

using Pixels = nb::ndarray<const uint8_t, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using MadePixels = nb::ndarray<uint8_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

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

using Streams = std::tuple<nb::bytes, Made<uint8_t>, Made<uint32_t>>;

// (parameters, sub-streams one after the other, their sizes); nothing where one image was no JPEG file.
std::optional<Streams> encode(Pixels pixels, int band_rows, int least, int threads) {
    const Images images = images_of(pixels);
    require(band_rows > 0 && band_rows % kJpegBandUnit == 0 && band_rows <= kJpegMostBandRows, "rows of a band");
    std::vector<uint8_t> parameters, bytes;
    std::vector<uint32_t> sizes;
    {
        nb::gil_scoped_release free;
        for (int64_t i = 0; i < images.count; ++i) {
            const uint8_t* image = images.pixels + i * images.bytes;
            const JpegFit fit = find_jpeg(image, images.ny, images.nx, images.components, least, threads);
            if (fit.wrong < 0) {
                sizes.clear();
                break;
            }
            append_jpeg_form(fit.form, parameters);
            for (const std::vector<uint8_t>& band : encode_jpeg_bands(fit, image, band_rows, threads)) {
                bytes.insert(bytes.end(), band.begin(), band.end());
                sizes.push_back(static_cast<uint32_t>(band.size()));
            }
        }
    }
    if (sizes.empty()) return std::nullopt;
    return Streams{nb::bytes(parameters.data(), parameters.size()), copied(bytes), copied(sizes)};
}

// Fills rows [begin, begin + out.shape(0)) of image `image`; sizes and bytes are those of its bands from `first` on.
void decode(ByteArray parameters, int image, int ny, int band_rows, int first, ByteArray bytes, Given<uint32_t> sizes, int begin, MadePixels out, int threads) {
    const int nx = static_cast<int>(out.shape(1)), components = static_cast<int>(out.shape(2)), end = begin + static_cast<int>(out.shape(0));
    require(image >= 0 && ny > 0 && nx > 0 && (components == 1 || components == 3) && 0 <= begin && begin < end && end <= ny, "rows outside the image");
    require(band_rows > 0 && band_rows % kJpegBandUnit == 0 && band_rows <= kJpegMostBandRows, "rows of a band");
    const int all = jpeg_band_count(ny, band_rows), last = first + static_cast<int>(sizes.size()) - 1;
    require(0 <= first && first <= std::max(0, begin - 2) / band_rows && last < all && last >= std::min(all - 1, (end + kJpegBandUnit) / band_rows), "bands that do not hold the rows");
    std::vector<JpegBandBytes> bands;
    size_t at = 0;
    for (size_t i = 0; i < sizes.size(); at += sizes.data()[i++]) {
        require(sizes.data()[i] <= bytes.size() - at, "sizes of bands do not fit their bytes");
        bands.push_back({bytes.data() + at, sizes.data()[i]});
    }
    nb::gil_scoped_release free;
    JpegForm form{};
    size_t taken = 0;
    for (int i = 0; i <= image; ++i) form = read_jpeg_form(parameters.data(), parameters.size(), taken, ny, nx, components);
    decode_jpeg_bands(form, band_rows, first, bands, begin, end, out.data(), threads);
}

// Checks parameters of all images, of which nothing may be left.
void check_parameters(ByteArray parameters, int64_t images, int ny, int nx, int components) {
    size_t taken = 0;
    for (int64_t i = 0; i < images; ++i) read_jpeg_form(parameters.data(), parameters.size(), taken, ny, nx, components);
    if (taken != parameters.size()) throw DataError(kStatusTrailing, "bytes after the form of the last image");
}

}  // namespace

void bind_jpegorigin(nb::module_& m) {
    m.def("jpeg_probe", &probe, "pixels"_a);
    m.def("jpeg_find", &find, "pixels"_a, "least"_a, "threads"_a);
    m.def("jpeg_encode", &encode, "pixels"_a, "band_rows"_a, "least"_a, "threads"_a);
    m.def("jpeg_check_parameters", &check_parameters, "parameters"_a, "images"_a, "ny"_a, "nx"_a, "components"_a);
    m.def("jpeg_decode", &decode, "parameters"_a, "image"_a, "ny"_a, "band_rows"_a, "first"_a, "bytes"_a, "sizes"_a, "begin"_a, "out"_a, "threads"_a);
}

}  // namespace mmip
