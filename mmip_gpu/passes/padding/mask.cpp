// See mask.h.
#include "passes/padding/mask.h"

#include <algorithm>
#include <cstring>

#include "passes/padding/padding.h"
#include "passes/parallel.h"

namespace mmip {
namespace {

MaskTile mask_tile(const Tile& tile) { return {tile.order->depth, tile.order->az, tile.order->ay, tile.order->ax}; }

struct ByteSink {
    std::vector<uint8_t>* bytes;
    void byte(uint8_t value) { bytes->push_back(value); }
};

// Which of eight samples equal the value: bit i of sample i.
template <class T>
uint64_t equal_bits(const T* samples, T value) {
    typedef T Samples __attribute__((vector_size(8 * sizeof(T))));
    typedef int8_t Bytes __attribute__((vector_size(8)));
    Samples eight;
    std::memcpy(&eight, samples, sizeof eight);
    const Bytes equal = __builtin_convertvector(eight == value, Bytes);
    uint64_t bytes;
    std::memcpy(&bytes, &equal, sizeof bytes);
    return ((bytes >> 7) & 0x0101010101010101u) * 0x0102040810204080u >> 56;
}

template <class T>
void find_in_tile(Coefficients& c, const Tile& tile, const T* plane, int32_t value) {
    const TileOrder& order = *tile.order;
    const int64_t *shape = c.geometry.shape, nx = shape[2];
    uint64_t* word = c.mask.get() + tile.base * order.depth;
    const T sought = static_cast<T>(value);
    std::fill_n(word, order.cells() * order.depth, uint64_t{0});
    if (sought != value) return;   // no sample has this value
    for (int cell = 0; cell < order.cells(); ++cell) {
        const int64_t z0 = (tile.cell[0] + cell / (order.ax * order.ay)) * order.depth;
        const int64_t y0 = (tile.cell[1] + cell / order.ax % order.ay) * 8, x0 = (tile.cell[2] + cell % order.ax) * 8;
        for (int k = 0; k < order.depth; ++k, ++word) {
            uint64_t bits = 0;
            if (z0 + k < shape[0] && y0 + 8 <= shape[1] && x0 + 8 <= nx) {   // the common case
                const T* row = plane + ((z0 + k) * shape[1] + y0) * nx + x0;
                for (int j = 0; j < 8; ++j) bits |= equal_bits(row + j * nx, sought) << (8 * j);
                *word = bits;
                continue;
            }
            for (int j = 0; j < 8; ++j) {
                const T* row = plane + (std::min(z0 + k, shape[0] - 1) * shape[1] + std::min(y0 + j, shape[1] - 1)) * nx;
                T last[8];   // a row that the plane's end cuts repeats its last sample
                const bool whole = x0 + 8 <= nx;
                for (int i = 0; i < 8 && !whole; ++i) last[i] = row[std::min(x0 + i, nx - 1)];
                bits |= equal_bits(whole ? row + x0 : last, sought) << (8 * j);
            }
            *word = bits;
        }
    }
}

}  // namespace

void find_mask(Coefficients& c, const Samples& samples, int32_t value, int threads) {
    const int64_t plane_samples = c.geometry.shape[0] * c.geometry.shape[1] * c.geometry.shape[2];
    with_typed(samples, [&](const auto* all) {
        parallel_for(static_cast<int64_t>(c.tiles.size()), threads,
                     [&](int64_t i, int) { find_in_tile(c, c.tiles[i], all + c.tiles[i].plane * plane_samples, value); });
    });
}

TileMask encode_mask(const Coefficients& c, const Tile& tile) {
    const uint64_t* words = c.mask.get() + tile.base * c.geometry.depth;
    TileMask mask{mask_kind(words, tile.order->cells() * c.geometry.depth), {}};
    if (mask.kind != kMaskMixed) return mask;
    const MaskTile cells = mask_tile(tile);
    std::vector<uint8_t> frame(cells.frame_bytes());
    const MaskBuffer buffer = cells.buffer(frame.data());
    for (int word = 0; word < cells.words(); ++word) put_mask_word(cells, buffer, word, words[word]);
    MaskModel model;
    ByteSink sink{&mask.code};
    encode_mask(buffer, model, sink);
    while (!mask.code.empty() && mask.code.back() == 0) mask.code.pop_back();
    return mask;
}

Status read_mask(Coefficients& c, const Tile& tile, BitReader& bits) {
    const MaskTile cells = mask_tile(tile);
    const std::unique_ptr<uint8_t[]> frame(new uint8_t[cells.frame_bytes()]);   // not touched before it is needed
    MaskModel model;
    return read_mask(bits, cells, model, frame.get(), c.mask.get() + tile.base * c.geometry.depth);
}

}  // namespace mmip
