// See parameter_bits.h.
#include "passes/predictive/parameter_bits.h"

#include "passes/layout.h"
#include "rules/predictive/colour_forms.h"

namespace mmip {
namespace {

constexpr int kShiftBits = 5, kMostShift = 16;

uint32_t signed_code(int32_t v) { return v < 0 ? 2 * static_cast<uint32_t>(-v) : 2 * static_cast<uint32_t>(v) + 1; }   // above 0

}  // namespace

void corrupt_parameters(const char* what) { throw DataError(kStatusSymbol, std::string("predictive parameters: ") + what); }

void ParameterReader::check() const {
    if (bits.overrun()) throw DataError(kStatusTruncated, "predictive parameters end early");
}

void ParameterReader::check_end(uint64_t size) {
    check();
    if (!bits.padding_is_zero() || (bits.position + 7) / 8 != size) throw DataError(kStatusTrailing, "bytes after the predictive parameters");
}

void put_gamma_bits(BitString& out, uint32_t value) {
    const int k = bit_length(value) - 1;
    out.put(0, k);
    out.put(value, k + 1);
}

void write_value_map(BitString& out, const std::vector<int32_t>& values) {
    out.put(values.empty() ? 0 : 1, 1);
    if (values.empty()) return;
    uint64_t best = ~uint64_t{0};
    int shift = 0;
    for (int k = 0; k < kMostShift; ++k) {
        uint64_t bits = 0;
        for (size_t i = 1; i < values.size(); ++i) bits += 2 * bit_length((static_cast<uint32_t>(values[i] - values[i - 1] - 1) >> k) + 1) - 1 + k;
        if (bits < best) best = bits, shift = k;
    }
    out.put(static_cast<uint32_t>(shift), kShiftBits);
    put_gamma_bits(out, static_cast<uint32_t>(values.size()));
    for (size_t i = 1; i < values.size(); ++i) {
        const uint32_t gap = static_cast<uint32_t>(values[i] - values[i - 1] - 1);
        put_gamma_bits(out, (gap >> shift) + 1);
        out.put(gap & ((1u << shift) - 1), shift);
    }
}

std::vector<int32_t> read_value_map(ParameterReader& in, int32_t first, int bits) {
    const int shift = static_cast<int>(in.take(kShiftBits));
    const uint32_t count = in.take_gamma();
    if (count > 1u << bits) corrupt_parameters("more values than there are ranks");
    std::vector<int32_t> values{first};
    int64_t value = first;
    while (values.size() < count) {
        const int64_t gap = ((static_cast<int64_t>(in.take_gamma()) - 1) << shift) + in.take(shift);
        value += gap + 1;
        if (value > INT32_MAX) corrupt_parameters("a value is too large");
        values.push_back(static_cast<int32_t>(value));
        in.check();
    }
    return values;
}

void write_palette(BitString& out, const std::vector<PaletteColour>& palette, int32_t offset) {
    put_gamma_bits(out, static_cast<uint32_t>(palette.size()));
    for (int i = 0; i < 3; ++i) {
        uint64_t least = ~uint64_t{0};
        int shift = 0;
        for (int k = 0; k < kMostShift; ++k) {
            uint64_t bits = 0;
            int32_t before = offset;
            for (const auto& colour : palette) bits += 2 * bit_length((signed_code(colour[i] - before) >> k) + 1) - 1 + k, before = colour[i];
            if (bits < least) least = bits, shift = k;
        }
        out.put(static_cast<uint32_t>(shift), kShiftBits);
        int32_t before = offset;
        for (const auto& colour : palette) {
            const uint32_t code = signed_code(colour[i] - before);
            put_gamma_bits(out, (code >> shift) + 1);
            out.put(code & ((1u << shift) - 1), shift);
            before = colour[i];
        }
    }
}

std::vector<PaletteColour> read_palette(ParameterReader& in, int32_t offset, int bits) {
    const uint32_t count = in.take_gamma();
    if (count > static_cast<uint32_t>(kMaxPalette) || count > 1u << bits) corrupt_parameters("more colours than there may be");
    in.check();
    std::vector<PaletteColour> palette(count);
    for (int i = 0; i < 3; ++i) {
        const int shift = static_cast<int>(in.take(kShiftBits));
        int64_t value = offset;
        for (auto& colour : palette) {
            const int64_t code = ((static_cast<int64_t>(in.take_gamma()) - 1) << shift) + in.take(shift);
            value += (code & 1) != 0 ? code >> 1 : -(code >> 1);
            if (value > INT32_MAX || value < INT32_MIN) corrupt_parameters("a colour is out of range");
            colour[i] = static_cast<int32_t>(value);
            in.check();
        }
    }
    return palette;
}

}  // namespace mmip
