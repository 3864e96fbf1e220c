// See mine.h.
#include "passes/soft/mine.h"

#include <algorithm>
#include <cmath>

#include "passes/coding/code_lengths.h"

namespace mmip {
namespace {

constexpr int kDetailBits = 4;                  // as in the original
constexpr int kAlwaysKept = 31;                 // values that are always shapes of one cell
constexpr size_t kSketch = size_t{1} << 22;

double entropy_bits(const std::vector<uint64_t>& counts) {
    double sum = 0, bits = 0;
    for (const uint64_t n : counts) sum += static_cast<double>(n);
    for (const uint64_t n : counts)
        if (n != 0) bits += static_cast<double>(n) * std::log2(sum / static_cast<double>(n));
    return bits;
}

// What the layers of these residuals take, about; a gap takes a bit more than the entropy of the places.
double layer_bits(const std::vector<uint64_t>& residuals, int detail, int raw) {
    std::vector<uint64_t> details(size_t{1} << detail), shapes((residuals.size() >> (detail + raw)) + 1), is_shape(2);
    double samples = 0;
    for (size_t m = 0; m < residuals.size(); ++m) {
        const size_t shape = m >> (detail + raw);
        samples += static_cast<double>(residuals[m]);
        details[(m >> raw) & (details.size() - 1)] += residuals[m];
        if (shape != 0) shapes[shape] += residuals[m];
        is_shape[shape != 0] += residuals[m];
    }
    return raw * samples + entropy_bits(details) + entropy_bits(shapes) + entropy_bits(is_shape) + static_cast<double>(is_shape[1]);
}

// At most half of each row and column is zero.
bool may_be_shape(const SoftShape& s) {
    int in_column[kSoftSide] = {};
    for (int y = 0; y < s.height; ++y) {
        int in_row = 0;
        for (int x = 0; x < s.width; ++x) {
            const int zero = s.cell(y, x) == 0;
            if (s.cell(y, x) == 255) return false;       // stands for all larger ones, too
            in_row += zero, in_column[x] += zero;
        }
        if (2 * in_row > s.width) return false;
    }
    return std::all_of(in_column, in_column + s.width, [&](int zeros) { return 2 * zeros <= s.height; });
}

template <class Visit>
void each_patch(const SoftLayers& layers, const Visit& visit) {
    for (const uint32_t place : layers.nonzeros) {
        const int y = static_cast<int>(place) / layers.width, x = static_cast<int>(place) % layers.width;
        const SoftShape all = layers.patch(y, x);
        for (int h = 1; h <= std::min(kSoftSide, layers.height - y); ++h)
            for (int w = 1; w <= std::min(kSoftSide, layers.width - x); ++w) {
                const SoftShape s = all.corner(h, w);
                if (may_be_shape(s)) visit(s);
            }
    }
}

// The part of a shape that begins at (y, x).
SoftShape part_of(const SoftShape& s, int y, int x, int height, int width) {
    SoftShape part;
    part.height = static_cast<uint8_t>(height), part.width = static_cast<uint8_t>(width);
    for (int i = 0; i < height; ++i) part.rows[i] = s.rows[y + i] >> (8 * x) & 0xffffffffu >> (8 * (kSoftSide - width));
    return part;
}

}  // namespace

SoftMiner::SoftMiner(int depth, bool is_signed, bool colour, int components, double degree)
    : book_(depth, is_signed, colour, components), degree_(degree), counts_(book_.components.size()) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i].residuals.resize(size_t{1} << book_.components[i].bits);
}

template <class Visit>
void SoftMiner::each_tile(const Samples& samples, const SoftGrid& grid, const Visit& visit) {
    std::vector<int32_t> planes;
    SoftLayers layers;
    for (int64_t item = 0; item < soft_tiles(grid, book_); ++item) {
        const SoftTile tile = soft_tile(grid, book_, item);
        soft_load(samples, grid, book_, tile, planes);
        for (int p = 0; p < tile.planes; ++p) {
            const size_t c = static_cast<size_t>((tile.plane + p) % static_cast<int64_t>(counts_.size()));
            layers.fold(planes.data() + static_cast<size_t>(p) * tile.height * tile.width, tile.height, tile.width, book_.components[c]);
            visit(layers, book_.components[c], counts_[c]);
        }
    }
}

void SoftMiner::survey(const Samples& samples, const SoftGrid& grid) {
    ++images_;
    each_tile(samples, grid, [](const SoftLayers& layers, const SoftComponent&, Counts& counts) {
        for (const uint32_t m : layers.folded) ++counts.residuals[m];
    });
}

void SoftMiner::choose_layers() {
    for (size_t i = 0; i < counts_.size(); ++i) {
        SoftComponent& c = book_.components[i];
        c.detail_bits = kDetailBits;
        double least = INFINITY;
        for (int raw = 0; raw <= std::min(kSoftMaxRawBits, c.bits - c.detail_bits - 1); ++raw) {
            const double bits = layer_bits(counts_[i].residuals, c.detail_bits, raw);
            if (bits < least) least = bits, c.raw_bits = raw;
        }
        counts_[i].pairs.assign(size_t{1} << (2 * c.detail_bits), 0);
        counts_[i].details.assign(size_t{1} << c.detail_bits, 0);
        counts_[i].sketch.assign(kSketch, 0);
    }
}

