// libFuzzer over kind 4: arrays there and back by a trained codebook and by a damaged one that still parses, then damaged sub-streams.
// Values: bytes of libFuzzer. Any report of a sanitizer, any difference, and any exception but DataError ends the run.
// tests/fuzz/guided.sh builds and runs it.
#include <map>

#include "guided_input.h"
#include "passes/soft/mine.h"
#include "passes/soft/tiles.h"

using namespace mmip;

namespace {

struct DrawnImage {
    SoftGrid grid;
    Bytes samples;
    SampleType type;

    Samples view() { return {samples.data(), type}; }
    int width() const { return kSampleBytes[type]; }
};

// Samples of a depth: others of the type are no input of a coder.
void mask_samples(DrawnImage& image, int depth, bool is_signed) {
    for (size_t i = 0; i < image.samples.size(); i += image.width()) {
        uint16_t value = image.samples[i];
        if (image.width() == 2) value |= static_cast<uint16_t>(image.samples[i + 1] << 8);
        value &= static_cast<uint16_t>((1 << depth) - 1);
        if (is_signed) value = static_cast<uint16_t>(value - (1 << (depth - 1)));
        memcpy(&image.samples[i], &value, image.width());
    }
}

// Trained once for each form of samples: few bright cells over noise, so that there are shapes.
const Bytes& trained(int depth, bool is_signed, bool colour, int components) {
    static std::map<int, Bytes> all;
    Bytes& bytes = all[depth << 8 | is_signed << 7 | colour << 6 | components];
    if (!bytes.empty()) return bytes;
    DrawnImage image{{{components, 1, 48, 48}, {5, 6}}, {}, static_cast<SampleType>((depth > 8 ? 2 : 0) + is_signed)};
    uint32_t state = 12345;
    for (int64_t i = 0; i < components * 48 * 48 * image.width(); ++i) {
        state = state * 1664525u + 1013904223u;
        image.samples.push_back(static_cast<uint8_t>(state >> 30 | (state % 4096 > 3900 ? 64 : 0)));
    }
    mask_samples(image, depth, is_signed);
    SoftMiner miner(depth, is_signed, colour, components, 2);
    miner.survey(image.view(), image.grid);
    miner.choose_layers();
    miner.count(image.view(), image.grid);
    miner.mine(image.view(), image.grid);
    miner.choose_shapes();
    miner.use(image.view(), image.grid);
    miner.choose_codes();
    return bytes = miner.book().to_bytes();
}

int64_t samples_of(const SoftGrid& grid, const SoftBox& box) {
    int64_t count = (box.high[0] - box.low[0]) * (box.high[1] - box.low[1]);
    for (int a = 2; a < 4; ++a) count *= std::min(box.high[a] << grid.tile_log2[a - 2], grid.shape[a]) - (box.low[a] << grid.tile_log2[a - 2]);
    return count;
}

std::optional<Bytes> decoded(const DrawnImage& image, const SoftBox& box, const SoftCodebook& book, const Payload& payload) {
    Bytes out(static_cast<size_t>(samples_of(image.grid, box)) * image.width(), 0xaa);
    try {
        soft_decode(payload.bytes.get(), payload.size, image.grid, box, book, true, {out.data(), image.type}, 1);
    } catch (const DataError&) {
        return std::nullopt;
    }
    return out;
}

SoftBox whole_box(const SoftGrid& g) { return {{}, {g.shape[0], g.shape[1], g.tiles(0), g.tiles(1)}}; }

void try_box(Input& in, const DrawnImage& image, const SoftCodebook& book, const Payload& payload, const std::optional<Bytes>& whole) {
    SoftBox box = whole_box(image.grid);
    const int64_t step = book.colour ? 3 : 1;
    for (int a = 0; a < 4; ++a) {
        const int64_t unit = a == 0 ? step : 1, count = box.high[a] / unit;
        box.low[a] = in.u8() % count * unit;
        box.high[a] = box.low[a] + unit + in.u8() % (count - box.low[a] / unit) * unit;
    }
    const auto part = decoded(image, box, book, payload);
    if (!whole) return;
    if (!part) differ("a box is refused, the whole is not");
    const auto& shape = image.grid.shape;
    size_t at = 0;
    for (int64_t p = box.low[0]; p < box.high[0]; ++p)
        for (int64_t z = box.low[1]; z < box.high[1]; ++z)
            for (int64_t y = box.low[2] << image.grid.tile_log2[0]; y < std::min(box.high[2] << image.grid.tile_log2[0], shape[2]); ++y) {
                const int64_t x = box.low[3] << image.grid.tile_log2[1], end = std::min(box.high[3] << image.grid.tile_log2[1], shape[3]);
                const size_t bytes = static_cast<size_t>((end - x) * image.width()), from = static_cast<size_t>((((p * shape[1] + z) * shape[2] + y) * shape[3] + x) * image.width());
                if (memcmp(&(*part)[at], &(*whole)[from], bytes) != 0) differ("a box and the whole");
                at += bytes;
            }
}

Payload there_and_back(Input& in, DrawnImage& image, const SoftCodebook& book) {
    Payload payload(soft_encode(image.view(), image.grid, book, 1));
    const auto back = decoded(image, whole_box(image.grid), book, payload);
    if (!back) differ("what was coded is refused");
    if (*back != image.samples) differ("samples there and back");
    try_box(in, image, book, payload, back);
    return payload;
}

// Whether the codebook codes samples of this image.
bool fits(const SoftCodebook& book, const SoftCodebook& original) {
    return book.depth == original.depth && book.is_signed == original.is_signed && book.colour == original.colour && book.components.size() == original.components.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const int kDepths[] = {8, 9, 12, 16};
    Input in{data, size};
    const uint8_t form = in.u8(), choice = in.u8();
    const int depth = kDepths[form % 4], components = 1 + (form >> 3) % 3;
    const bool is_signed = form & 4, colour = components == 3 && form & 32;
    DrawnImage image{{{components * (1 + (form >> 6) % 2), 1 + in.u8() % 2, 1 + in.u8() % 40, 1 + in.u8() % 70}, {3 + choice % 4, 3 + (choice >> 2) % 4}}, {}, static_cast<SampleType>((depth > 8 ? 2 : 0) + is_signed)};
    Input damages{in.bytes, std::min<size_t>(in.size, 32)};
    in.take(32);
    const auto& shape = image.grid.shape;
    image.samples = draw_samples(in, static_cast<size_t>(shape[0] * shape[1] * shape[2] * shape[3]), image.width(), shape[3]);
    mask_samples(image, depth, is_signed);
    Bytes bytes = trained(depth, is_signed, colour, components);
    const SoftCodebook book(bytes.data(), bytes.size());
    if (book.to_bytes() != bytes) differ("bytes of a codebook");
    const Payload payload = there_and_back(damages, image, book);
    for (int i = (choice >> 4) % 3; i >= 0; --i) damage(damages, bytes);
    try {
        const std::string exact(bytes.begin(), bytes.end());
        const Payload held(exact);
        const SoftCodebook other(held.bytes.get(), held.size);
        if (other.to_bytes() != bytes) differ("bytes of a damaged codebook");
        if (fits(other, book)) {
            decoded(image, whole_box(image.grid), other, payload);
            there_and_back(damages, image, other);
        }
    } catch (const DataError&) {  // what damage has to end in
    }
    Parts parts(std::string(reinterpret_cast<const char*>(payload.bytes.get()), payload.size), image.grid.substreams());
    for (int i = choice >> 6; i >= 0; --i) damage(damages, parts);
    const Payload damaged(parts);
    try_box(damages, image, book, damaged, decoded(image, whole_box(image.grid), book, damaged));
    return 0;
}
