// See code_lengths.h.
#include "passes/coding/code_lengths.h"

#include <algorithm>
#include <stdexcept>

namespace mmip {
namespace {

// Replaces n > 1 ascending weights by the depths of the leaves of their Huffman tree (Moffat and Katajainen 1995); returns the
// largest. Of equal weights a leaf goes first, as in package_merge: both so find the one optimal code that breaks ties by the
// sum of the lengths and then by the order of the symbols, as if weights were (weight, 1, a small number that grows).
uint64_t huffman_depths(uint64_t* a, int n) {
    a[0] += a[1];
    int root = 0, leaf = 2;
    for (int next = 1; next < n - 1; ++next) {
        const auto take = [&] {
            if (leaf < n && (root >= next || a[leaf] <= a[root])) return a[leaf++];
            const uint64_t package = a[root];
            a[root++] = static_cast<uint64_t>(next);   // its parent
            return package;
        };
        const uint64_t first = take();
        a[next] = first + take();
    }
    a[n - 2] = 0;
    for (int next = n - 3; next >= 0; --next) a[next] = a[a[next]] + 1;
    int next = n - 1;
    root = n - 2;
    uint64_t depth = 0;
    for (int free = 1; free > 0; ++depth) {
        int inner = 0;
        for (; root >= 0 && a[root] == depth; --root) ++inner;
        for (; free > inner; --free) a[next--] = depth;
        free = 2 * inner;
    }
    return a[0];
}

// Lengths of at most `limit` bits of an optimal code over n > 1 ascending weights.
void package_merge(const uint64_t* weights, size_t n, int limit, uint8_t* lengths) {
    // A level holds the leaves and the packages of two items of the level below, by weight. Leaves come in their own order, so
    // what a level takes is told by how many leaves are among its first items.
    std::vector<uint64_t> leaves(weights, weights + n), packages, items(2 * n);
    leaves.push_back(~uint64_t{0});
    std::vector<uint32_t> leaves_before(limit * (2 * n + 1));
    for (int level = 0; level < limit; ++level) {
        packages.push_back(~uint64_t{0});
        uint32_t* before = leaves_before.data() + level * (2 * n + 1);
        const size_t many = n + packages.size() - 1;
        size_t a = 0, b = 0;
        for (size_t i = 0; i < many; ++i) {
            before[i] = static_cast<uint32_t>(a);
            const uint64_t leaf = leaves[a], package = packages[b];
            const bool first = leaf <= package && a < n;
            items[i] = first ? leaf : package;
            a += first;
            b += !first;
        }
        before[many] = static_cast<uint32_t>(a);
        packages.clear();
        for (size_t i = 0; i + 1 < many; i += 2) packages.push_back(items[i] + items[i + 1]);
    }
    std::fill_n(lengths, n, uint8_t{0});
    size_t take = 2 * n - 2;
    for (int level = limit - 1; level >= 0; --level) {
        const size_t taken = leaves_before[level * (2 * n + 1) + take];
        for (size_t i = 0; i < taken; ++i) ++lengths[i];
        take = 2 * (take - taken);
    }
}

}  // namespace

void lengths_of_weights(const uint64_t* weights, int n, int limit, uint64_t* scratch, uint8_t* lengths) {
    if (n == 1) {
        lengths[0] = 1;
        return;
    }
    std::copy_n(weights, n, scratch);
    if (huffman_depths(scratch, n) > static_cast<uint64_t>(limit)) package_merge(weights, static_cast<size_t>(n), limit, lengths);
    else std::transform(scratch, scratch + n, lengths, [](uint64_t depth) { return static_cast<uint8_t>(depth); });
}

std::vector<uint8_t> code_lengths(const std::vector<uint64_t>& counts, int limit) {
    std::vector<uint8_t> lengths(counts.size(), 0);
    std::vector<size_t> symbols;
    for (size_t s = 0; s < counts.size(); ++s)
        if (counts[s] > 0) symbols.push_back(s);
    if (symbols.empty()) return lengths;
    if (symbols.size() > size_t{1} << limit) throw std::invalid_argument("more symbols than codewords of this length");
    std::stable_sort(symbols.begin(), symbols.end(), [&](size_t a, size_t b) { return counts[a] < counts[b]; });
    std::vector<uint64_t> weights(symbols.size()), scratch(symbols.size());
    std::transform(symbols.begin(), symbols.end(), weights.begin(), [&](size_t s) { return counts[s]; });
    std::vector<uint8_t> found(symbols.size());
    lengths_of_weights(weights.data(), static_cast<int>(weights.size()), limit, scratch.data(), found.data());
    for (size_t i = 0; i < symbols.size(); ++i) lengths[symbols[i]] = found[i];
    return lengths;
}

}  // namespace mmip
