// The head of a payload: codes or parameters, and where every sub-stream and every group stands.
// Values: payload bytes in; StagePayload or ParameterPayload; and back. Home: host. Implements FORMAT.md section 6.
// Readers throw DataError for any defect; they never read outside the bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "rules/dc/dc.h"
#include "passes/coding/decoding_tables.h"

namespace mmip {

// Where the sub-streams of a payload stand.
struct PayloadIndex {
    const uint8_t* bytes = nullptr;
    uint32_t head_bytes = 0;
    bool check_crc = true;
    std::vector<uint64_t> offsets;                   // of each sub-stream from the payload's start; one more at the end
    const uint8_t* group_crcs = nullptr;

    const uint8_t* substream(int64_t i) const { return bytes + offsets[i]; }
    uint64_t substream_bytes(int64_t i) const { return offsets[i + 1] - offsets[i]; }
    int64_t groups() const { return (static_cast<int64_t>(offsets.size()) - 1 + kGroupSubstreams - 1) / kGroupSubstreams; }
    uint64_t group_bytes(int64_t group) const;

    // Throws where the crc of the group's bytes differs, if crcs are checked at all.
    void check_group(int64_t group) const;
};

// Of kind 1, whose head begins with codes.
struct StagePayload : PayloadIndex {
    int stage = 0;
    bool prediction = false;                         // whether blocks may have one; then its family comes first
    uint32_t code_bytes = 0;                         // of the codes, which follow the first four bytes
    DcWeights dc_weights = builtin_dc_weights();     // of stage 1
    std::vector<DecodingTables> tables;              // per code family of the stage

    void check_group(int64_t group) const;
};

// Of kinds from 2 on, whose head begins with parameters of the kind.
struct ParameterPayload : PayloadIndex {
    const uint8_t* parameters = nullptr;
    uint32_t parameter_bytes = 0;
};

// `families`: the code families of the stage; the corrections are the stage after the last one.
StagePayload read_payload(const uint8_t* payload, uint64_t size, int64_t substreams, int stage, const std::vector<CodeFamily>& families, bool check_crc);

// The same where only the first `given` of `size` bytes are at hand; without `size` any is right. Stage 0: corrections.
StagePayload read_payload_head(const uint8_t* head, uint64_t given, std::optional<uint64_t> size, int64_t substreams, int stage, bool dc_image, bool check_crc);

// The first `given` of `size` bytes are at hand; without `size` any is right.
ParameterPayload read_parameter_payload(const uint8_t* payload, uint64_t given, std::optional<uint64_t> size, int64_t substreams, bool check_crc);

// Head of a payload, section 6: the bits of its codes, the index of the sub-streams' sizes, the crcs of their groups.
std::string payload_head(const std::vector<uint8_t>& codes, const std::vector<uint32_t>& sizes, const std::vector<uint32_t>& group_crcs);

// A sub-stream in the caller's memory.
struct StreamBytes {
    const uint8_t* data;
    uint32_t size;
};

// Memory for a payload of so many bytes.
using PayloadMemory = std::function<uint8_t*(size_t)>;

// Payload of a stage: its head and the sub-streams of all tiles.
std::string assemble_payload(const std::vector<uint8_t>& codes, const std::vector<std::vector<uint8_t>>& streams, int threads);

// Payload of a kind from 2 on.
void assemble_parameter_payload(const std::vector<uint8_t>& parameters, const std::vector<StreamBytes>& streams, int threads, const PayloadMemory& memory);
std::string assemble_parameter_payload(const std::vector<uint8_t>& parameters, const std::vector<std::vector<uint8_t>>& streams, int threads);

}  // namespace mmip
