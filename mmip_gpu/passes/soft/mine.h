// Mines a codebook from training images, in rounds over all of them: survey, count, mine, use.
// Values: samples (planes, Z, Y, X) of one image after another in; a codebook out. Home: host. Encoder's own: FORMAT.md section 8.11
// says what a codebook may be. Counts are sums, so that the order of the images does not matter; memory does not grow with them.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "passes/soft/tiles.h"

namespace mmip {

class SoftMiner {
public:
    // A shape is kept that is found more than `degree` times an image.
    SoftMiner(int depth, bool is_signed, bool colour, int components, double degree);

    void survey(const Samples& samples, const SoftGrid& grid);   // residuals of every image
    void choose_layers();
    void count(const Samples& samples, const SoftGrid& grid);    // the lower layers, and how many shapes there may be
    void mine(const Samples& samples, const SoftGrid& grid);     // shapes that may be frequent
    void choose_shapes();
    void use(const Samples& samples, const SoftGrid& grid);      // shapes as an encoder places them
    void choose_codes();

    const SoftCodebook& book() const { return book_; }

private:
    struct Hash {
        size_t operator()(const SoftShape& s) const { return shape_hash(s); }
    };
    struct Counts {
        std::vector<uint64_t> residuals, pairs, details, uses;
        std::vector<uint32_t> sketch;                            // by hash: no shape is more frequent than its entry
        std::unordered_map<SoftShape, uint64_t, Hash> shapes;
        std::vector<uint64_t> kept;                              // of the shapes of the codebook
    };

    template <class Visit>
    void each_tile(const Samples& samples, const SoftGrid& grid, const Visit& visit);
    bool is_frequent(uint64_t count) const { return static_cast<double>(count) > degree_ * static_cast<double>(images_); }

    SoftCodebook book_;
    double degree_;
    int64_t images_ = 0;
    std::vector<Counts> counts_;
};

}  // namespace mmip
