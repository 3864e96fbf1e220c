// libFuzzer over the coding of labels: arrays go there and back, and damaged parameters and sub-streams end in DataError.
// Values: bytes of libFuzzer. Any report of a sanitizer, any difference, and any exception but DataError ends the run. Payloads are
// assembled from what is drawn, so that their heads and crcs fit. tests/fuzz/guided.sh builds and runs it (TARGET=guided_labels).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "passes/coding/payload.h"
#include "passes/labels/labels.h"
#include "passes/layout.h"

using namespace mmip;

namespace {

struct Input {
    const uint8_t* data;
    size_t size;

    uint8_t u8() {
        if (size == 0) return 0;
        --size;
        return *data++;
    }
    uint64_t u64() {
        uint64_t value = 0;
        for (int i = 0; i < 8; ++i) value = value << 8 | u8();
        return value;
    }
    std::vector<uint8_t> take(size_t count) {
        std::vector<uint8_t> bytes(data, data + std::min(count, size));
        data += bytes.size(), size -= bytes.size();
        return bytes;
    }
};

int64_t product(const std::array<int64_t, 6>& window) {
    return (window[1] - window[0]) * (window[3] - window[2]) * (window[5] - window[4]);
}

void decode_drawn(Input& in, LabelType type, const LabelGrid& grid, const LabelBox& box, int scale) {
    const LabelLimits limits{in.u64(), in.u64()};
    const std::vector<uint8_t> parameters = in.take(in.u8());
    std::vector<std::vector<uint8_t>> streams;
    for (int64_t i = 0; i < grid.substreams(); ++i) {
        streams.push_back(in.take(i + 1 == grid.substreams() ? in.size : in.u8()));
        if (streams.back().empty()) streams.back().push_back(0);
    }
    const std::string payload = assemble_parameter_payload(parameters, streams, 1);
    std::vector<uint8_t> out((box[1] - box[0]) * product(label_window(grid, box, scale)) * type.bytes);
    decode_labels(reinterpret_cast<const uint8_t*>(payload.data()), payload.size(), type, grid, limits, box, scale, true, out.data(), 1);
}

void there_and_back(Input& in, LabelType type, const LabelGrid& grid) {
    const size_t count = static_cast<size_t>(grid.planes * grid.shape[0] * grid.shape[1] * grid.shape[2]);
    std::vector<uint8_t> samples(count * type.bytes), again(samples.size(), 0xaa);
    const uint8_t kinds = in.u8();
    for (size_t i = 0; i < count; ++i) {
        const uint8_t drawn = in.u8();
        memset(&samples[i * type.bytes], drawn % (1 + kinds % 8), type.bytes);
        if (drawn > 200 && i >= static_cast<size_t>(grid.shape[2])) memcpy(&samples[i * type.bytes], &samples[(i - grid.shape[2]) * type.bytes], type.bytes);
    }
    const CodedLabels coded = encode_labels(samples.data(), type, grid, 1);
    const LabelBox all{0, grid.planes, 0, grid.tiles(0), 0, grid.tiles(1), 0, grid.tiles(2)};
    decode_labels(reinterpret_cast<const uint8_t*>(coded.payload.data()), coded.payload.size(), type, grid, coded.limits, all, 1, true, again.data(), 1);
    if (samples != again) {
        fprintf(stderr, "DIFFERENCE: labels, there and back\n");
        abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input in{data, size};
    const uint8_t form = in.u8(), planes = in.u8();
    const LabelType type{1 << (form & 3), (form & 4) != 0};
    LabelGrid grid{1 + planes % 2, {1 + in.u8() % 6, 1 + in.u8() % 24, 1 + in.u8() % 40}, {in.u8() % 4, in.u8() % 6, in.u8() % 7}};
    LabelBox box{};
    const int64_t counts[4] = {grid.planes, grid.tiles(0), grid.tiles(1), grid.tiles(2)};
    if (grid.substreams() > 200) return 0;
    for (int axis = 0; axis < 4; ++axis) {
        box[2 * axis] = in.u8() % counts[axis];
        box[2 * axis + 1] = box[2 * axis] + 1 + in.u8() % (counts[axis] - box[2 * axis]);
    }
    try {
        if (form & 8) there_and_back(in, type, grid);
        else decode_drawn(in, type, grid, box, 1 << (form >> 4 & 3));
    } catch (const DataError&) {  // what damage has to end in
    }
    return 0;
}
