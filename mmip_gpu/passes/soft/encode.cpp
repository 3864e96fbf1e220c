// Places shapes and writes sub-streams. See tiles.h.
#include <algorithm>

#include "passes/coding/payload.h"
#include "passes/parallel.h"
#include "passes/soft/tiles.h"

namespace mmip {
namespace {

constexpr int kMostGaps = 512;            // that the search of the Golomb parameter looks at

// The parameter with the shortest codes: four a power of two are tried.
uint32_t golomb_parameter(const std::vector<uint32_t>& gaps) {
    const size_t step = gaps.size() / kMostGaps + 1;
    uint32_t best = 1;
    uint64_t fewest = ~uint64_t{0};
    for (int k = 0; k < kSoftParameterBits; ++k)
        for (uint32_t quarter = 0; quarter < 4; ++quarter) {
            const uint32_t parameter = (4 + quarter) << k >> 2;
            if (k < 2 && ((4 + quarter) << k & 3) != 0) continue;
            uint64_t bits = 0;
            for (size_t i = 0; i < gaps.size() && bits < fewest; i += step) bits += static_cast<uint64_t>(soft_gap_bits(gaps[i], parameter));
            if (bits < fewest) fewest = bits, best = parameter;
        }
    return best;
}

struct Work {
    std::vector<int32_t> planes;
    SoftLayers layers;
    SoftPlacement placement;
    std::vector<uint32_t> gaps;              // from each shape to the next; the first one from the place before the tile
    std::vector<uint8_t> bytes;

