// Reading the residuals of a tile: one sub-stream a lane, all lanes in step, no branch that depends on what is read.
// Values: V = int32_t or LanesI. Host and device. Implements FORMAT.md section 8.6.
#pragma once

#include "rules/predictive/integer_lanes.h"
#include "rules/predictive/residual_tokens.h"

namespace MMIP_NS {

// The class of a sum of magnitudes: 0 of 0, else its half octaves above `least_half`, from 1 to `most`.
template <class V>
MMIP_RULE V residual_class(V e, int least_half, int most = kResidualClasses - 1) {
    return greatest(least(half_octaves(e) - least_half, V{} + most), least(e, V{} + 1));
}

template <class V>
MMIP_RULE V magnitude_of(V residual) { return greatest(residual, -residual); }

// A tile to read. Arrays of V: element i is sample i of every lane.
template <class V>
struct ResidualReader {
    const uint8_t* bytes;            // of all lanes; read up to 7200 bytes past where a lane starts
    const uint32_t* tables;          // kResidualTables of 1 << kResidualCodeLimit entries, and one of zeros
    V position;                      // in bits
    V run;                           // zeros that are left of a run; 0: the residual after it comes; -1: no run
    int least_half = 0;              // of classes

    MMIP_RULE ResidualReader(const uint8_t* data, const uint32_t* entries, V first_bit) : bytes(data), tables(entries), position(first_bit), run(V{} - 1) {}

    // The next residual of every lane; e: sum of magnitudes around it.
    MMIP_RULE V next(V e, V& magnitude) {
        V table = selected(run < 0, residual_class(e, least_half), V{} + kAfterRunTable);
        table = selected(run > 0, V{} + kResidualTables, table) << kResidualCodeLimit;
        const V window = shifted_left(word_at(bytes, position >> 3), position & 7);
        const V entry = looked_up(tables, table + shifted_right(window, V{} + (32 - kResidualCodeLimit)));
        const V length = entry & 15, raw_bits = (entry >> kEntryRawBits) & 31;
        const V raw = shifted_right(shifted_right(shifted_left(window, length), V{} + 1), 31 - raw_bits);
        position += length + raw_bits;
        return taken(entry, shifted_right(entry, V{} + kEntryLeast) + raw, magnitude);
    }

    MMIP_RULE V taken(V entry, V value, V& magnitude) {
        const auto is_run = (entry & static_cast<int32_t>(kRunEntry)) != 0;
        run = selected(is_run, value - 1, greatest(run - 1, V{} - 1));
        const V number = selected(is_run, V{}, value), size = (number + 1) >> 1;
        magnitude = size;
        return selected((number & 1) != 0, size, -size);
    }
};

// The same for one lane of values of up to kMaxValueBits, whose raw bits do not fit a word of 32.
struct WideResidualReader : ResidualReader<int32_t> {
    using ResidualReader<int32_t>::ResidualReader;

    MMIP_RULE int32_t next(int32_t e, int32_t& magnitude) {
        const uint64_t bits = static_cast<uint64_t>(static_cast<uint32_t>(word_at(bytes, position >> 3))) << 32 |
                              static_cast<uint32_t>(word_at(bytes, (position >> 3) + 4));
        return next_of(bits << (position & 7), e, magnitude);
    }

    // The same from the bits at hand, the next one highest.
    MMIP_RULE int32_t next_of(uint64_t window, int32_t e, int32_t& magnitude) {
        const int32_t table = run < 0 ? residual_class(e, least_half) : (run > 0 ? kResidualTables : kAfterRunTable);
        const int32_t entry = looked_up(tables, (table << kResidualCodeLimit) + static_cast<int32_t>(window >> (64 - kResidualCodeLimit)));
        const int length = entry & 15, raw_bits = (entry >> kEntryRawBits) & 31;
        position += length + raw_bits;
        const uint64_t raw = ((window << length) >> 1) >> (63 - raw_bits);
        return taken(entry, shifted_right(entry, kEntryLeast) + static_cast<int32_t>(raw), magnitude);
    }
};

// Extent of a tile on z, y, x, and where its samples go: V elements between rows and slices of `out`.
struct TilePlace {
    int z, y, x;
    int64_t row, slice;
};

// Residuals of the components before this one, whose magnitudes a context adds, and how contexts are made.
template <class V>
struct EarlierResiduals {
    const V* of[2];                  // as `out`; nullptr where there is none
    int context;

    MMIP_RULE V sum(int64_t at, int weight) const {
        V e{};
        for (int i = 0; i < 2; ++i)
            if (of[i] != nullptr) e += magnitude_of(of[i][at]);
        return e * weight;
    }
};

// Residuals of a tile in order z, y, x. `magnitudes`: room for 2 (y + 1) (x + 2) elements.
template <class V, class Reader>
MMIP_RULE void read_residuals(Reader& reader, const TilePlace& tile, const EarlierResiduals<V>& earlier, V* magnitudes, V* out) {
    const int width = tile.x + 2, rows = tile.z > 1 ? tile.y : 2;
    const int weight = earlier.of[0] != nullptr ? context_weight(earlier.context) : 0, decay = context_decay(earlier.context);
    reader.least_half = context_least(earlier.context);
    for (int z = 0; z < tile.z; ++z) {
        V* slice = magnitudes + (z & 1) * rows * width;
        const V* before = magnitudes + (1 - (z & 1)) * rows * width;
        for (int y = 0; y < tile.y; ++y) {
            V* now = slice + (tile.z > 1 ? y : y & 1) * width;
            const V* north = slice + (tile.z > 1 ? y - 1 : 1 - (y & 1)) * width;
            const V* previous = before + y * width;
            const V* previous_south = before + (y + 1 < tile.y ? y + 1 : y) * width;
            V west = y > 0 ? north[1] : (z > 0 ? previous[1] : V{} + kFirstMagnitude), west2 = west;
            V* to = out + z * tile.slice + y * tile.row;
            for (int x = 0; x < tile.x; ++x) {
                V e = west2 + (y > 0 ? 2 * (west + north[x + 1]) + north[x] + north[x + 2] : 6 * west);
                if (z > 0) e += previous[x + 1] + ((previous[x + 2] + previous_south[x + 1]) >> 1);
                if (weight != 0) e += earlier.sum(z * tile.slice + y * tile.row + x, weight);
                west2 = west;
                to[x] = reader.next(e, west);
                now[x + 1] = west + ((y > 0 ? north[x + 1] : west) >> decay);
            }
            now[0] = now[1];
            now[tile.x + 1] = now[tile.x];
        }
    }
}

}  // namespace MMIP_NS
