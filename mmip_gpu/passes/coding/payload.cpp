// See payload.h.
#include "passes/coding/payload.h"

#include <algorithm>
#include <string>

#include "passes/coding/codebook.h"
#include "passes/coding/crc.h"
#include "passes/layout.h"
#include "passes/parallel.h"

namespace mmip {
namespace {

uint32_t read_u32(const uint8_t* at) {
    return at[0] | at[1] << 8 | at[2] << 16 | static_cast<uint32_t>(at[3]) << 24;
}

void append_u32(std::string& out, uint32_t v) {
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(v >> (8 * i)));
}

}  // namespace

uint64_t PayloadIndex::group_bytes(int64_t group) const {
    const int64_t end = std::min<int64_t>((group + 1) * kGroupSubstreams, static_cast<int64_t>(offsets.size()) - 1);
    return offsets[end] - offsets[group * kGroupSubstreams];
}

void PayloadIndex::check_group(int64_t group) const {
    if (check_crc && crc32c(substream(group * kGroupSubstreams), group_bytes(group)) != read_u32(group_crcs + 4 * group))
        throw DataError(kStatusSymbol, "group " + std::to_string(group) + ": crc differs");
}

void StagePayload::check_group(int64_t group) const {
    try {
        PayloadIndex::check_group(group);
    } catch (const DataError& e) {
        throw DataError(e.status, "stage " + std::to_string(stage) + ", " + e.what());
    }
}

// The weights and codes at the start of a head; returns the bytes they take.
static uint32_t read_head_codes(StagePayload& p, const std::vector<CodeFamily>& families) {
    BitReader bits(p.bytes + 4, p.head_bytes - 4);
    if (p.stage == 1 && bits.take(1) != 0)
        for (int8_t& weight : p.dc_weights.of) {
            bits.refill();
            weight = static_cast<int8_t>(bits.take(8));
        }
    p.prediction = p.stage == 2 && bits.peek(kPredictionMarkBits) == kPredictionMark;
    if (p.prediction) {
        bits.skip(kPredictionMarkBits);
        p.tables.push_back(read_codes(prediction_family(), bits));
    }
    for (const CodeFamily& f : families) p.tables.push_back(read_codes(f, bits));
    if (bits.overrun()) throw DataError(kStatusTruncated, "payload head ends inside its codes");
    if (!bits.padding_is_zero()) throw DataError(kStatusTrailing, "padding after the codes is not zero");
    return static_cast<uint32_t>((bits.position + 7) / 8);
}

// Where the sub-streams begin, from their sizes at byte `at` of the head.
static void read_index(PayloadIndex& p, uint64_t at, int64_t substreams) {
    if (at >= p.head_bytes) throw DataError(kStatusTruncated, "payload head without an index");
    const int index_bits = p.bytes[at];
    if (index_bits > 32) throw DataError(kStatusSymbol, "index_bits above 32");
    const uint64_t index_bytes = (static_cast<uint64_t>(substreams) * index_bits + 7) / 8;
    const uint64_t groups = (static_cast<uint64_t>(substreams) + kGroupSubstreams - 1) / kGroupSubstreams;
    if (at + 1 + index_bytes + 4 * groups + 4 != p.head_bytes) throw DataError(kStatusSymbol, "sizes in the payload head do not add up");
    BitReader index(p.bytes + at + 1, index_bytes);
    p.offsets.reserve(substreams + 1);
    uint64_t offset = p.head_bytes;
    for (int64_t i = 0; i < substreams; ++i) {
        p.offsets.push_back(offset);
        index.refill();
        offset += uint64_t{1} + index.take(index_bits);
    }
    p.offsets.push_back(offset);
    if (!index.padding_is_zero()) throw DataError(kStatusTrailing, "padding after the index is not zero");
    p.group_crcs = p.bytes + at + 1 + index_bytes;
}

// `given`: how many bytes of the head are at hand.
static void begin_head(PayloadIndex& p, const uint8_t* payload, uint64_t given, std::optional<uint64_t> size, int64_t substreams, bool check_crc) {
    if (given < 10) throw DataError(kStatusTruncated, "payload shorter than its smallest head");
    p.bytes = payload;
    p.check_crc = check_crc;
    p.head_bytes = read_u32(payload);
    if (p.head_bytes < 10) throw DataError(kStatusSymbol, "payload head of fewer than 10 bytes");
    if (p.head_bytes > given) throw DataError(kStatusTruncated, "payload ends inside its head");
    if (size && static_cast<uint64_t>(substreams) > *size) throw DataError(kStatusTruncated, "fewer payload bytes than sub-streams");
    if (check_crc && crc32c(payload, p.head_bytes - 4) != read_u32(payload + p.head_bytes - 4))
        throw DataError(kStatusSymbol, "crc of the payload head differs");
}

static void end_head(PayloadIndex& p, uint64_t at, std::optional<uint64_t> size, int64_t substreams) {
    read_index(p, at, substreams);
    if (size && p.offsets.back() > *size) throw DataError(kStatusTruncated, "payload ends before its last sub-stream");
    if (size && p.offsets.back() < *size) throw DataError(kStatusTrailing, "bytes after the last sub-stream");
}

