// See mixed_values.h.
#include "passes/predictive/mixed_values.h"

#include <algorithm>
#include <map>

#include "passes/layout.h"
#include "passes/parallel.h"
#include "passes/predictive/parameter_bits.h"

namespace mmip {
namespace {

constexpr size_t kFullShare = 60;                        // percent of the range: with more values they are not ranked
constexpr int64_t kSamplesPerValue = 32;                 // nor with more values than one in so many samples
constexpr int kPaletteBits = 12;

template <class Work>
void for_rows(const BrickMemory& m, const Work& work) {
    for (int z = 0; z < m.brick.extent[0]; ++z)
        for (int y = 0; y < m.brick.extent[1]; ++y) work(z * m.strides.slice + y * m.strides.row);
}

int64_t tile_count(const PredictiveForm& form) { return form.layout.planes / form.components * form.layout.bricks_of_plane(); }

int64_t sample_count(const PredictiveForm& form) {
    return form.layout.planes / form.components * form.layout.shape[0] * form.layout.shape[1] * form.layout.shape[2];
}

int64_t brightness(const Colour& c) { return 299 * static_cast<int64_t>(c[0]) + 587 * static_cast<int64_t>(c[1]) + 114 * static_cast<int64_t>(c[2]); }

bool is_darker(const Colour& a, const Colour& b) {
    const int64_t x = brightness(a), y = brightness(b);
    return x != y ? x < y : a < b;
}

}  // namespace

MixedValues MixedValues::of(const PredictiveForm& form, const SourceBricks& source, int threads) {
    MixedValues found(form);
    if (form.colour_form == kFormPalette) found.find_palette(source);
    else found.find_maps(source, threads);
    return found;
}

int MixedValues::bits(int component) const {
    if (form_.colour_form == kFormPalette) return std::max(1, bit_length(static_cast<uint32_t>(palette_.size() - 1)));
    return values_[component].empty() ? full_bits(component) : std::max(1, bit_length(static_cast<uint32_t>(values_[component].size() - 1)));
}

void MixedValues::find_palette(const SourceBricks& source) {
    const size_t most = std::min(kMostPalette, static_cast<size_t>(sample_count(form_) / kSamplesPerValue));
    std::map<Colour, int> seen;
    BrickMemory m(form_.layout, form_.components);
    for (int64_t i = 0; i < tile_count(form_); ++i) {
        const int64_t of_plane = form_.layout.bricks_of_plane();
        load_components(source, i / of_plane, i % of_plane, m);
        Colour last{-1, -1, -1};
        for_rows(m, [&](int64_t row) {
            for (int x = 0; x < m.brick.extent[2] && seen.size() <= most; ++x) {
                const Colour c{m.of(1)[row + x], m.of(0)[row + x], m.of(2)[row + x]};
                if (c != last) seen.emplace(last = c, 0);
            }
        });
        if (seen.size() > most) return;
    }
    for (const auto& item : seen) palette_.push_back(item.first);
    std::sort(palette_.begin(), palette_.end(), is_darker);
}

void MixedValues::find_maps(const SourceBricks& source, int threads) {
    std::vector<uint8_t> present[kMaxComponents];
    for (int c = 0; c < form_.components; ++c) present[c].assign(size_t{1} << full_bits(c), 0);
    const int64_t of_plane = form_.layout.bricks_of_plane();
    std::vector<std::unique_ptr<BrickMemory>> memories(static_cast<size_t>(std::max(threads, 1)));
    parallel_for(tile_count(form_), threads, [&](int64_t i, int worker) {
        if (!memories[worker]) memories[worker] = std::make_unique<BrickMemory>(form_.layout, form_.components);
        BrickMemory& m = *memories[worker];
        load_components(source, i / of_plane, i % of_plane, m);
        for (int c = 0; c < form_.components; ++c)
            for_rows(m, [&](int64_t row) {
                for (int x = 0; x < m.brick.extent[2]; ++x) __atomic_store_n(&present[c][static_cast<size_t>(m.of(c)[row + x])], uint8_t{1}, __ATOMIC_RELAXED);
            });
    });
    for (int c = 0; c < form_.components; ++c) {
        const std::vector<uint8_t>& p = present[c];
        const size_t found = static_cast<size_t>(std::count(p.begin(), p.end(), uint8_t{1}));
        const size_t low = static_cast<size_t>(std::find(p.begin(), p.end(), uint8_t{1}) - p.begin()), high = p.size() - static_cast<size_t>(std::find(p.rbegin(), p.rend(), uint8_t{1}) - p.rbegin());
        if (100 * found >= kFullShare * (high - low) || static_cast<int64_t>(found) * kSamplesPerValue > sample_count(form_)) continue;
        ranks_[c].assign(p.size(), 0);
        for (size_t v = 0; v < p.size(); ++v) {
            if (!p[v]) continue;
            ranks_[c][v] = static_cast<int32_t>(values_[c].size());
            values_[c].push_back(static_cast<int32_t>(v));
        }
    }
}

void MixedValues::load_components(const SourceBricks& source, int64_t group, int64_t tile, BrickMemory& to) const {
    source.load(group, tile, form_.colour_form == kFormPalette ? static_cast<int>(kFormPlain) : form_.colour_form, to);
}

void MixedValues::load(const SourceBricks& source, int64_t group, int64_t tile, BrickMemory& to) const {
    load_components(source, group, tile, to);
    for_rows(to, [&](int64_t row) {
        for (int x = 0; x < to.brick.extent[2]; ++x) {
            if (form_.colour_form == kFormPalette) {
                const Colour c{to.of(1)[row + x], to.of(0)[row + x], to.of(2)[row + x]};
                to.of(0)[row + x] = static_cast<int32_t>(std::lower_bound(palette_.begin(), palette_.end(), c, is_darker) - palette_.begin());
            }
            for (int i = 0; i < form_.components; ++i)
                if (!ranks_[i].empty()) to.of(i)[row + x] = ranks_[i][static_cast<size_t>(to.of(i)[row + x])];
        }
    });
}

void MixedValues::restore(BrickMemory& m) const {
    for_rows(m, [&](int64_t row) {
        for (int x = 0; x < m.brick.extent[2]; ++x) {
            if (form_.colour_form == kFormPalette) {
                const Colour& c = palette_[std::min(static_cast<size_t>(m.of(0)[row + x]), palette_.size() - 1)];
                for (int i = 0; i < kMaxComponents; ++i) m.of(i)[row + x] = c[i];
                continue;
            }
            for (int i = 0; i < form_.components; ++i)
                if (!values_[i].empty()) m.of(i)[row + x] = values_[i][std::min(static_cast<size_t>(m.of(i)[row + x]), values_[i].size() - 1)];
            if (form_.components == kMaxComponents) to_channels(form_.colour_form, form_.bits, m.of(0)[row + x], m.of(1)[row + x], m.of(2)[row + x]);
        }
    });
}

std::vector<uint8_t> MixedValues::write() const {
    BitString out;
    if (form_.colour_form == kFormPalette) {
        out.put(static_cast<uint32_t>(palette_.size() - 1), kPaletteBits);
        for (const Colour& c : palette_)
            for (const int32_t v : c) out.put(static_cast<uint32_t>(v), form_.bits);
        return out.finish();
    }
    for (int c = 0; c < form_.components; ++c) {
        write_value_map(out, values_[c]);
        if (!values_[c].empty()) put_gamma_bits(out, static_cast<uint32_t>(values_[c].front()) + 1);
    }
    return out.finish();
}

MixedValues MixedValues::read(const PredictiveForm& form, const uint8_t* bytes, uint64_t size) {
    MixedValues found(form);
    ParameterReader in(bytes, size);
    if (form.colour_form == kFormPalette) {
        found.palette_.resize(in.take(kPaletteBits) + 1);
        for (Colour& c : found.palette_)
            for (int32_t& v : c) v = static_cast<int32_t>(in.take(form.bits));
    }
    for (int c = 0; c < form.components && form.colour_form != kFormPalette; ++c) {
        if (in.take(1) == 0) continue;
        std::vector<int32_t> values = read_value_map(in, 0, found.full_bits(c));
        const uint32_t first = in.take_gamma() - 1;
        if (static_cast<uint64_t>(first) + static_cast<uint32_t>(values.back()) >= uint64_t{1} << found.full_bits(c)) corrupt_parameters("a value is too large");
        for (int32_t& v : values) v += static_cast<int32_t>(first);
        found.values_[c] = std::move(values);
    }
    in.check_end(size);
    return found;
}

}  // namespace mmip
