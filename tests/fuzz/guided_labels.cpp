// libFuzzer over kind 8: arrays go there and back, and damaged or drawn parameters and sub-streams end in DataError.
// Values: bytes of libFuzzer. Any report of a sanitizer, any difference, and any exception but DataError ends the run.
// tests/fuzz/guided.sh builds and runs it.
#include "guided_input.h"
#include "passes/labels/labels.h"

using namespace mmip;

namespace {

struct DrawnLabels {
    LabelType type;
    LabelGrid grid;
    LabelLimits limits;
};

int64_t samples_of(const LabelGrid& grid, const LabelBox& box, int scale) {
    const std::array<int64_t, 6> window = label_window(grid, box, scale);
    return (box[1] - box[0]) * (window[1] - window[0]) * (window[3] - window[2]) * (window[5] - window[4]);
}

std::optional<Bytes> decoded(const DrawnLabels& of, const Payload& payload, const LabelBox& box, int scale) {
    Bytes out(static_cast<size_t>(samples_of(of.grid, box, scale) * of.type.bytes), 0xaa);
    try {
        decode_labels(payload.bytes.get(), payload.size, of.type, of.grid, of.limits, box, scale, true, out.data(), 1);
    } catch (const DataError&) {
        return std::nullopt;
    }
    return out;
}

LabelBox whole_box(const LabelGrid& grid) { return {0, grid.planes, 0, grid.tiles(0), 0, grid.tiles(1), 0, grid.tiles(2)}; }

LabelBox drawn_box(Input& in, const LabelGrid& grid) {
    LabelBox box = whole_box(grid);
    for (int a = 0; a < 8; a += 2) {
        const int64_t count = box[a + 1];
        box[a] = in.u8() % count;
        box[a + 1] = box[a] + 1 + in.u8() % (count - box[a]);
    }
    return box;
}

Bytes cut_out(const DrawnLabels& of, const Bytes& whole, const LabelBox& box, int scale) {
    const std::array<int64_t, 6> window = label_window(of.grid, box, scale);
    const auto& shape = of.grid.shape;
    Bytes out;
    for (int64_t p = box[0]; p < box[1]; ++p)
        for (int64_t z = window[0]; z < window[1]; ++z)
            for (int64_t y = window[2]; y < window[3]; ++y)
                for (int64_t x = window[4]; x < window[5]; ++x) {
                    const int64_t at = ((p * shape[0] + z * scale) * shape[1] + y * scale) * shape[2] + x * scale;
                    out.insert(out.end(), whole.begin() + at * of.type.bytes, whole.begin() + (at + 1) * of.type.bytes);
                }
    return out;
}

void try_box(Input& in, const DrawnLabels& of, const Payload& payload, const std::optional<Bytes>& whole) {
    const LabelBox box = drawn_box(in, of.grid);
    const int scale = 1 << in.u8() % 4;
    const auto part = decoded(of, payload, box, scale);
    if (whole && (!part || *part != cut_out(of, *whole, box, scale))) differ("a box, or a scale, and the whole");
}

void decode_drawn(Input& in, DrawnLabels& of) {
    of.limits = {in.u64(), in.u64()};
    Parts parts;
    parts.parameters = in.take(in.u8());
    for (int64_t i = 0; i < of.grid.substreams(); ++i) {
        parts.streams.push_back(in.take(i + 1 == of.grid.substreams() ? in.size : in.u8()));
        if (parts.streams.back().empty()) parts.streams.back().push_back(0);
    }
    const Payload payload(parts);
    try_box(in, of, payload, decoded(of, payload, whole_box(of.grid), 1));
}

void there_and_back(Input& in, DrawnLabels& of) {
    Input damages{in.bytes, std::min<size_t>(in.size, 24)};
    in.take(24);
    const LabelGrid& grid = of.grid;
    const Bytes samples = draw_samples(in, static_cast<size_t>(grid.planes * grid.shape[0] * grid.shape[1] * grid.shape[2]), of.type.bytes, grid.shape[2]);
    const CodedLabels coded = encode_labels(samples.data(), of.type, grid, 1);
    of.limits = coded.limits;
    const auto back = decoded(of, Payload(coded.payload), whole_box(grid), 1);
    if (!back || *back != samples) differ("labels there and back");
    try_box(damages, of, Payload(coded.payload), back);
    Parts parts(coded.payload, grid.substreams());
    for (int i = damages.u8() % 3; i >= 0; --i) damage(damages, parts);
    const Payload damaged(parts);
    try_box(damages, of, damaged, decoded(of, damaged, whole_box(grid), 1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input in{data, size};
    const uint8_t form = in.u8(), planes = in.u8();
    DrawnLabels of{{1 << (form & 3), (form & 4) != 0}, {1 + planes % 2, {1 + in.u8() % 6, 1 + in.u8() % 24, 1 + in.u8() % 40}, {in.u8() % 4, in.u8() % 6, in.u8() % 7}}, {}};
    if (of.grid.substreams() > 200) return 0;
    if (form & 8) decode_drawn(in, of);
    else there_and_back(in, of);
    return 0;
}
