// See codebook.h.
#include "passes/soft/codebook.h"

#include <algorithm>
#include <cstring>

#include "passes/coding/codebook.h"
#include "passes/layout.h"

namespace mmip {
namespace {

constexpr uint8_t kMagic[4] = {'M', 'M', 'S', 'C'};
constexpr uint8_t kVersion = 1;
constexpr size_t kHeadBytes = 8;
constexpr int kSigned = 1, kColour = 2;

void expect(bool condition, const char* what) {
    if (!condition) throw DataError(kStatusSymbol, std::string("codebook: ") + what);
}

class Fields {
public:
    Fields(const uint8_t* bytes, size_t size) : bits_(bytes, size) {}

    int take(int bits) {
        bits_.refill();
        const int value = static_cast<int>(bits_.take(bits));
        if (bits_.overrun()) throw DataError(kStatusTruncated, "codebook: ends early");
        return value;
    }

    SoftCode code(size_t symbols) {
        std::vector<uint8_t> lengths(symbols);
        for (uint8_t& l : lengths) l = static_cast<uint8_t>(take(4));
        expect(*std::max_element(lengths.begin(), lengths.end()) <= kSoftPairLimit, "a codeword is too long");
        return SoftCode(std::move(lengths));
    }

    void finish() { expect(bits_.finish() == kOk, "bytes after its last field"); }

private:
    BitReader bits_;
};

void read_component(Fields& from, SoftComponent& c) {
    c.detail_bits = from.take(3);
    c.raw_bits = from.take(4);
    expect(c.detail_bits >= 1 && c.detail_bits <= kSoftMaxDetailBits && c.raw_bits <= kSoftMaxRawBits && c.shape_bits() >= 1, "layers out of range");
    c.pair = from.code(size_t{1} << (2 * c.detail_bits));
    c.detail = from.code(size_t{1} << c.detail_bits);
    const int count = from.take(14);
    expect(count >= 1 && count <= kSoftMaxShapes, "number of shapes out of range");
    std::vector<uint8_t> lengths;
    for (int i = 0; i < count; ++i) {
        SoftShape s;
        s.height = static_cast<uint8_t>(from.take(2) + 1);
        s.width = static_cast<uint8_t>(from.take(2) + 1);
        for (int y = 0; y < s.height; ++y)
            for (int x = 0; x < s.width; ++x) {
                const int cell = from.take(c.cell_bits());
                expect(cell < 255, "a cell of 255");
                s.rows[y] |= static_cast<uint32_t>(cell) << (8 * x);
            }
        expect((s.rows[0] & 255) != 0, "a shape that begins with zero");
        c.shapes.push_back(s);
        lengths.push_back(static_cast<uint8_t>(from.take(4)));
    }
    lengths.push_back(static_cast<uint8_t>(from.take(4)));
    c.shape = SoftCode(std::move(lengths));
    c.matcher = SoftMatcher(c.shapes);
}

}  // namespace

int SoftShape::nonzeros() const {
    int n = 0;
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) n += cell(y, x) != 0;
    return n;
}

uint64_t shape_hash(const SoftShape& s) {
    const uint64_t low = s.rows[0] | static_cast<uint64_t>(s.rows[1]) << 32, high = s.rows[2] | static_cast<uint64_t>(s.rows[3]) << 32;
    uint64_t h = (low ^ static_cast<uint64_t>(s.size_index()) << 60) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 32 ^ high) * 0xc2b2ae3d27d4eb4fu;
    return h ^ h >> 29;
}

SoftCode::SoftCode(std::vector<uint8_t> lengths) : lengths_(std::move(lengths)) {
    uint32_t many[kSoftShapeLimit + 1] = {}, next[kSoftShapeLimit + 1] = {}, sum = 0;
    for (uint8_t l : lengths_) {
        expect(l >= 1 && l <= kSoftShapeLimit, "a value without a codeword");
        ++many[l];
        sum += 1u << (kSoftShapeLimit - l);
        longest_ = std::max(longest_, static_cast<int>(l));
    }
    expect(sum == 1u << kSoftShapeLimit, "a code that is not complete");
    for (int l = 1; l < kSoftShapeLimit; ++l) next[l + 1] = (next[l] + many[l]) << 1;
    words_.resize(lengths_.size());
    table_.resize(size_t{1} << longest_);
    for (size_t s = 0; s < lengths_.size(); ++s) {
        const int l = lengths_[s];
        const uint32_t word = next[l]++;
        words_[s] = word << 4 | static_cast<uint32_t>(l);
        std::fill_n(table_.begin() + (static_cast<size_t>(word) << (longest_ - l)), size_t{1} << (longest_ - l), static_cast<uint32_t>(s << 4 | static_cast<uint32_t>(l)));
    }
}