    // Layers, shapes and gaps of a plane of the tile whose planes were loaded.
    void prepare(const SoftTile& tile, int plane, const SoftComponent& c) {
        layers.fold(planes.data() + static_cast<size_t>(plane) * tile.samples(), tile.height, tile.width, c);
        layers.split(c.detail_bits + c.raw_bits);
        placement.place(layers, c);
        gaps.clear();
        uint32_t last = ~uint32_t{0};
        for (size_t i = 0; i < placement.found.size(); ++i)
            if (placement.found[i] >= 0) gaps.push_back(layers.nonzeros[i] - last), last = layers.nonzeros[i];
    }
};

void put_lower(BitWriter& out, const SoftLayers& layers, const SoftComponent& c) {
    const int raw = c.raw_bits, w = layers.width;
    const uint32_t raw_mask = (uint32_t{1} << raw) - 1, mask = (uint32_t{1} << c.detail_bits) - 1;
    const uint32_t* row = layers.folded.data();
    int y = 0;
    for (; y + 1 < layers.height; y += 2, row += 2 * w)
        for (int x = 0; x < w; ++x) {
            const uint32_t upper = row[x], lower = row[w + x];
            const uint32_t word = c.pair.word((upper >> raw & mask) << c.detail_bits | (lower >> raw & mask));
            const uint64_t value = (static_cast<uint64_t>(word >> 4) << raw | (upper & raw_mask)) << raw | (lower & raw_mask);
            out.put(value, static_cast<int>(word & 15) + 2 * raw);
        }
    if (y == layers.height) return;
    for (int x = 0; x < w; ++x) {
        const uint32_t word = c.detail.word(row[x] >> raw & mask);
        out.put(static_cast<uint64_t>(word >> 4) << raw | (row[x] & raw_mask), static_cast<int>(word & 15) + raw);
    }
}

void put_shapes(BitWriter& out, const Work& work, const SoftComponent& c) {
    const SoftLayers& layers = work.layers;
    const std::vector<int32_t>& found = work.placement.found;
    if (work.gaps.empty()) {
        out.put(0, kSoftParameterBits);
        return;
    }
    const uint32_t parameter = golomb_parameter(work.gaps);
    const int shift = c.detail_bits + c.raw_bits, escape = static_cast<int>(c.shapes.size());
    out.put(parameter, kSoftParameterBits);
    size_t gap = 0;
    for (size_t i = 0; i < found.size(); ++i) {
        if (found[i] < 0) continue;
        soft_put_gap(out, work.gaps[gap++], parameter);
        const uint32_t word = c.shape.word(static_cast<size_t>(found[i]));
        out.put(word >> 4, static_cast<int>(word & 15));
        if (found[i] == escape) out.put(layers.folded[layers.nonzeros[i]] >> shift, c.shape_bits());
    }
    soft_put_gap(out, 0, parameter);
}

}  // namespace

void SoftPlacement::find_candidates(const SoftLayers& layers, const SoftComponent& c) {
    candidates_.clear();
    starts_.assign(c.shapes.size() + 1, 0);
    for (size_t i = 0; i < layers.nonzeros.size(); ++i) {
        const int y = static_cast<int>(layers.nonzeros[i]) / layers.width, x = static_cast<int>(layers.nonzeros[i]) % layers.width;
        const SoftShape all = layers.patch(y, x);
        for (uint32_t sizes = c.matcher.sizes(all.rows[0]); sizes != 0; sizes &= sizes - 1) {
            const int size = __builtin_ctz(sizes), h = size / kSoftSide + 1, w = size % kSoftSide + 1;
            if (y + h > layers.height || x + w > layers.width) continue;
            const int shape = c.matcher.find(all.corner(h, w), c.shapes);
            if (shape < 0) continue;
            candidates_.push_back({static_cast<uint32_t>(i), shape});
            ++starts_[static_cast<size_t>(shape) + 1];
        }
    }
    for (size_t s = 0; s < c.shapes.size(); ++s) starts_[s + 1] += starts_[s];
    ordered_.resize(candidates_.size());
    for (const Candidate& each : candidates_) ordered_[starts_[static_cast<size_t>(each.shape)]++] = each;
}

void SoftPlacement::place(const SoftLayers& layers, const SoftComponent& c) {
    find_candidates(layers, c);
    const int stride = layers.stride(), escape = static_cast<int>(c.shapes.size());
    covered_.assign(static_cast<size_t>(stride) * (layers.height + kSoftSide - 1), 0);
    found.assign(layers.nonzeros.size(), -1);
    const auto place_of = [&](uint32_t nonzero) { return layers.nonzeros[nonzero] / layers.width * stride + layers.nonzeros[nonzero] % layers.width; };
    const auto is_free = [&](const uint8_t* at, const SoftShape& s) {
        for (int y = 0; y < s.height; ++y)
            for (int x = 0; x < s.width; ++x)
                if (at[y * stride + x] != 0) return false;
        return true;
    };
    for (const Candidate& each : ordered_) {
        const SoftShape& s = c.shapes[static_cast<size_t>(each.shape)];
        uint8_t* at = covered_.data() + place_of(each.nonzero);
        if (!is_free(at, s)) continue;
        for (int y = 0; y < s.height; ++y) std::fill_n(at + y * stride, s.width, uint8_t{1});
        found[each.nonzero] = each.shape;
    }
    int32_t single[256];
    std::fill_n(single, 256, escape);
    for (int s = escape - 1; s >= 0; --s)
        if (c.shapes[s].size_index() == 0) single[c.shapes[s].rows[0]] = s;
    for (uint32_t i = 0; i < layers.nonzeros.size(); ++i)
        if (covered_[place_of(i)] == 0) found[i] = single[layers.upper[place_of(i)]];
}

std::string soft_encode(const Samples& samples, const SoftGrid& grid, const SoftCodebook& book, int threads) {
    std::vector<std::vector<uint8_t>> made(static_cast<size_t>(grid.substreams()));
    std::vector<Work> works(static_cast<size_t>(std::max(threads, 1)));
    parallel_for(soft_tiles(grid, book), threads, [&](int64_t item, int worker) {
        Work& work = works[static_cast<size_t>(worker)];
        const SoftTile tile = soft_tile(grid, book, item);
        soft_load(samples, grid, book, tile, work.planes);
        work.bytes.resize(10 * tile.samples() + 64);       // pair and raw bits 21, gap 12, shape 15, escape 16: bits of a sample at most
        for (int p = 0; p < tile.planes; ++p) {
            const SoftComponent& c = component_of(book, tile.plane + p);
            work.prepare(tile, p, c);
            BitWriter out(work.bytes.data());
            put_lower(out, work.layers, c);
            put_shapes(out, work, c);
            made[static_cast<size_t>(tile.substream(p, grid))].assign(work.bytes.data(), out.finish());
        }
    });
    return assemble_parameter_payload({}, made, threads);
}

std::vector<SoftUse> soft_uses(const Samples& samples, const SoftGrid& grid, const SoftCodebook& book) {
    std::vector<SoftUse> uses(book.components.size());
    Work work;
    for (int64_t item = 0; item < soft_tiles(grid, book); ++item) {
        const SoftTile tile = soft_tile(grid, book, item);
        soft_load(samples, grid, book, tile, work.planes);
        for (int p = 0; p < tile.planes; ++p) {
            const SoftComponent& c = component_of(book, tile.plane + p);
            SoftUse& use = uses[static_cast<size_t>((tile.plane + p) % static_cast<int64_t>(uses.size()))];
            work.prepare(tile, p, c);
            use.layer_bits += static_cast<int64_t>(tile.samples()) * c.shape_bits();
            use.shapes += static_cast<int64_t>(work.gaps.size());
            use.location_bits += kSoftParameterBits;
            if (work.gaps.empty()) continue;
            const uint32_t parameter = golomb_parameter(work.gaps);
            use.location_bits += soft_gap_bits(0, parameter);
            for (const uint32_t gap : work.gaps) use.location_bits += soft_gap_bits(gap, parameter);
            for (const int32_t shape : work.placement.found) {
                if (shape < 0) continue;
                const bool escape = static_cast<size_t>(shape) == c.shapes.size();
                use.codeword_bits += c.shape.lengths()[static_cast<size_t>(shape)] + (escape ? c.shape_bits() : 0);
            }
        }
    }
    return uses;
}

}  // namespace mmip
