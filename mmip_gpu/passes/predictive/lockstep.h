// The kernels of the predictive codec. Decoding takes several bricks in step, one a lane; encoding several samples of a row.
// Values: arrays of lanes: element i of `lanes` numbers is sample i of every brick. Home: host. FORMAT.md sections 8.6 and 8.7.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mmip {

constexpr int kMaxLanes = 16;
constexpr int kMaxComponents = 3;

// Rows and slices of a brick in elements of all lanes; there is one of room before and after the samples of each row.
struct LaneStrides {
    int64_t row, slice;
};

// Sub-streams of one tile of every brick.
struct ReadTileJob {
    const uint8_t* bytes;                    // of all lanes, and of all tiles that are read side by side; at least kReadPastEnd of room after the last one
    const int32_t* first_bits;               // of each lane
    int32_t *end_bits, *runs;                // out: where each lane stopped, and what is left of a run
    const uint32_t* tables;
    int extent[3];
    LaneStrides strides;
    const int32_t* earlier[2];               // residuals of earlier components that contexts see, or nullptr
    int context;                             // see context_form
    int32_t* magnitudes;                     // scratch: 4 (y + 1) (x + 2) elements
    int32_t* twins;                          // scratch: for two tiles side by side twice their elements, and those of earlier components
    int32_t* out;                            // residuals
};

// Residuals of slices [from, to) plus their prediction from those of earlier components: (a w_a + b w_b + 32) >> 6.
struct CrossJob {
    int32_t* residuals;
    const int32_t* earlier[2];
    int weights[2], bits;
    int from, to, height, width;
    LaneStrides strides;
};

// Residuals of slices [from, to) to samples.
struct RestoreJob {
    int32_t* brick;
    LaneStrides strides;
    int from, to, height, width, bits;
    const int32_t *first, *later;            // weights, kNeighbours2d and kNeighbours3d of all lanes
    const int32_t *bound_ne, *bound_p;
    bool with_previous;
};

// Components of slices [from, to) to values: R, G, B in this order of a colour transform; see ColourForm.
struct ColourJob {
    int32_t* components[kMaxComponents];
    int form, bits;                          // of the values
    int from, to, height, width;
    LaneStrides strides;
};

// Values of a channel to samples: step v + offset between two bounds, or by a table whose last entry stands for all beyond it.
struct StoreJob {
    const int32_t* values;                   // of all lanes
    LaneStrides strides;
    int extent[3], lanes;                    // lanes: how many are wanted, from the first on
    void* to[kMaxLanes];                     // the first sample of each lane's brick
    LaneStrides out;                         // of its rows and slices, in samples
    int sample_type;                         // index of kSampleTypes
    int32_t step, offset, minimum, maximum;
    const uint32_t* table;                   // nullptr: none
    int32_t last;                            // number of its last entry
};

// Of an encoder: samples of a brick as numbers, (sample - offset + near) / (2 near + 1) or the rank of sample - offset.
struct LoadJob {
    const void* from;                        // its first sample
    int sample_type;                         // index of kSampleTypes
    LaneStrides in, strides;                 // of rows and slices, in samples and in numbers
    int extent[3];
    int32_t offset, near;
    const int32_t* ranks;                    // nullptr: none
    int32_t* to;
};

// Of an encoder: one brick, whose rows have kRowRoom numbers of room, kRowStart of them before the first sample.
struct ResidualJob {
    int32_t* brick;                          // sample 0; before each row stands what FORMAT.md 8.7 says, after it its last number
    LaneStrides strides;                     // in numbers
    int depth, height, width, bits;
    int row_step;                            // 1: all rows; of a cost: each such row, from row_step / 4 on
    int32_t* residuals;                      // as `brick`; not of a cost
};

struct SetOfWeights {
    const int16_t *first, *later;
    bool bound_ne, with_previous;
};

// Residuals of a tile to tokens, as if there were no runs: raw bits from bit 12 on, symbol, class in the low 5. Classes as if they
// began with the least half octave; after a run stands kAfterRunClass.
struct TokenJob {
    const int32_t* residuals;
    LaneStrides strides;
    int extent[3];
    const int32_t* earlier[2];
    int context;                             // see context_form
    int32_t* magnitudes;                     // scratch: 2 (y + 1) rows of x + kRowRoom numbers
    uint32_t* tokens;                        // 2 kMaxLanes more than samples
};

// Tokens to the bits of a sub-stream; `to` may lie 8 bytes before them.
struct StreamWriteJob {
    const uint32_t* tokens;
    size_t count;
    const uint64_t* writing;                 // by the low kTokenRaw bits of a token: codeword and zeros for raw bits; their number in the low bits
    bool in_pairs;                           // no two tokens take more than 56 bits
    uint8_t* to;
};

constexpr int kRowStart = 2, kRowRoom = 2 + 2 * kMaxLanes;
constexpr int kTokenSymbol = 5, kTokenRaw = 12, kWritingBits = 6;

constexpr int64_t kReadPastEnd = 7200;       // bytes that a lane may read from where it starts

struct PredictiveKernels {
    int lanes;
    void (*read_tiles)(const ReadTileJob*, int count);      // one, or two of one extent and component
    void (*add_cross)(const CrossJob&);
    void (*restore)(const RestoreJob&);
    void (*to_colour)(const ColourJob&);
    void (*store)(const StoreJob&);
    void (*load)(const LoadJob&);
    void (*residuals)(const ResidualJob&, const SetOfWeights&);
    void (*subtract_cross)(const CrossJob&, int32_t* to);   // of one brick, whose rows have room
    void (*costs)(const ResidualJob&, const SetOfWeights*, int count, int64_t* costs);   // of each set about how many bits, in 1/256
    bool (*tokens)(const TokenJob&);         // whether any sample is of class 0, where runs stand
    uint8_t* (*write)(const StreamWriteJob&); // one past the last byte
};

// For values of up to kLockstepBits bits, the best copy for this machine (see select_kernels); for wider ones, one lane.
const PredictiveKernels& predictive_kernels(int bits);

}  // namespace mmip
