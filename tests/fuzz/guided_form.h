// What guided_transform.cpp draws from the bytes of libFuzzer: the form of a chunk.
// Values: bytes in; a geometry, a quantizer and what is wanted out, within the bounds of a container (FORMAT.md section 1), and small:
// what is found in many samples is found in few, sooner.
#pragma once

#include <array>

#include "guided_input.h"
#include "passes/dc/dc_image.h"
#include "passes/padding/mask.h"

namespace mmip {

constexpr int64_t kMostSamples = 1 << 15, kMostSubstreams = 512;

// A chunk: its geometry, what is wanted of it, and how its indices become samples.
struct Form {
    int flags = 0, mix = 0;
    Geometry geometry;
    bool padded = false, image = false, predicted = false;
    int classes = 1;
    Quantizer quantizer;
    std::vector<int> cuts;
    int offset = 0, value = 0;
    uint8_t box[8] = {};
    SampleType type = kSampleU8;
    int32_t minimum = 0, maximum = 0;

    int scale() const { return 1 << ((mix >> 2) & 3); }
    int stages() const { return static_cast<int>(cuts.size()); }
    int wanted() const { return 1 + (mix * 7 + flags) % stages(); }
    bool is_raw() const { return flags & 8; }
    bool to_columns() const { return flags & 16; }
    bool is_boxed() const { return flags & 32; }
    bool has_corrections() const { return flags & 64; }
    std::unique_ptr<Coefficients> make(bool boxed) const;
};

inline TileBox whole_box(const Geometry& g) {
    TileBox box;
    box.planes[1] = g.planes;
    for (int a = 0; a < 3; ++a) box.high[a] = g.tiles(a);
    return box;
}

inline TileBox drawn_box(const Geometry& g, const uint8_t* drawn) {
    const auto pick = [](int64_t count, uint8_t a, uint8_t b, int64_t& low, int64_t& high) { low = a % count, high = low + 1 + b % (count - low); };
    TileBox box;
    pick(g.planes, drawn[0], drawn[1], box.planes[0], box.planes[1]);
    for (int a = 0; a < 3; ++a) pick(g.tiles(a), drawn[2 + 2 * a], a == 2 ? drawn[0] ^ drawn[7] : drawn[3 + 2 * a], box.low[a], box.high[a]);
    return box;
}

inline std::unique_ptr<Coefficients> Form::make(bool boxed) const {
    auto c = std::make_unique<Coefficients>(geometry, boxed ? drawn_box(geometry, box) : whole_box(geometry), cuts);
    if (padded) c->allocate_mask();
    if (image) add_dc_image(*c);
    if (predicted && !to_columns()) c->allocate_predictions();   // columns of stage 2 are read alone: they say themselves that they hold some
    return c;
}

inline bool read_tiles(Input& in, Form& f) {
    Geometry& g = f.geometry;
    g.depth = f.flags & 1 ? 8 : 1;
    g.planes = 1 + f.mix % 3;
    g.shape[0] = 1 + in.u8() % 40, g.shape[1] = 1 + in.u8() % 160, g.shape[2] = 1 + in.u8() % 160;
    int* log2 = &g.tile_log2[0];
    for (int a = 0; a < 3; ++a) log2[a] = in.u8() % 7;
    const int least = g.depth == 8 ? 1 : f.predicted ? 4 : f.image ? 3 : 2;
    if (g.depth == 8) log2[0] = std::max(log2[0], 1);
    log2[1] = std::max(log2[1], least), log2[2] = std::max(log2[2], least);
    while (log2[0] + log2[1] + log2[2] > 12 || (int64_t{g.depth * 64} << (log2[0] + log2[1] + log2[2])) > kMaxTileSamples) --*std::max_element(log2, log2 + 3);
    return log2[1] >= least && log2[2] >= least && (g.depth == 1 || log2[0] >= 1);
}

inline void read_quantizer(Input& in, Form& f, int components) {
    for (int k = 0; k < f.classes; ++k) {
        const bool reversible = (in.u8() & 1) && !f.image;
        std::array<int, 3> recon;
        for (int& point : recon) point = in.point();
        std::vector<uint32_t> steps;
        for (int i = 0; i < components; ++i) steps.push_back(std::clamp<uint32_t>(in.u24() + 64, 64, 1 << 24));
        if (reversible) recon = {0, 0, 0}, steps.assign(components, 256);
        f.quantizer.reversible.push_back(reversible);
        f.quantizer.recon.push_back(recon);
        f.quantizer.steps.push_back(steps);
    }
    if (f.image)
        for (int& point : f.quantizer.dc_recon) point = in.point();
}

inline bool read_cuts(Input& in, Form& f) {
    const int stages = 2 + in.u8() % 4, last = f.geometry.depth == 8 ? 511 : 63;
    f.cuts.push_back(0);
    for (int i = 2; i < stages; ++i) {
        const int cut = std::max(static_cast<int>(in.u16() % last), f.cuts.back() + 1);
        if (cut >= last) return false;
        f.cuts.push_back(cut);
    }
    f.cuts.push_back(last);
    return true;
}

inline void set_range(Form& f) {
    switch (f.type) {
        case kSampleU8: f.maximum = 255; break;
        case kSampleI8: f.minimum = -128, f.maximum = 127; break;
        case kSampleU16: f.maximum = 65535; break;
        case kSampleI16: f.minimum = -32768, f.maximum = 32767; break;
        default: f.minimum = -262144, f.maximum = 262144;
    }
}

// Whether the bytes give a form that a container may have.
inline bool read_form(Input& in, Form& f) {
    f.flags = in.u8(), f.mix = in.u8();
    f.padded = f.flags & 2, f.image = f.flags & 4, f.predicted = f.flags & 128;
    f.type = static_cast<SampleType>((f.mix >> 4) % 5);
    if (!read_tiles(in, f) || ((f.image || f.predicted) && f.geometry.depth != 1)) return false;
    const int kinds = in.u8();
    const bool colour = kinds & 8, per_channel = kinds & 16;
    f.classes = f.image ? 1 : 1 + kinds % 8;
    if (f.image || colour) f.padded = false;
    if (colour) f.geometry.planes = 3;
    read_quantizer(in, f, colour ? 3 : per_channel ? static_cast<int>(f.geometry.planes) : 1);
    if (!read_cuts(in, f)) return false;
    f.offset = static_cast<int16_t>(in.u16()), f.value = in.u8();
    set_range(f);
    for (uint8_t& drawn : f.box) drawn = in.u8();
    const Geometry& g = f.geometry;
    return !(f.padded && f.type == kSampleI32) && g.substreams() <= kMostSubstreams && g.planes * g.shape[0] * g.shape[1] * g.shape[2] <= kMostSamples;
}

}  // namespace mmip