static StagePayload read_head(const uint8_t* payload, uint64_t given, std::optional<uint64_t> size, int64_t substreams, int stage, const std::vector<CodeFamily>& families, bool check_crc) {
    StagePayload p;
    p.stage = stage;
    begin_head(p, payload, given, size, substreams, check_crc);
    p.code_bytes = read_head_codes(p, families);
    end_head(p, 4 + uint64_t{p.code_bytes}, size, substreams);
    return p;
}

StagePayload read_payload(const uint8_t* payload, uint64_t size, int64_t substreams, int stage, const std::vector<CodeFamily>& families, bool check_crc) {
    return read_head(payload, size, size, substreams, stage, families, check_crc);
}

StagePayload read_payload_head(const uint8_t* head, uint64_t given, std::optional<uint64_t> size, int64_t substreams, int stage, bool dc_image, bool check_crc) {
    if (size && *size < given) throw DataError(kStatusTruncated, "payload shorter than its smallest head");
    return read_head(head, given, size, substreams, stage, stage == 0 ? std::vector<CodeFamily>{correction_family()} : stage_families(stage, dc_image), check_crc);
}

ParameterPayload read_parameter_payload(const uint8_t* payload, uint64_t given, std::optional<uint64_t> size, int64_t substreams, bool check_crc) {
    ParameterPayload p;
    begin_head(p, payload, given, size, substreams, check_crc);
    if (p.head_bytes < 14) throw DataError(kStatusSymbol, "payload head without parameters");
    p.parameter_bytes = read_u32(payload + 4);
    p.parameters = payload + 8;
    end_head(p, 8 + uint64_t{p.parameter_bytes}, size, substreams);
    return p;
}

std::string payload_head(const std::vector<uint8_t>& codes, const std::vector<uint32_t>& sizes, const std::vector<uint32_t>& group_crcs) {
    uint32_t largest = 1;
    for (const uint32_t size : sizes) largest = std::max(largest, size);
    const int index_bits = bit_length(largest - 1);
    BitString index;
    for (const uint32_t size : sizes) index.put(size - 1, index_bits);
    const std::vector<uint8_t>& index_bytes = index.finish();
    std::string out;
    append_u32(out, static_cast<uint32_t>(4 + codes.size() + 1 + index_bytes.size() + 4 * group_crcs.size() + 4));
    out.append(codes.begin(), codes.end());
    out.push_back(static_cast<char>(index_bits));
    out.append(index_bytes.begin(), index_bytes.end());
    for (const uint32_t crc : group_crcs) append_u32(out, crc);
    append_u32(out, crc32c(reinterpret_cast<const uint8_t*>(out.data()), out.size()));
    return out;
}

static std::vector<StreamBytes> as_bytes(const std::vector<std::vector<uint8_t>>& streams) {
    std::vector<StreamBytes> found;
    for (const auto& s : streams) found.push_back({s.data(), static_cast<uint32_t>(s.size())});
    return found;
}

static PayloadMemory memory_of(std::string& payload) {
    return [&payload](size_t size) {
        payload.resize(size);
        return reinterpret_cast<uint8_t*>(payload.data());
    };
}

static void assemble(const std::vector<uint8_t>& codes, const std::vector<StreamBytes>& streams, int threads, const PayloadMemory& memory) {
    std::vector<uint32_t> sizes;
    for (const StreamBytes& s : streams) sizes.push_back(s.size);
    std::vector<uint32_t> crcs((streams.size() + kGroupSubstreams - 1) / kGroupSubstreams);
    std::vector<size_t> group_starts(1, payload_head(codes, sizes, crcs).size());   // its length; again below, with the crcs
    for (size_t i = 0; i < streams.size(); ++i) {
        if (i % kGroupSubstreams == 0) group_starts.push_back(group_starts.back());
        group_starts.back() += streams[i].size;
    }
    uint8_t* out = memory(group_starts.back());
    parallel_for(static_cast<int64_t>(crcs.size()), threads, [&](int64_t g, int) {
        size_t to = group_starts[g];
        const size_t first = static_cast<size_t>(g) * kGroupSubstreams;
        for (size_t i = first; i < std::min(streams.size(), first + kGroupSubstreams); to += streams[i++].size)
            std::copy_n(streams[i].data, streams[i].size, out + to);
        crcs[g] = crc32c(out + group_starts[g], to - group_starts[g]);
    });
    const std::string head = payload_head(codes, sizes, crcs);
    std::copy(head.begin(), head.end(), out);
}

std::string assemble_payload(const std::vector<uint8_t>& codes, const std::vector<std::vector<uint8_t>>& streams, int threads) {
    std::string payload;
    assemble(codes, as_bytes(streams), threads, memory_of(payload));
    return payload;
}

void assemble_parameter_payload(const std::vector<uint8_t>& parameters, const std::vector<StreamBytes>& streams, int threads, const PayloadMemory& memory) {
    std::vector<uint8_t> codes;
    for (int i = 0; i < 4; ++i) codes.push_back(static_cast<uint8_t>(parameters.size() >> (8 * i)));
    codes.insert(codes.end(), parameters.begin(), parameters.end());
    assemble(codes, streams, threads, memory);
}

std::string assemble_parameter_payload(const std::vector<uint8_t>& parameters, const std::vector<std::vector<uint8_t>>& streams, int threads) {
    std::string payload;
    assemble_parameter_payload(parameters, as_bytes(streams), threads, memory_of(payload));
    return payload;
}

}  // namespace mmip
