// See mixed_values.h.
#include "passes/predictive/mixed_values.h"

#include <algorithm>
#include <memory>

#include "passes/layout.h"
#include "passes/parallel.h"

namespace mmip {
namespace {

constexpr size_t kFullShare = 60;                        // percent of the range: with more values they are not ranked
constexpr int64_t kGainOverCost = 2;                     // nor where the bits that ranks save are not so many times those of the map

template <class Work>
void for_rows(const BrickMemory& m, const Work& work) {
    for (int z = 0; z < m.brick.extent[0]; ++z)
        for (int y = 0; y < m.brick.extent[1]; ++y) work(z * m.strides.slice + y * m.strides.row);
}

int64_t tile_count(const PredictiveForm& form) { return form.layout.planes / form.components() * form.layout.bricks_of_plane(); }

int64_t sample_count(const PredictiveForm& form) {
    return form.layout.planes / form.components() * form.layout.shape[0] * form.layout.shape[1] * form.layout.shape[2];
}

int64_t quarter_octaves(size_t n) {
    const int k = bit_length(static_cast<uint32_t>(n)) - 1;
    return 4 * k + static_cast<int64_t>(((n << 2) >> k) & 3);
}

}  // namespace

MixedValues MixedValues::of(const PredictiveForm& form, const SourceBricks& source, int threads) {
    MixedValues found(form);
    if (found.is_palette()) return found;
    std::vector<uint8_t> present[kMaxComponents];
    for (int c = 0; c < form.components(); ++c) present[c].assign(size_t{1} << found.full_bits(c), 0);
    const int64_t of_plane = form.layout.bricks_of_plane();
    std::vector<std::unique_ptr<BrickMemory>> memories(static_cast<size_t>(std::max(threads, 1)));
    parallel_for(tile_count(form), threads, [&](int64_t i, int worker) {
        if (!memories[worker]) memories[worker] = std::make_unique<BrickMemory>(form.layout, form.channels);
        BrickMemory& m = *memories[worker];
        source.load(i / of_plane, i % of_plane, form.colour_form, m);
        for (int c = 0; c < form.components(); ++c)
            for_rows(m, [&](int64_t row) {
                for (int x = 0; x < m.brick.extent[2]; ++x) __atomic_store_n(&present[c][static_cast<size_t>(m.of(c)[row + x])], uint8_t{1}, __ATOMIC_RELAXED);
            });
    });
    for (int c = 0; c < form.components(); ++c) {
        const std::vector<uint8_t>& p = present[c];
        const size_t count = static_cast<size_t>(std::count(p.begin(), p.end(), uint8_t{1}));
        const auto low = std::find(p.begin(), p.end(), uint8_t{1});
        const size_t range = static_cast<size_t>(std::find(p.rbegin(), p.rend(), uint8_t{1}).base() - low);
        if (100 * count >= kFullShare * range) continue;
        found.ranks_[c].assign(p.size(), 0);
        for (size_t v = 0; v < p.size(); ++v) {
            if (!p[v]) continue;
            found.ranks_[c][v] = static_cast<int32_t>(found.values_[c].size());
            found.values_[c].push_back(static_cast<int32_t>(v));
        }
        BitString map;
        write_value_map(map, found.values_[c]);
        const int64_t saved = sample_count(form) * (quarter_octaves(range) - quarter_octaves(count)) / 4;
        if (saved > kGainOverCost * 8 * static_cast<int64_t>(map.finish().size())) continue;
        found.values_[c].clear();
        found.ranks_[c].clear();
    }
    return found;
}

int MixedValues::bits(int component) const {
    return values_[component].empty() ? full_bits(component) : std::max(1, bit_length(static_cast<uint32_t>(values_[component].size() - 1)));
}

void MixedValues::load(const SourceBricks& source, int64_t group, int64_t tile, BrickMemory& to) const {
    source.load(group, tile, form_.colour_form, to);
    for (int i = 0; i < form_.components(); ++i)
        if (!ranks_[i].empty())
            for_rows(to, [&](int64_t row) {
                for (int x = 0; x < to.brick.extent[2]; ++x) to.of(i)[row + x] = ranks_[i][static_cast<size_t>(to.of(i)[row + x])];
            });
}

void MixedValues::restore(BrickMemory& m) const {
    for (int i = 0; i < form_.components(); ++i)
        if (!values_[i].empty())
            for_rows(m, [&](int64_t row) {
                for (int x = 0; x < m.brick.extent[2]; ++x) m.of(i)[row + x] = values_[i][std::min(static_cast<size_t>(m.of(i)[row + x]), values_[i].size() - 1)];
            });
    if (form_.components() == kMaxComponents)
        for_rows(m, [&](int64_t row) {
            for (int x = 0; x < m.brick.extent[2]; ++x) to_channels(form_.colour_form, form_.bits, m.of(0)[row + x], m.of(1)[row + x], m.of(2)[row + x]);
        });
}

std::vector<uint8_t> MixedValues::write(const std::vector<PaletteColour>& palette) const {
    BitString out;
    if (is_palette()) write_palette(out, palette, form_.offset);
    for (int c = 0; c < form_.components() && !is_palette(); ++c) {
        write_value_map(out, values_[c]);
        if (!values_[c].empty()) put_gamma_bits(out, static_cast<uint32_t>(values_[c].front()) + 1);
    }
    return out.finish();
}

MixedValues MixedValues::read(const PredictiveForm& form, const uint8_t* bytes, uint64_t size, std::vector<PaletteColour>& palette) {
    MixedValues found(form);
    ParameterReader in(bytes, size);
    if (found.is_palette()) palette = read_palette(in, form.offset, form.bits);
    for (int c = 0; c < form.components() && !found.is_palette(); ++c) {
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
