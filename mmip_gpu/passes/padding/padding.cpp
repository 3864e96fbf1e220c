// See padding.h.
#include "passes/padding/padding.h"

#include <type_traits>

#include "passes/parallel.h"
#include "passes/blocks/synthesize.h"

namespace mmip {
namespace {

int ones(uint64_t bits) { return __builtin_popcountll(bits); }

// Rows of `height` and columns of `width` samples from the corner of a slice of a cell on.
uint64_t corner(int height, int width) {
    const uint64_t row = (uint64_t{1} << width) - 1, all = row * 0x0101010101010101u;
    return height == 8 ? all : all & ((uint64_t{1} << (8 * height)) - 1);
}

template <class T>
class Restorer {
public:
    Restorer(const Coefficients& c, int scale, T value, const Output& out) : c_(c), scale_(scale), value_(value), out_(out) {}

    void run(const Tile& tile) const {
        const TileOrder& order = *tile.order;
        const int depth = order.depth;
        T* plane = static_cast<T*>(out_.samples.data) + (tile.plane - c_.box.planes[0]) * out_.plane;
        const uint64_t* mask = c_.mask.get() + tile.base * depth;
        for (int cell = 0; cell < order.cells(); ++cell, mask += depth) {
            uint64_t any = 0;
            for (int k = 0; k < depth; ++k) any |= mask[k];
            if (any == 0) continue;
            const int64_t at[3] = {(tile.cell[0] + cell / (order.ax * order.ay)) * depth, (tile.cell[1] + cell / order.ax % order.ay) * 8,
                                   (tile.cell[2] + cell % order.ax) * 8};
            if (scale_ == 1) whole(mask, at, plane);
            else reduced(mask, at, plane);
        }
    }

private:
    // A sample of the scaled plane.
    void put(int64_t z, int64_t y, int64_t x, T* plane) const {
        const Window& w = out_.window;
        const int64_t at[3] = {z - w.origin[0], y - w.origin[1], x - w.origin[2]};
        for (int a = 0; a < 3; ++a)
            if (at[a] < 0 || at[a] >= w.shape[a]) return;
        plane[at[0] * out_.slice + at[1] * out_.row + at[2]] = value_;
    }

    // How many of `count` samples from `from` on lie inside the plane.
    int inside(int axis, int64_t from, int count) const {
        return static_cast<int>(std::clamp<int64_t>(c_.geometry.shape[axis] - from, 0, count));
    }

    void whole(const uint64_t* mask, const int64_t* at, T* plane) const {
        const int nz = inside(0, at[0], c_.geometry.depth), ny = inside(1, at[1], 8), nx = inside(2, at[2], 8);
        for (int k = 0; k < nz; ++k)
            for (int j = 0; j < ny; ++j) {
                const uint64_t bits = mask[k] >> (8 * j) & 255;
                if (bits == 0) continue;
                for (int i = 0; i < nx; ++i)
                    if ((bits >> i & 1) != 0) put(at[0] + k, at[1] + j, at[2] + i, plane);
            }
    }

    void reduced(const uint64_t* mask, const int64_t* at, T* plane) const {
        const int depth = c_.geometry.depth, sz = depth == 8 ? scale_ : 1;
        const int64_t to[3] = {at[0] / sz, at[1] / scale_, at[2] / scale_};
        for (int k = 0; k < depth; k += sz)
            for (int j = 0; j < 8; j += scale_)
                for (int i = 0; i < 8; i += scale_) {
                    const int nz = inside(0, at[0] + k, sz), ny = inside(1, at[1] + j, scale_), nx = inside(2, at[2] + i, scale_);
                    if (nz * ny * nx == 0) continue;
                    int masked = 0;
                    for (int z = k; z < k + nz; ++z) masked += ones(mask[z] >> (8 * j + i) & corner(ny, nx));
                    if (2 * masked >= nz * ny * nx) put(to[0] + k / sz, to[1] + j / scale_, to[2] + i / scale_, plane);
                }
    }

    const Coefficients& c_;
    int scale_;
    T value_;
    const Output& out_;
};

}  // namespace

void restore_padding(const Coefficients& c, int scale, int32_t value, const Output& out, int threads) {
    with_typed(out.samples, [&](auto* samples) {
        const Restorer restorer(c, scale, static_cast<std::remove_pointer_t<decltype(samples)>>(value), out);
        parallel_for(static_cast<int64_t>(c.tiles.size()), threads, [&](int64_t i, int) { restorer.run(c.tiles[i]); });
    });
}

}  // namespace mmip