SoftMatcher::SoftMatcher(const std::vector<SoftShape>& shapes) : sizes_(1 << 12), narrow_(256) {
    size_t slots = 16;
    while (slots < 4 * shapes.size()) slots *= 2;
    slots_.assign(slots, -1);
    for (size_t i = 0; i < shapes.size(); ++i) {
        const SoftShape& s = shapes[i];
        if (s.height == 1 && s.width == 1) continue;   // found by value
        if (s.width == 1) narrow_[s.rows[0] & 255] |= static_cast<uint16_t>(1 << s.size_index());
        else sizes_[head(s.rows[0])] |= static_cast<uint16_t>(1 << s.size_index());
        size_t at = shape_hash(s) & (slots - 1);
        while (slots_[at] >= 0) at = (at + 1) & (slots - 1);
        slots_[at] = static_cast<int32_t>(i);
    }
}

int SoftMatcher::find(const SoftShape& shape, const std::vector<SoftShape>& shapes) const {
    const size_t last = slots_.size() - 1;
    for (size_t at = shape_hash(shape) & last; slots_[at] >= 0; at = (at + 1) & last)
        if (shapes[slots_[at]] == shape) return slots_[at];
    return -1;
}

SoftCodebook::SoftCodebook(int d, bool s, bool c, int many) : depth(d), is_signed(s), colour(c), components(many) {
    for (int i = 0; i < many; ++i) {
        const bool difference = colour && i > 0;
        components[i].bits = depth + (difference ? 1 : 0);
        components[i].zero = difference ? int32_t{1} << depth : offset();
    }
}

SoftCodebook::SoftCodebook(const uint8_t* bytes, size_t size) {
    if (size < kHeadBytes) throw DataError(kStatusTruncated, "codebook: ends early");
    expect(std::memcmp(bytes, kMagic, 4) == 0, "another magic");
    expect(bytes[4] == kVersion, "another version");
    expect(bytes[5] >= kSoftMinDepth && bytes[5] <= kSoftMaxDepth, "depth outside 8..16");
    expect(bytes[6] <= (kSigned | kColour), "reserved flags");
    expect(bytes[7] >= 1 && ((bytes[6] & kColour) == 0 || bytes[7] == 3), "number of components out of range");
    *this = SoftCodebook(bytes[5], (bytes[6] & kSigned) != 0, (bytes[6] & kColour) != 0, bytes[7]);
    Fields from(bytes + kHeadBytes, size - kHeadBytes);
    for (SoftComponent& c : components) read_component(from, c);
    from.finish();
}

std::vector<uint8_t> SoftCodebook::to_bytes() const {
    BitString to;
    for (uint8_t byte : kMagic) to.put(byte, 8);
    to.put(kVersion, 8);
    to.put(static_cast<uint32_t>(depth), 8);
    to.put(static_cast<uint32_t>((is_signed ? kSigned : 0) | (colour ? kColour : 0)), 8);
    to.put(static_cast<uint32_t>(components.size()), 8);
    for (const SoftComponent& c : components) {
        to.put(static_cast<uint32_t>(c.detail_bits), 3);
        to.put(static_cast<uint32_t>(c.raw_bits), 4);
        for (const SoftCode* code : {&c.pair, &c.detail})
            for (uint8_t l : code->lengths()) to.put(l, 4);
        to.put(static_cast<uint32_t>(c.shapes.size()), 14);
        for (size_t i = 0; i < c.shapes.size(); ++i) {
            const SoftShape& s = c.shapes[i];
            to.put(static_cast<uint32_t>(s.size_index()), 4);
            for (int y = 0; y < s.height; ++y)
                for (int x = 0; x < s.width; ++x) to.put(static_cast<uint32_t>(s.cell(y, x)), c.cell_bits());
            to.put(c.shape.lengths()[i], 4);
        }
        to.put(c.shape.lengths().back(), 4);
    }
    return to.finish();
}

}  // namespace mmip
