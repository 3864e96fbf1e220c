// The constants of the format: widths, limits, block modes and status codes.
// Values: plain integers. Home: host and device (no standard headers under NVRTC). Implements FORMAT.md sections 0, 3, 7, 9.
// Every other rule header includes this one; bindings/core.cpp exports its constants to Python.
#pragma once

#if defined(__CUDACC_RTC__)
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#else
#include <cstdint>
#endif

#if defined(__CUDACC__)
#define MMIP_RULE __host__ __device__ inline
#define MMIP_COLD_RULE __host__ __device__ inline
#define MMIP_UNROLL _Pragma("unroll")
#define MMIP_TABLE static __device__ constexpr
#define MMIP_RARELY(condition) (condition)
#else
#define MMIP_RULE inline __attribute__((always_inline))
#define MMIP_COLD_RULE inline __attribute__((noinline, cold))
#define MMIP_UNROLL _Pragma("GCC unroll 32")
#define MMIP_TABLE static constexpr
#define MMIP_RARELY(condition) __builtin_expect((condition), 0)
#endif

// The kernels are compiled once per instruction set; each copy lives in its own namespace.
#ifndef MMIP_NS
#define MMIP_NS mmip
#endif

namespace mmip {

enum SampleType : int32_t { kSampleU8 = 0, kSampleI8 = 1, kSampleU16 = 2, kSampleI16 = 3, kSampleI32 = 4 };

// How hard the encoder looks.
enum Search {
    kSearchNone = 0,      // mode 8 everywhere: what the quality rule is measured on
    kSearchFast = 1,      // modes 8 and 16 by a rough cost, 4 where a cell is dense, 32 and 64 where all of it was merged
    kSearchRough = 2,     // all modes by a rough cost, the winner's indices by code lengths
    kSearchFull = 3,      // all modes and indices by code lengths
};

}  // namespace mmip

namespace MMIP_NS {

constexpr int kFormatVersion = 1;

constexpr int kCellSize = 8;                 // on y and x; on z where the cell depth is 8
constexpr int kMode8 = 0, kMode4 = 1, kModeZ1 = 3, kMode16 = 4, kMode32 = 5, kMode64 = 6, kModePalette = 7;
constexpr int kModeCount = 8;                // 3 bits in a header symbol; 2 is reserved

constexpr int kMaxClasses = 8, kMaxStages = 16;
constexpr int kMaxTileSamples = 1 << 18;
constexpr int kStepOne = 256;                // step sizes are in 1/256
constexpr uint32_t kMinStep = 64, kMaxStep = 1u << 24;
constexpr int kReconUnit = 64, kMaxRecon = 32;
constexpr int32_t kMaxIndex = 1 << 26;       // |q| below this
constexpr int kDcImageUnit = 16;             // a step in samples of the DC image

constexpr int kCodeLimit = 12;               // longest codeword
constexpr int kDcRunClass = 12;              // of the DC family: runs of zeros; the others are contexts
constexpr int kDcClasses = 13, kDcAlphabet = 32, kDcEscapeBits = 5;
constexpr int kHeaderClasses = 15, kHeaderAlphabet = 256, kHeaderEscapeBits = 8;
constexpr int kTokenClasses = 48, kTokenAlphabet = 416, kTokenEscapeBits = 9;
constexpr int kGapClasses = 10, kPlaceClasses = 7, kNeighbourClasses = 8;
constexpr int kTokenContexts = kGapClasses * kPlaceClasses * kNeighbourClasses;
constexpr int kCorrectionClasses = 48, kCorrectionAlphabet = 128, kCorrectionEscapeBits = 7;
constexpr int kPredictionClasses = 12, kPredictionAlphabet = 6, kPredictionEscapeBits = 3;
constexpr int kPredictionMark = 1023, kPredictionMarkBits = 10;   // before the codes of stage 2 of a stream with predictions
constexpr int32_t kMaxCorrectionError = 1 << 18;
constexpr int kEscapeSize = 15;              // token size that is followed by the number of its bits
constexpr int kEscapeLog = 12;               // floor(log2) of the smallest |q| of that size
constexpr int kEscapeLogBits = 4;            // that follow, for how much above it the logarithm is
constexpr int kUnlistedLength = 14;          // stands for the length of an unlisted symbol in an own code
constexpr int kGroupSubstreams = 4;          // sub-streams that share a crc

// Why a sub-stream could not be decoded; the host turns it into an error of its own kinds.
enum Status : int32_t {
    kOk = 0,
    kStatusTruncated = 1,    // the sub-stream ends before its last symbol
    kStatusTrailing = 2,     // bytes or padding bits left over
    kStatusSymbol = 3,       // symbol outside the alphabet, or size 0
    kStatusMode = 4,         // reserved mode, block not aligned or outside the tile
    kStatusPosition = 5,     // a run past the end of the stage
    kStatusValue = 6,        // index too large
    kStatusClass = 7,        // class map: run past the tile or class out of range
    kStatusDisagree = 8,     // stages disagree on modes, or a block breaks its class
    kStatusCrc = 10,         // the crc of a group of sub-streams differs
    kStatusPrediction = 11,  // a prediction that does not exist or does not fit there
    kStatusMask = 9,         // padding mask: reserved kind, impossible code, or mixed where it is not
};

}  // namespace MMIP_NS
