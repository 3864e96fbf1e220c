// See corrections.h. A tile is walked once for each way to code it; the symbols of the better one are counted, then written.
#include "passes/corrections/corrections.h"

#include <algorithm>
#include <memory>

#include "rules/coding/bitstream.h"
#include "rules/corrections/correction_walk.h"
#include "passes/corrections/correction_lists.h"
#include "passes/coding/codebook.h"
#include "passes/coding/payload.h"
#include "passes/parallel.h"
#include "passes/blocks/synthesize.h"
#include "passes/tokens/pack.h"
#include "passes/tokens/unpack.h"

namespace mmip {
namespace {

// The samples of a tile inside an array of planes.
struct SampleBox {
    int64_t first;             // index of the first sample
    int64_t size[3];           // samples on z, y, x
    int64_t row, slice;        // strides

    int64_t count() const { return size[0] * size[1] * size[2]; }
};

SampleBox sample_box(const Coefficients& c, const Tile& tile, const Window& window) {
    const Geometry& g = c.geometry;
    const int cells[3] = {tile.order->az, tile.order->ay, tile.order->ax};
    SampleBox box{};
    box.row = window.shape[2], box.slice = window.shape[1] * window.shape[2];
    int64_t at[3];
    for (int a = 0; a < 3; ++a) {
        const int64_t cell = a == 0 ? g.depth : kCellSize, start = tile.cell[a] * cell;
        at[a] = start - window.origin[a];
        box.size[a] = std::min(cells[a] * cell, g.shape[a] - start);
    }
    box.first = ((tile.plane - c.box.planes[0]) * window.shape[0] + at[0]) * box.slice + at[1] * box.row + at[2];
    return box;
}

// The indices of a tile in their frame.
class TileIndices {
public:
    explicit TileIndices(const SampleBox& box)
        : box_(box), frame_{nullptr, box.size[0], box.size[1], box.size[2]}, values_(static_cast<size_t>(frame_.count()), 0) {
        frame_.values = values_.data();
    }

    void load(const int32_t* array) {
        for_rows([&](int32_t* row, int64_t from) { std::copy_n(array + from, box_.size[2], row); });
    }
    void store(int32_t* array) {
        for_rows([&](const int32_t* row, int64_t from) { std::copy_n(row, box_.size[2], array + from); });
    }

    const CorrectionFrame& frame() const { return frame_; }

private:
    template <class Use>
    void for_rows(const Use& use) {
        for (int64_t r = 0; r < frame_.rows(); ++r)
            use(frame_.row(r), box_.first + r / box_.size[1] * box_.slice + r % box_.size[1] * box_.row);
    }

    const SampleBox& box_;
    CorrectionFrame frame_;
    std::vector<int32_t> values_;
};

SymbolList listed(const Coefficients& c, const Tile& of, const Window& window, const int32_t* indices) {
    const SampleBox box = sample_box(c, of, window);
    TileIndices tile(box);
    tile.load(indices);
    return list_symbols(tile.frame());
}

std::vector<SymbolList> listed(const Coefficients& c, const int32_t* indices, int threads) {
    const Window window = box_window(c.geometry, c.box, 1);
    std::vector<SymbolList> lists(c.tiles.size());
    parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int) { lists[i] = listed(c, c.tiles[i], window, indices); });
    return lists;
}

std::vector<uint32_t> counted(const std::vector<SymbolList>& lists) {
    std::vector<uint32_t> counts(kCorrectionClasses * kCorrectionAlphabet, 0);
    for (const SymbolList& list : lists)
        for (const uint16_t symbol : list.symbols) ++counts[symbol];
    return counts;
}

// What is written for a symbol: a codeword, that of the escape with what it escapes; and how many raw bits follow.
struct SymbolWord {
    uint32_t code;
    uint8_t bits, extra;
};

std::vector<SymbolWord> words_of(const EncodingTables& tables) {
    std::vector<SymbolWord> words;
    for (int symbol = 0; symbol < kCorrectionClasses * kCorrectionAlphabet; ++symbol) {
        const int c = symbol / kCorrectionAlphabet, s = symbol % kCorrectionAlphabet, extra = correction_raw_bits(c, s);
        const uint16_t* row = tables.row(c);
        const bool escaped = row[s] == kUnlistedWord;
        const uint32_t word = escaped ? row[tables.alphabet] : row[s], code = word >> 4;
        const int more = escaped ? tables.escape_bits : 0;
        words.push_back({code << more | (escaped ? static_cast<uint32_t>(s) : 0), static_cast<uint8_t>((word & 15) + more), static_cast<uint8_t>(extra)});
    }
    return words;
}

