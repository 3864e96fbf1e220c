// libFuzzer over the passes of the core, behind the crcs: a chunk's form and its payloads are drawn, and what must agree is compared.
// Values: bytes of libFuzzer (guided_seeds.py makes the first ones). Any report of a sanitizer, any difference, and any exception
// but DataError ends the run. Compared: both kernel copies; tiles decoded at once and stage by stage; corrections, and columns of
// indices, packed and unpacked again. tests/fuzz/guided.sh builds and runs it.
#include "guided_form.h"
#include "passes/blocks/synthesize.h"
#include "passes/coding/codebook.h"
#include "passes/coding/payload.h"
#include "passes/columns.h"
#include "passes/corrections/corrections.h"
#include "passes/decode.h"
#include "passes/padding/padding.h"
#include "passes/tokens/pack.h"
#include "passes/tokens/unpack.h"

using namespace mmip;

namespace {

// Bytes after the code tables and the number of bits of an index entry: the sizes of sub-streams in 32 bits, so that the payload holds
// together whatever was drawn.
Bytes joined(const Bytes& in, size_t codes_end, int64_t substreams) {
    Bytes out(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(std::min(codes_end, in.size())));
    out.resize(codes_end);
    const int index_bits = codes_end < in.size() ? in[codes_end] % 33 : 0;
    const uint64_t groups = (substreams + kGroupSubstreams - 1) / kGroupSubstreams, index_bytes = (substreams * index_bits + 7) / 8;
    const uint64_t body = codes_end + 1 + index_bytes + 4 * groups + 4;
    uint64_t left = body < in.size() ? in.size() - body : 0, total = 0;
    const bool has_index = codes_end + 1 + index_bytes <= in.size();
    BitReader index(in.data() + std::min<size_t>(codes_end + 1, in.size()), has_index ? index_bytes : 0);
    out.push_back(32);
    for (int64_t i = 0; i < substreams; ++i) {
        index.refill();
        uint64_t size = 1 + uint64_t(index_bits ? index.take(index_bits) : 0);
        if (i + 1 == substreams) size = left;
        size = std::max<uint64_t>(1, std::min(size, left));
        left -= std::min(size, left), total += size;
        for (int k = 3; k >= 0; --k) out.push_back(static_cast<uint8_t>((size - 1) >> (8 * k)));
    }
    out.resize(out.size() + 4 * groups + 4);
    const uint32_t head = static_cast<uint32_t>(out.size());
    memcpy(out.data(), &head, 4);
    for (uint64_t i = 0; i < total; ++i) out.push_back(body + i < in.size() ? in[body + i] : 0);
    return out;
}

// A payload whose head agrees with its sizes and with the form; stage 0 is that of corrections.
Bytes mended(Bytes head, int stage, const Form& f) {
    if (head.size() < 6) throw DataError(kStatusTruncated, "short");
    const bool predicted = stage == 2 && f.predicted;
    if (predicted) head[4] = 0xff, head[5] |= 0xc0;   // kPredictionMark
    BitReader bits(head.data() + 4, head.size() - 4);
    if (predicted) {
        bits.skip(kPredictionMarkBits);
        read_codes(prediction_family(), bits);
    }
    if (stage == 1 && bits.take(1))
        for (int i = 0; i < 11; ++i) bits.refill(), bits.take(8);
    for (const CodeFamily& family : stage == 0 ? std::vector<CodeFamily>{correction_family()} : stage_families(stage, f.image)) read_codes(family, bits);
    if (bits.overrun()) throw DataError(kStatusTruncated, "codes");
    const uint64_t position = bits.position, end = 4 + (position + 7) / 8;
    if (position & 7) head[end - 1] &= static_cast<uint8_t>(0xff << (8 - (position & 7)));
    return joined(head, end, f.geometry.substreams());
}

// Payloads in blocks of exactly their size, so that reading past one is seen.
struct Payloads {
    std::vector<std::unique_ptr<uint8_t[]>> held;
    std::vector<PayloadBytes> bytes;