void SoftMiner::count(const Samples& samples, const SoftGrid& grid) {
    each_tile(samples, grid, [](SoftLayers& layers, const SoftComponent& c, Counts& counts) {
        const uint32_t mask = (uint32_t{1} << c.detail_bits) - 1;
        const int w = layers.width;
        for (int y = 0; y < layers.height; ++y) {
            const uint32_t* row = layers.folded.data() + static_cast<size_t>(y) * w;
            for (int x = 0; x < w; ++x) ++counts.details[row[x] >> c.raw_bits & mask];
            for (int x = 0; (y & 1) == 0 && y + 1 < layers.height && x < w; ++x)
                ++counts.pairs[(row[x] >> c.raw_bits & mask) << c.detail_bits | (row[w + x] >> c.raw_bits & mask)];
        }
        layers.split(c.detail_bits + c.raw_bits);
        each_patch(layers, [&](const SoftShape& s) { counts.sketch[shape_hash(s) % kSketch] += 1; });
    });
}

void SoftMiner::mine(const Samples& samples, const SoftGrid& grid) {
    each_tile(samples, grid, [&](SoftLayers& layers, const SoftComponent& c, Counts& counts) {
        layers.split(c.detail_bits + c.raw_bits);
        each_patch(layers, [&](const SoftShape& s) {
            if (is_frequent(counts.sketch[shape_hash(s) % kSketch])) ++counts.shapes[s];
        });
    });
}

void SoftMiner::choose_shapes() {
    for (size_t i = 0; i < counts_.size(); ++i) {
        SoftComponent& c = book_.components[i];
        auto& found = counts_[i].shapes;
        for (auto each = found.begin(); each != found.end();) each = is_frequent(each->second) ? std::next(each) : found.erase(each);
        const int values = std::min(kAlwaysKept, (1 << c.shape_bits()) - 1);
        for (int value = 1; value <= values; ++value) {
            SoftShape s;
            s.rows[0] = static_cast<uint32_t>(value);
            found.emplace(s, 1);
        }
        auto kept = found;
        for (const auto& [shape, n] : found)            // parts that are never seen without the whole
            for (int h = 1; h <= shape.height; ++h)
                for (int w = 1; w <= shape.width; ++w)
                    for (int y = 0; y + h <= shape.height; ++y)
                        for (int x = 0; x + w <= shape.width; ++x) {
                            const SoftShape part = part_of(shape, y, x, h, w);
                            const auto same = h * w > 1 && !(part == shape) ? found.find(part) : found.end();
                            if (same != found.end() && same->second == n) kept.erase(part);
                        }
        std::vector<std::pair<SoftShape, uint64_t>> order(kept.begin(), kept.end());
        const auto key = [](const std::pair<SoftShape, uint64_t>& e) { return std::make_pair(e.first.size_index(), e.first.rows); };
        const auto often = [&](const auto& a, const auto& b) { return a.second != b.second ? a.second > b.second : key(a) < key(b); };
        std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
            const bool always_a = a.first.size_index() == 0, always_b = b.first.size_index() == 0;
            return always_a != always_b ? always_a : often(a, b);
        });
        order.resize(std::min<size_t>(order.size(), kSoftMaxShapes));
        std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
            return a.first.nonzeros() != b.first.nonzeros() ? a.first.nonzeros() > b.first.nonzeros() : often(a, b);
        });
        c.shapes.clear();
        counts_[i].kept.clear();
        for (const auto& [shape, n] : order) c.shapes.push_back(shape), counts_[i].kept.push_back(n);
        c.matcher = SoftMatcher(c.shapes);
        counts_[i].uses.assign(c.shapes.size() + 1, 0);
    }
}

void SoftMiner::use(const Samples& samples, const SoftGrid& grid) {
    SoftPlacement placement;
    each_tile(samples, grid, [&](SoftLayers& layers, const SoftComponent& c, Counts& counts) {
        layers.split(c.detail_bits + c.raw_bits);
        placement.place(layers, c);
        for (const int32_t shape : placement.found)
            if (shape >= 0) ++counts.uses[static_cast<size_t>(shape)];
    });
}

void SoftMiner::choose_codes() {
    const auto code = [](std::vector<uint64_t> counts, int limit) {
        for (uint64_t& n : counts) n = std::max<uint64_t>(n, 1);     // every value has a codeword
        return SoftCode(code_lengths(counts, limit));
    };
    for (size_t i = 0; i < counts_.size(); ++i) {
        SoftComponent& c = book_.components[i];
        c.pair = code(counts_[i].pairs, kSoftPairLimit);
        c.detail = code(counts_[i].details, kSoftPairLimit);
        c.shape = code(counts_[i].uses, kSoftShapeLimit);
    }
}

}  // namespace mmip
