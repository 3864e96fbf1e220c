// A codebook of soft compression: the codes and shapes of every component, parsed, checked and ready to code with.
// Values: the bytes of a codebook in; tables out. Home: host. Implements FORMAT.md section 8.11.
// Throws DataError for any defect, before memory is taken that the bytes do not pay for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "rules/soft/soft.h"

namespace mmip {

// Cells of a shape, four bytes a row, zero outside of it.
struct SoftShape {
    std::array<uint32_t, kSoftSide> rows{};
    uint8_t height = 1, width = 1;

    int size_index() const { return (height - 1) * kSoftSide + width - 1; }
    int cell(int y, int x) const { return static_cast<int>(rows[y] >> (8 * x) & 255); }
    int nonzeros() const;
    // Its first rows and columns.
    SoftShape corner(int h, int w) const {
        SoftShape s;
        s.height = static_cast<uint8_t>(h), s.width = static_cast<uint8_t>(w);
        for (int y = 0; y < h; ++y) s.rows[y] = rows[y] & 0xffffffffu >> (8 * (kSoftSide - w));
        return s;
    }
    bool operator==(const SoftShape& o) const { return rows == o.rows && height == o.height && width == o.width; }
};

uint64_t shape_hash(const SoftShape& shape);

// A complete canonical code, for writing and for reading.
class SoftCode {
public:
    SoftCode() = default;
    // Throws unless it is complete.
    explicit SoftCode(std::vector<uint8_t> lengths);

    const std::vector<uint8_t>& lengths() const { return lengths_; }
    uint32_t word(size_t symbol) const { return words_[symbol]; }         // codeword << 4 | length
    int longest() const { return longest_; }
    // symbol << 4 | length, by the next `longest` bits
    const uint32_t* table() const { return table_.data(); }

private:
    std::vector<uint8_t> lengths_;
    std::vector<uint32_t> words_, table_;
    int longest_ = 0;
};

// Finds shapes by their cells.
class SoftMatcher {
public:
    explicit SoftMatcher(const std::vector<SoftShape>& shapes = {});

    // Sizes (bits of size_index) of shapes that begin with these two cells.
    uint32_t sizes(uint32_t first_row) const { return sizes_[head(first_row)] | narrow_[first_row & 255]; }
    // Place of the shape, or -1.
    int find(const SoftShape& shape, const std::vector<SoftShape>& shapes) const;

private:
    static size_t head(uint32_t row) { return (row & 63) << 6 | (row >> 8 & 63); }
    std::vector<uint16_t> sizes_, narrow_;
    std::vector<int32_t> slots_;
};

struct SoftComponent {
    int bits = 8;                    // of the plane
    int32_t zero = 0;                // what the plane holds for a sample of 0
    int detail_bits = 4, raw_bits = 0;
    std::vector<SoftShape> shapes;   // in the order in which an encoder places them
    SoftCode pair, detail, shape;    // the last symbol of `shape` is the escape
    SoftMatcher matcher;

    int shape_bits() const { return bits - detail_bits - raw_bits; }
    int cell_bits() const { return shape_bits() < kSoftCellBits ? shape_bits() : kSoftCellBits; }
};

struct SoftCodebook {
    int depth = 8;
    bool is_signed = false, colour = false;
    std::vector<SoftComponent> components;

    // Components without codes, of planes of samples of this kind.
    SoftCodebook(int depth, bool is_signed, bool colour, int components);
    // Parsed.
    SoftCodebook(const uint8_t* bytes, size_t size);

    int32_t offset() const { return is_signed ? int32_t{1} << (depth - 1) : 0; }   // added to samples
    std::vector<uint8_t> to_bytes() const;
};

}  // namespace mmip