std::vector<uint8_t> written(const SymbolList& list, const std::vector<SymbolWord>& words) {
    const std::unique_ptr<uint8_t[]> bytes(new uint8_t[8 * (list.symbols.size() + 2)]);   // a symbol has less than 56 bits
    BitWriter writer(bytes.get());
    writer.put(list.all_runs ? 1 : 0, 1);
    const uint32_t* raw = list.raws.data();
    for (const uint16_t symbol : list.symbols) {
        const SymbolWord& word = words[symbol];
        writer.put(word.code, word.bits);
        if (word.extra > 0) writer.put(*raw++, word.extra);
    }
    const uint8_t* end = writer.finish();
    return {const_cast<const uint8_t*>(bytes.get()), end};
}

StagePayload corrections_payload(const Coefficients& c, const uint8_t* payload, uint64_t size, bool check_crc) {
    return read_payload(payload, size, c.geometry.substreams(), c.stages() + 1, {correction_family()}, check_crc);
}

template <class T>
void indices_of(const void* original, const void* decoded, int64_t count, int32_t error, int32_t* indices) {
    const T* a = static_cast<const T*>(original);
    const T* b = static_cast<const T*>(decoded);
    const double share = 1.0 / (2.0 * error + 1);   // (n + 1/2) share has the whole part of n / (2 error + 1): neither is near an integer
    for (int64_t i = 0; i < count; ++i) {
        const int32_t d = static_cast<int32_t>(a[i]) - static_cast<int32_t>(b[i]), sign = d >> 31;
        const int32_t index = static_cast<int32_t>((((d ^ sign) - sign) + (error + 0.5)) * share);
        indices[i] = (index ^ sign) - sign;
    }
}

template <class T>
void correct(void* samples, int64_t count, const int32_t* indices, int32_t error, int32_t minimum, int32_t maximum) {
    T* v = static_cast<T*>(samples);
    for (int64_t i = 0; i < count; ++i) v[i] = static_cast<T>(corrected(static_cast<int32_t>(v[i]), indices[i], error, minimum, maximum));
}

}  // namespace

std::string pack_corrections(const Coefficients& c, const int32_t* indices, int threads) {
    const std::vector<SymbolList> lists = listed(c, indices, threads);
    const std::vector<uint32_t> histogram = counted(lists);
    BitString head;
    const EncodingTables tables = choose_codes(correction_family(), histogram.data(), head, threads);
    const std::vector<SymbolWord> words = words_of(tables);
    std::vector<std::vector<uint8_t>> streams(c.tiles.size());
    parallel_for(static_cast<int64_t>(lists.size()), threads, [&](int64_t i, int) { streams[i] = written(lists[i], words); });
    return assemble_payload(head.finish(), streams, threads);
}

std::vector<uint32_t> count_corrections(const Coefficients& c, const int32_t* indices, int threads) {
    return counted(listed(c, indices, threads));
}

uint64_t unpack_corrections(const Coefficients& c, const uint8_t* payload, uint64_t size, bool check_crc, int threads, int32_t* indices) {
    const StagePayload p = corrections_payload(c, payload, size, check_crc);
    const std::vector<int64_t> groups = tile_groups(c);
    const Window window = box_window(c.geometry, c.box, 1);
    parallel_for(static_cast<int64_t>(groups.size()) - 1, threads, [&](int64_t g, int) {
        check_groups(c, groups[g], groups[g + 1], p);
        for (int64_t i = groups[g]; i < groups[g + 1]; ++i) {
            const SampleBox box = sample_box(c, c.tiles[i], window);
            TileIndices tile(box);
            BitReader bits(p.substream(c.tiles[i].substream), p.substream_bytes(c.tiles[i].substream));
            const Status status = read_corrections(bits, p.tables[0].view(), tile.frame());
            if (status != kOk) refuse(status, p.stage, c.tiles[i]);
            tile.store(indices);
        }
    });
    return bytes_read(c, p);
}

void correction_indices(const Samples& original, const Samples& decoded, int64_t count, int32_t error, int32_t* indices) {
    switch (original.type) {
        case kSampleU8: return indices_of<uint8_t>(original.data, decoded.data, count, error, indices);
        case kSampleI8: return indices_of<int8_t>(original.data, decoded.data, count, error, indices);
        case kSampleU16: return indices_of<uint16_t>(original.data, decoded.data, count, error, indices);
        case kSampleI16: return indices_of<int16_t>(original.data, decoded.data, count, error, indices);
        case kSampleI32: return indices_of<int32_t>(original.data, decoded.data, count, error, indices);
    }
}

void apply_corrections(const Samples& samples, int64_t count, const int32_t* indices, int32_t error, int32_t minimum, int32_t maximum) {
    switch (samples.type) {
        case kSampleU8: return correct<uint8_t>(samples.data, count, indices, error, minimum, maximum);
        case kSampleI8: return correct<int8_t>(samples.data, count, indices, error, minimum, maximum);
        case kSampleU16: return correct<uint16_t>(samples.data, count, indices, error, minimum, maximum);
        case kSampleI16: return correct<int16_t>(samples.data, count, indices, error, minimum, maximum);
        case kSampleI32: return correct<int32_t>(samples.data, count, indices, error, minimum, maximum);
    }
}

}  // namespace mmip
