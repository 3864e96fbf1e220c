// Entropy decoding of one stage: payload bytes in, coefficients of the tiles of a box out.
// Values: bytes; Coefficients. Home: host; one item of work = one sub-stream. Implements FORMAT.md sections 6 and 8.
// Reads only the head and the sub-stream groups that the box touches. Throws DataError for any defect; never reads outside the bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "passes/layout.h"
#include "passes/coding/payload.h"

namespace mmip {

struct UnpackOptions {
    std::vector<std::vector<uint32_t>> steps;   // classes x components in 1/256
    std::vector<uint8_t> reversible;            // per class; empty: a stage on its own, modes are not compared with anything
    bool check_crc = true;
    int threads = 1;
};

// The nonzero AC indices of one tile, stage after stage, and what unpacking needs beside them; used for one tile after the other.
class TileTokens {
public:
    explicit TileTokens(const Coefficients& coefficients);

    // Makes it empty, for a tile of the coefficients.
    void start(const Coefficients& coefficients, int64_t tile);

    // Of the stages so far: stage 2, then stage 3, .., each by cell in coding order.
    const TokenSpan* spans() const { return spans_.data(); }
    const TokenSpan* image_spans() const { return image_->spans(); }

private:
    friend class TileUnpacker;
    std::unique_ptr<Token[]> tokens_;
    Token* end_ = nullptr;
    int cells_ = 0;
    std::vector<TokenSpan> spans_;
    std::vector<uint32_t> density_;
    std::vector<uint8_t> predictions_;       // raster order
    std::vector<uint8_t> magnitudes_;
    std::unique_ptr<TileTokens> image_;      // of the DC image
};

// Decodes the sub-streams of tiles; one for all tiles and stages of a box.
class TileUnpacker {
public:
    TileUnpacker(Coefficients& coefficients, const UnpackOptions& options);

    // Tiles [first, first + count), at most two: stage 1 into dc and classes, or into the DC image; stage 2 and later into
    // modes and `tokens` (one per tile).
    void unpack(const StagePayload& payload, int64_t first, int count, TileTokens* tokens) const;

private:
    void unpack_first(const StagePayload& payload, int64_t first, int count, TileTokens* tokens) const;
    UnpackJob tile_job(const StagePayload& payload, int stage, const Tile& tile, uint64_t first_bit) const;   // all but codes and scratch
    void unpack_tokens(const StagePayload& payload, int stage, int64_t first, int count, TileTokens* const* tokens, const uint64_t* first_bits) const;

    Coefficients& c_;
    const UnpackOptions& options_;
    TokenBlock blocks_[kModeCount] = {};
    UnpackOptions image_options_;
    std::unique_ptr<TileUnpacker> image_;    // of the DC image
};

// What a Status says of a sub-stream.
const char* status_text(int status);

// Throws what a tile's sub-stream was refused for.
[[noreturn]] void refuse(int status, int stage, const Tile& tile);

// Throws where stage 2 has predictions and the coefficients have no room for them, or the other way round.
void expect_prediction(const Coefficients& coefficients, const StagePayload& payload);

// The tiles of the box, cut where a group of sub-streams ends, of whatever size: [i], [i + 1] enclose the i-th run of tiles.
std::vector<int64_t> tile_groups(const Coefficients& coefficients);

// Throws where the crc of a group with the sub-streams of tiles [first, end), such a run, differs.
void check_groups(const Coefficients& coefficients, int64_t first, int64_t end, const StagePayload& payload);

// Payload bytes that a decode of the box reads.
uint64_t bytes_read(const Coefficients& coefficients, const StagePayload& payload);

// One stage into dc, classes, modes and ac of the Coefficients, in ascending order of the stages. Returns how many payload bytes
// were read.
uint64_t unpack_stage(Coefficients& coefficients, int stage, const uint8_t* payload, uint64_t size, const UnpackOptions& options);

}  // namespace mmip
