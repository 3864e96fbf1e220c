// Entropy decoding of one stage: payload bytes in, coefficients of the tiles of a box out.
// Values: bytes; Coefficients. Home: host; one item of work = one sub-stream. Implements FORMAT.md sections 6 and 8.
// Reads only the head and the sub-stream groups that the box touches. Throws DataError for any defect; never reads outside the bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codebook.h"
#include "layout.h"

namespace mmip {

struct UnpackOptions {
    std::vector<std::vector<uint32_t>> steps;   // classes x components in 1/256
    std::vector<uint8_t> reversible;            // per class; empty: a stage on its own, modes are not compared with anything
    bool check_crc = true;
    int threads = 1;
};

// Stages are decoded in ascending order into the same Coefficients. Returns how many payload bytes were read.
uint64_t unpack_stage(Coefficients& coefficients, int stage, const uint8_t* payload, uint64_t size, const UnpackOptions& options);

// Payload bytes that unpack_stage would read for the tiles of these coefficients' box.
uint64_t stage_extent(const Coefficients& coefficients, int stage, const uint8_t* payload, uint64_t size);

// The head of a payload, section 6: codes, and where every sub-stream and group stands.
struct PayloadHead {
    uint32_t bytes = 0;
    std::vector<DecodingTables> tables;          // one per family
    std::vector<uint64_t> offsets;               // of each sub-stream from the payload's start; one more at the end
    const uint8_t* group_crcs = nullptr;
};

// Throws DataError for a head that is not that of `substreams` sub-streams in `size` bytes.
PayloadHead read_head(const uint8_t* payload, uint64_t size, int64_t substreams, const std::vector<CodeFamily>& families, bool check_crc);

// Bytes of the head and of the groups that the tiles of the box touch; throws where one's crc differs (`what` names the stage).
uint64_t touched_bytes(const Coefficients& coefficients, const PayloadHead& head, const uint8_t* payload, bool check_crc,
                       const std::string& what);

const char* status_text(Status status);

}  // namespace mmip
