// What the targets of kinds 2 and 3 have in common: an array there and back, then with damaged fields, parameters and sub-streams.
// Values: bytes of libFuzzer. Compared: samples with those that were coded, all copies of the kernels, and a box with the whole.
#pragma once

#include <array>
#include <optional>

#include "guided_input.h"
#include "passes/predictive/encode.h"
#include "rules/predictive/residual_tokens.h"

namespace mmip {

// The coders of a kind, and what its header allows.
struct PredictiveKind {
    PredictiveChunk (*encode)(const Samples&, int64_t, const int64_t*, bool, int, const PredictiveOptions&);
    void (*decode)(const PredictiveForm&, const uint8_t*, uint64_t, const BrickBox&, const DecodeOptions&, const Samples&);
    bool has_bricks;                 // its own; else they are the tiles
};

struct DrawnArray {
    SampleType type = kSampleU8;
    int32_t minimum = 0, maximum = 255;
    int64_t planes = 1, shape[3] = {1, 1, 1};
    bool colour = false;
    Bytes samples;

    int64_t count() const { return planes * shape[0] * shape[1] * shape[2]; }
};

inline void set_range(DrawnArray& a) {
    static const int32_t kRanges[][2] = {{0, 255}, {-128, 127}, {0, 65535}, {-32768, 32767}, {-262144, 262144}};
    a.minimum = kRanges[a.type][0], a.maximum = kRanges[a.type][1];
}

inline void draw_array(Input& in, DrawnArray& a) {
    const uint8_t form = in.u8();
    a.type = static_cast<SampleType>(form % 5);
    a.colour = form & 64;
    a.planes = a.colour ? 3 + 3 * (form >> 7) : 1 + (form >> 7);
    const bool deep = form & 32;
    a.shape[0] = 1 + in.u8() % (deep ? 18 : 2), a.shape[1] = 1 + in.u8() % (deep ? 18 : 50), a.shape[2] = 1 + in.u8() % (deep ? 36 : 90);
    set_range(a);
}

inline void fill_array(Input& in, DrawnArray& a) {
    a.samples = draw_samples(in, static_cast<size_t>(a.count()), kSampleBytes[a.type], a.shape[2]);
    if (a.type != kSampleI32) return;
    for (int64_t i = 0; i < a.count(); ++i) {                 // indices of float32 samples
        int32_t value;
        memcpy(&value, &a.samples[4 * i], 4);
        value = a.minimum + static_cast<int32_t>(static_cast<uint32_t>(value) % static_cast<uint32_t>(a.maximum - a.minimum + 1));
        memcpy(&a.samples[4 * i], &value, 4);
    }
}

inline BrickBox whole_box(const PredictiveForm& form, int64_t planes) {
    const BrickLayout& l = form.layout;
    return {{0, planes}, {0, 0, 0}, {l.bricks(0), l.bricks(1), l.bricks(2)}};
}

inline BrickBox drawn_box(Input& in, const PredictiveForm& form, int64_t planes) {
    BrickBox box = whole_box(form, planes);
    const auto pick = [&](int64_t count, int64_t& low, int64_t& high) { low = in.u8() % count, high = low + 1 + in.u8() % (count - low); };
    pick(planes / form.channels, box.planes[0], box.planes[1]);
    box.planes[0] *= form.channels, box.planes[1] *= form.channels;
    for (int a = 0; a < 3; ++a) pick(form.layout.bricks(a), box.low[a], box.high[a]);
    return box;
}

// The first and the last sample of a box, half open.
inline std::array<int64_t, 6> box_samples(const BrickLayout& l, const BrickBox& box) {
    std::array<int64_t, 6> ends;
    for (int a = 0; a < 3; ++a) ends[2 * a] = box.low[a] << l.brick_log2[a], ends[2 * a + 1] = std::min(box.high[a] << l.brick_log2[a], l.shape[a]);
    return ends;
}

// Nothing where the payload is refused.
inline std::optional<Bytes> decoded(const PredictiveKind& kind, const DrawnArray& a, const PredictiveForm& form, const Payload& payload, const BrickBox& box, int threads) {
    const auto ends = box_samples(form.layout, box);
    const int64_t count = (box.planes[1] - box.planes[0]) * (ends[1] - ends[0]) * (ends[3] - ends[2]) * (ends[5] - ends[4]);
    Bytes out(static_cast<size_t>(count) * kSampleBytes[a.type], 0xaa);
    try {
        kind.decode(form, payload.bytes.get(), payload.size, box, {a.minimum, a.maximum, true, threads}, {out.data(), a.type});
    } catch (const DataError&) {
        return std::nullopt;
    }
    return out;
}

inline Bytes cut_out(const DrawnArray& a, const PredictiveForm& form, const BrickBox& box, const Bytes& whole) {
    const auto ends = box_samples(form.layout, box);
    const int64_t width = kSampleBytes[a.type];
    Bytes out;
    for (int64_t p = box.planes[0]; p < box.planes[1]; ++p)
        for (int64_t z = ends[0]; z < ends[1]; ++z)
            for (int64_t y = ends[2]; y < ends[3]; ++y) {
                const int64_t row = ((p * a.shape[0] + z) * a.shape[1] + y) * a.shape[2];
                out.insert(out.end(), whole.begin() + (row + ends[4]) * width, whole.begin() + (row + ends[5]) * width);
            }
    return out;
}

inline int64_t value_of(const DrawnArray& a, const Bytes& samples, int64_t i) {
    const uint8_t* at = &samples[i * kSampleBytes[a.type]];
    int16_t low;
    int32_t wide;
    switch (a.type) {
        case kSampleU8: return *at;
        case kSampleI8: return static_cast<int8_t>(*at);
        case kSampleI32: return memcpy(&wide, at, 4), wide;
        default: return memcpy(&low, at, 2), a.type == kSampleU16 ? static_cast<uint16_t>(low) : low;
    }
}

inline void expect_near(const DrawnArray& a, int near, const Bytes& out) {
    for (int64_t i = 0; i < a.count(); ++i)
        if (std::abs(value_of(a, out, i) - value_of(a, a.samples, i)) > near) differ("samples there and back");
}

// All copies of the kernels, and a box: equal, or refused by all.
inline std::optional<Bytes> by_all_ways(Input& in, const PredictiveKind& kind, const DrawnArray& a, const PredictiveForm& form, const Payload& payload) {
    const char* names[8];
    const int copies = available_kernels(names, 8);
    std::optional<Bytes> first;
    for (int i = 0; i < copies; ++i) {
        select_kernels(names[i]);
        std::optional<Bytes> found = decoded(kind, a, form, payload, whole_box(form, a.planes), 1 + i);
        if (i > 0 && found != first) differ("two copies of the kernels");
        first = std::move(found);
    }
    const BrickBox box = drawn_box(in, form, a.planes);
    const auto part = decoded(kind, a, form, payload, box, 1);
    if (first && (!part || *part != cut_out(a, form, box, *first))) differ("a box and the whole");
    return first;
}

// Another form that a header may have; its sub-streams are as many as it needs.
inline void damage_form(Input& in, const PredictiveKind& kind, const DrawnArray& a, PredictiveForm& form, Parts& parts) {
    const int which = in.u8();
    if (which & 1) form.bits = 1 + in.u8() % (kMaxValueBits - (form.colour_form > 0 ? 1 : 0));
    if (which & 2) form.offset = std::clamp(form.offset + static_cast<int8_t>(in.u8()) * (1 << in.u8() % 12), a.minimum, a.maximum);
    if (which & 4 && a.colour) form.colour_form = in.u8() % kColourForms, form.bits = std::min(form.bits, kMaxValueBits - 1);
    if (which & 8)
        for (int axis = 0; axis < 3; ++axis) {
            form.layout.tile_log2[axis] = in.u8() % 5;
            form.layout.brick_log2[axis] = kind.has_bricks ? form.layout.tile_log2[axis] + in.u8() % 2 : form.layout.tile_log2[axis];
        }
    int* log2 = form.layout.tile_log2;
    while (kind.has_bricks && (1 << (log2[0] + log2[1] + log2[2])) > kMaxResidualTile) --*std::max_element(log2, log2 + 3);
    if (which & 16) form.near = in.u8();
    while ((int64_t{2} * form.near + 1) << form.bits > 1 << 22) form.near /= 2;
    form.set_planes(a.planes);
    parts.streams.resize(std::min<size_t>(static_cast<size_t>(form.layout.substreams()), 1 << 14), Bytes(1, 0));
}

inline void try_predictive(Input in, const PredictiveKind& kind) {
    DrawnArray a;
    draw_array(in, a);
    const uint8_t choice = in.u8();
    const int near = choice & 8 ? in.u8() % 5 : 0;
    Input damages{in.bytes, std::min<size_t>(in.size, 24)};
    in.take(24);
    fill_array(in, a);
    const char* names[8];
    select_kernels(names[(choice >> 4) % available_kernels(names, 8)]);
    const PredictiveChunk chunk = kind.encode({a.samples.data(), a.type}, a.planes, a.shape, a.colour, near, {1 + choice % 3, true, 1});
    const auto back = by_all_ways(damages, kind, a, chunk.form, Payload(chunk.payload));
    if (!back) differ("what was coded is refused");
    expect_near(a, near, *back);
    PredictiveForm form = chunk.form;
    Parts parts(chunk.payload, form.layout.substreams());
    if (damages.u8() % 4 == 0) damage_form(damages, kind, a, form, parts);
    for (int i = damages.u8() % 3; i >= 0; --i) damage(damages, parts);
    by_all_ways(damages, kind, a, form, Payload(parts));
}

}  // namespace mmip