    void add(const Bytes& payload) {
        held.emplace_back(new uint8_t[payload.size()]);
        if (!payload.empty()) memcpy(held.back().get(), payload.data(), payload.size());
        bytes.push_back({held.back().get(), payload.size()});
    }
};

Payloads read_payloads(Input& in, const Form& f) {
    Payloads found;
    const int count = f.stages() + f.has_corrections();
    for (int i = 1; i <= count; ++i) {
        const Bytes drawn = in.take(i == count ? in.size : in.u16());
        found.add(f.is_raw() ? drawn : mended(drawn, i > f.stages() ? 0 : i, f));
    }
    return found;
}

int64_t samples_in(const Coefficients& c, int scale) {
    const Window w = box_window(c.geometry, c.box, scale);
    return (c.box.planes[1] - c.box.planes[0]) * w.shape[0] * w.shape[1] * w.shape[2];
}

UnpackOptions options_of(const Form& f, bool alone) {
    UnpackOptions options;
    options.steps = f.quantizer.steps;
    if (!alone) options.reversible = f.quantizer.reversible;
    options.check_crc = false;
    options.threads = 1;
    return options;
}

void try_corrections(const Form& f, const PayloadBytes& payload) {
    const auto c = f.make(f.is_boxed());
    const int64_t count = samples_in(*c, 1);
    std::vector<int32_t> indices(count), again(count);
    unpack_corrections(*c, payload.bytes, payload.size, false, 1, indices.data());
    if (!f.is_boxed()) {
        const std::string packed = pack_corrections(*c, indices.data(), 1);
        unpack_corrections(*c, reinterpret_cast<const uint8_t*>(packed.data()), packed.size(), true, 1, again.data());
        if (indices != again) differ("corrections, packed again");
    }
    Bytes samples(count * kSampleBytes[f.type], static_cast<uint8_t>(f.value));
    if (f.type != kSampleI32) apply_corrections({samples.data(), f.type}, count, indices.data(), f.value * 1028, f.minimum, f.maximum);
}

void unpack_by_stages(const Form& f, Coefficients& c, const std::vector<PayloadBytes>& payloads, const Output& out) {
    for (size_t i = 0; i < payloads.size(); ++i) {
        unpack_stage(c, static_cast<int>(i) + 1, payloads[i].bytes, payloads[i].size, options_of(f, false));
        if (i > 0 || !c.dc_image) continue;
        DcImageSynthesizer image(c, f.quantizer);
        for (size_t t = 0; t < c.tiles.size(); ++t) image.run(t, nullptr);
    }
    synthesize(c, f.quantizer, static_cast<int>(payloads.size()), f.scale(), {f.offset, f.minimum, f.maximum}, out, 1);
}

enum class Way { kBaseline, kBestCopy, kByStages };

// Samples that a way of decoding gives; none where it refuses the payloads.
std::unique_ptr<Bytes> decoded(const Form& f, const std::vector<PayloadBytes>& payloads, Way way) {
    select_kernels(way == Way::kBaseline ? "baseline" : "avx2");  // which stays what it is where there is none
    try {
        const auto c = f.make(f.is_boxed());
        auto out = std::make_unique<Bytes>(samples_in(*c, f.scale()) * kSampleBytes[f.type], uint8_t{0xaa});
        const Output view = whole_output({out->data(), f.type}, box_window(c->geometry, c->box, f.scale()));
        if (way == Way::kByStages) unpack_by_stages(f, *c, payloads, view);
        else decode_tiles(*c, f.quantizer, payloads, options_of(f, false), {f.offset, f.minimum, f.maximum}, f.scale(), view);
        if (f.padded) restore_padding(*c, f.scale(), f.minimum + f.value % (f.maximum - f.minimum + 1), view, 1);
        return out;
    } catch (const DataError&) {
        return nullptr;
    }
}

void try_decoding(const Form& f, const Payloads& payloads) {
    const std::vector<PayloadBytes> used(payloads.bytes.begin(), payloads.bytes.begin() + f.wanted());
    const auto first = decoded(f, used, Way::kBaseline);
    for (const Way way : {Way::kBestCopy, Way::kByStages}) {
        const auto other = decoded(f, used, way);
        if (!first != !other) differ("one way of decoding refuses what another takes");
        if (first && *first != *other) differ(way == Way::kByStages ? "tiles at once and stage by stage" : "two copies of the kernels");
    }
}

// Columns of a stage, through a payload: pack, unpack, columns again.
std::vector<int32_t> repacked(const Form& f, int stage, const int64_t* grid, std::vector<int32_t> columns) {
    const auto c = f.make(false), d = f.make(false);
    stage_from_columns(*c, stage, grid, columns.data(), f.classes);
    Coefficients* tokens = stage > 1 ? c.get() : c->dc_image.get();
    if (tokens != nullptr) {
        tokens->entries.clear();
        if (tokens->ac) tokens->fill_entries();
    }
    const std::string packed = pack_stage(*c, stage, f.quantizer.steps, 1, std::nullopt);
    unpack_stage(*d, stage, reinterpret_cast<const uint8_t*>(packed.data()), packed.size(), options_of(f, true));
    stage_to_columns(*d, stage, grid, columns.data());
    return columns;
}

void try_columns(const Form& f, const Payloads& payloads) {
    static const int32_t kOdd[] = {-1, 0, 1, 3, 4, 5, 6, 7, 8, (1 << 26) - 1, 1 << 26, INT32_MIN, INT32_MAX, -(1 << 26), 1 - (1 << 26), 1000};
    select_kernels(f.mix & 128 ? "baseline" : "avx2");
    const int stage = f.wanted();
    const auto c = f.make(false);
    unpack_stage(*c, stage, payloads.bytes[stage - 1].bytes, payloads.bytes[stage - 1].size, options_of(f, true));
    const Coefficients& cells = stage == 1 && f.image ? *c->dc_image : *c;
    const int64_t grid[4] = {f.geometry.planes, cells.box_cells(0), cells.box_cells(1), cells.box_cells(2)};
    std::vector<int32_t> columns(grid[0] * grid[1] * grid[2] * grid[3] * stage_columns(*c, stage));
    stage_to_columns(*c, stage, grid, columns.data());
    if (repacked(f, stage, grid, columns) != columns) differ("columns, packed and unpacked");
    for (int i = 0; i < 1 + (f.box[0] & 3); ++i)
        columns[(f.box[1 + 2 * i % 7] * 2654435761u + f.box[2] * 40503u) % columns.size()] = kOdd[f.box[i] & 15];
    if (repacked(f, stage, grid, columns) != columns) differ("damaged columns that were taken");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input in{data, size};
    Form form;
    if (!read_form(in, form)) return 0;
    try {
        const Payloads payloads = read_payloads(in, form);
        if (form.has_corrections()) {
            try {
                try_corrections(form, payloads.bytes.back());
            } catch (const DataError&) {  // the stages are tried all the same
            }
        }
        form.to_columns() ? try_columns(form, payloads) : try_decoding(form, payloads);
    } catch (const DataError&) {  // what a damaged payload has to end in
    }
    return 0;
}
