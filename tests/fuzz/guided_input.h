// What all targets of libFuzzer draw from its bytes: numbers, samples, and damage to the parameters and sub-streams of a payload.
// Values: bytes in; a payload in parts, and joined again so that its head, index and crcs fit (FORMAT.md section 6).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "passes/coding/payload.h"
#include "passes/kernels.h"
#include "passes/layout.h"

namespace mmip {

using Bytes = std::vector<uint8_t>;

[[noreturn]] inline void differ(const char* what) {
    fprintf(stderr, "DIFFERENCE: %s\n", what);
    abort();
}

// What is drawn, byte by byte; zeros after the end.
struct Input {
    const uint8_t* bytes;
    size_t size;

    uint8_t u8() {
        if (size == 0) return 0;
        --size;
        return *bytes++;
    }
    uint32_t u16() {
        const uint32_t low = u8();
        return low | u8() << 8;
    }
    uint32_t u24() {
        const uint32_t low = u16();
        return low | u8() << 16;
    }
    uint64_t u64() {
        uint64_t value = 0;
        for (int i = 0; i < 8; ++i) value = value << 8 | u8();
        return value;
    }
    int point() { return static_cast<int8_t>(u8()) % 33; }
    Bytes take(size_t count) {
        count = std::min(count, size);
        Bytes taken(bytes, bytes + count);
        bytes += count, size -= count;
        return taken;
    }
};

// A payload of the kinds from 2 on.
struct Parts {
    Bytes parameters;
    std::vector<Bytes> streams;

    Parts() = default;
    Parts(const std::string& payload, int64_t substreams) {
        const ParameterPayload read = read_parameter_payload(reinterpret_cast<const uint8_t*>(payload.data()), payload.size(), payload.size(), substreams, true);
        parameters.assign(read.parameters, read.parameters + read.parameter_bytes);
        for (int64_t i = 0; i < substreams; ++i) streams.emplace_back(read.substream(i), read.substream(i) + read.substream_bytes(i));
    }
};

// In a block of exactly its size, so that reading past it is seen.
struct Payload {
    size_t size;
    std::unique_ptr<uint8_t[]> bytes;

    explicit Payload(const std::string& of) : size(of.size()), bytes(new uint8_t[of.size()]) { memcpy(bytes.get(), of.data(), size); }
    explicit Payload(const Parts& of) : Payload(assemble_parameter_payload(of.parameters, of.streams, 1)) {}
};

inline void damage(Input& in, Bytes& bytes) {
    const size_t at = bytes.empty() ? 0 : in.u16() % bytes.size();
    const uint8_t action = in.u8(), value = in.u8();
    const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (bytes.empty() ? 4 : action % 6) {
        case 0: *place ^= static_cast<uint8_t>(1 << value % 8); break;
        case 1: *place = value; break;
        case 2: bytes.erase(place); break;
        case 3: bytes.resize(at); break;
        case 4: bytes.insert(place, value); break;
        default: bytes.insert(bytes.end(), value % 9, value);
    }
}

// Now and then of the parameters, else of a sub-stream, which keeps a byte.
inline void damage(Input& in, Parts& parts) {
    const uint8_t which = in.u8();
    if (which % 3 == 0 || parts.streams.empty()) return damage(in, parts.parameters);
    Bytes& stream = parts.streams[which / 3 % parts.streams.size()];
    damage(in, stream);
    if (stream.empty()) stream.push_back(0);
}

// Samples of so many bytes each: noise, few values, ramps, rows that repeat, by one way of drawing for all of them.
inline Bytes draw_samples(Input& in, size_t count, int width, int64_t row) {
    Bytes out(count * static_cast<size_t>(width));
    const uint8_t way = in.u8(), step = in.u8(), kinds = static_cast<uint8_t>(1 + in.u8() % 16);
    const Bytes drawn = in.take(in.size);
    uint64_t value = 0;
    for (size_t i = 0; i < count; ++i) {
        const uint32_t next = drawn.empty() ? 0 : drawn[i % drawn.size()];
        switch (way % 4) {
            case 0: value = next % kinds * step; break;
            case 1: value += next % kinds * step - kinds / 2u * step; break;
            case 2: value = next * 0x01010101u ^ static_cast<uint32_t>(i * step); break;
            default: value = next > 240 ? next * 40503u : static_cast<uint32_t>(i) / 7 * step;
        }
        const bool repeats = way & 16 && next > 200 && i >= static_cast<size_t>(row);
        memcpy(&out[i * width], repeats ? &out[(i - row) * width] : reinterpret_cast<const uint8_t*>(&value), width);
    }
    return out;
}

}  // namespace mmip
