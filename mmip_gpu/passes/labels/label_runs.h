// Rows of samples as runs, whose labels are numbered in the order in which a tile first shows them.
// Values: samples of a tile in; LabelRun lists by row, and the values that the numbers stand for, out. Home: host.
#pragma once

#include <cstring>
#include <vector>

#include "passes/labels/label_grid.h"
#include "rules/labels/label_row.h"

namespace mmip {

// Numbers of values, in the order in which they are first asked for.
template <class T>
class LabelNumbers {
public:
    explicit LabelNumbers(std::vector<T>& values) : values_(values), places_(64, kNoLabel) {}

    uint32_t of(T value) {
        if (last_ != kNoLabel && value == values_[last_]) return last_;
        std::swap(last_, earlier_);                          // labels take turns with what lies between them
        if (last_ != kNoLabel && value == values_[last_]) return last_;
        return last_ = found(value);
    }

private:
    size_t place(T value) const {
        size_t at = (static_cast<uint64_t>(value) * 0x9E3779B97F4A7C15u >> 32) & (places_.size() - 1);
        while (places_[at] != kNoLabel && values_[places_[at]] != value) at = (at + 1) & (places_.size() - 1);
        return at;
    }

    uint32_t found(T value) {
        const size_t at = place(value);
        if (places_[at] != kNoLabel) return places_[at];
        const uint32_t number = static_cast<uint32_t>(values_.size());
        values_.push_back(value);
        if (2 * values_.size() <= places_.size()) return places_[at] = number;
        places_.assign(2 * places_.size(), kNoLabel);
        for (uint32_t i = 0; i <= number; ++i) places_[place(values_[i])] = i;
        return number;
    }

    std::vector<T>& values_;
    std::vector<uint32_t> places_;                           // a table of hashes; at most half full
    uint32_t last_ = kNoLabel, earlier_ = kNoLabel;
};

// Calls begins(x) for each x >= 1 at which a sample differs from the one before it, ascending.
template <class T, class Begins>
void for_each_begin(const T* row, int width, const Begins& begins) {
    constexpr int n = 8 / sizeof(T);                         // samples of a word
    int x = 1;
    for (; x + n <= width; x += n) {
        uint64_t a, b;
        std::memcpy(&a, row + x - 1, 8);
        std::memcpy(&b, row + x, 8);
        if (a == b) continue;
        for (int i = 0; i < n; ++i)
            if (row[x + i] != row[x + i - 1]) begins(x + i);
    }
    for (; x < width; ++x)
        if (row[x] != row[x - 1]) begins(x);
}

// The runs of a tile, row after row.
struct LabelRuns {
    std::vector<LabelRun> runs;
    std::vector<int64_t> starts;                             // of each row among them, and one past the last

    void forget_runs() {
        std::vector<LabelRun>().swap(runs);
        std::vector<int64_t>().swap(starts);
    }
};

template <class T>
struct TileRuns : LabelRuns {
    std::vector<T> values;                                   // of the numbers

    void read(const T* samples, const LabelGrid& grid, const LabelTile& tile) {
        runs.clear();
        starts.clear();
        values.clear();
        LabelNumbers<T> numbers(values);
        const int64_t height = grid.shape[1], length = grid.shape[2];
        for (int64_t i = 0; i < tile.rows(); ++i) {
            const int64_t z = tile.plane * grid.shape[0] + tile.start[0] + i / tile.size[1], y = tile.start[1] + i % tile.size[1];
            const T* row = samples + (z * height + y) * length + tile.start[2];
            starts.push_back(static_cast<int64_t>(runs.size()));
            runs.push_back({0, numbers.of(row[0]), 0, 0});
            for_each_begin(row, tile.size[2], [&](int x) { runs.push_back({x, numbers.of(row[x]), 0, 0}); });
        }
        starts.push_back(static_cast<int64_t>(runs.size()));
    }
};

}  // namespace mmip
