// What comes before the transforms: indices of float32 samples, the colour transform, and the class of every cell from those of
// its voxels. Values: planes of a chunk in C order. One group = one run of float32 samples; else one lane = one sample place of
// three planes, or one cell. Implements FORMAT.md section 2 (dtype 4, colour) and section 3 (classes belong to cells; the encoder
// takes the highest of a cell).
#pragma once

#include "rules/samples/colour.h"
#include "rules/samples/floats.h"
#include "rules/tokens/symbols.h"
#include "device/kernels/items.h"

namespace mmip {

struct FloatRun {
    const float* samples;
    int32_t* indices;
    int64_t count;                           // at least 1
    double step, limit;
    MMIP_FIELDS(samples, indices, count, step, limit)
};

struct FloatFindings {
    int64_t wrong;                           // place in the run of the first sample without an index, or its count
    float low, high;                         // of the samples, where none is wrong

    MMIP_RULE void join(const FloatFindings& other) {
        wrong = least(other.wrong, wrong);
        low = other.low < low ? other.low : low;
        high = other.high > high ? other.high : high;
    }

    MMIP_FIELDS(wrong, low, high)
};

struct FloatIndexKernel {
    static constexpr int kLanes = 256, kPhases = 2;

    struct Params {
        int64_t groups;
        const FloatRun* items;
        FloatFindings* found;                // by run
        MMIP_FIELDS(groups, items, found)
    };
    struct Shared {
        FloatFindings part[kLanes];
    };

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared& s, int64_t group, int lane) {
        const FloatRun& item = p.items[group];
        if (lane >= item.count) return;
        if constexpr (phase == 0) {
            FloatFindings found{item.count, item.samples[lane], item.samples[lane]};
            for (int64_t i = lane; i < item.count; i += kLanes) {
                const float v = item.samples[i];
                const bool within = float_index(v, item.step, item.limit, item.indices[i]);
                found.join({within ? item.count : i, v, v});
            }
            s.part[lane] = found;
        } else if (lane == 0) {
            FloatFindings all = s.part[0];
            for (int i = 1; i < kLanes && i < item.count; ++i) all.join(s.part[i]);
            p.found[group] = all;
        }
    }
};

struct ColourItem {
    const void* samples;                     // planes R, G, B, R, ..
    int32_t* components;                     // planes Y, Co, Cg, Y, ..
    int64_t plane_samples, count;            // count: samples of all planes / 3
    int64_t first_group;
    int32_t type, offset;
    MMIP_FIELDS(samples, components, plane_samples, count, first_group, type, offset)
};

struct ColourKernel {
    static constexpr int kLanes = 256, kPhases = 1;

    struct Params {
        int64_t groups, item_count;
        const ColourItem* items;
        MMIP_FIELDS(groups, item_count, items)
    };
    struct Shared {};

    template <class T>
    static MMIP_RULE void transform(const ColourItem& item, int64_t i) {
        const int64_t n = item.plane_samples, at = i / n * 3 * n + i % n;
        const T* from = static_cast<const T*>(item.samples) + at;
        const Colour out = colour_forward({from[0] - item.offset, from[n] - item.offset, from[2 * n] - item.offset});
        item.components[at] = out.a;
        item.components[at + n] = out.b;
        item.components[at + 2 * n] = out.c;
    }

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const ColourItem& item = p.items[item_at(p.items, p.item_count, &ColourItem::first_group, group)];
        const int64_t i = (group - item.first_group) * kLanes + lane;
        if (i >= item.count) return;
        switch (item.type) {
            case kSampleU8: return transform<uint8_t>(item, i);
            case kSampleI8: return transform<int8_t>(item, i);
            case kSampleU16: return transform<uint16_t>(item, i);
            case kSampleI16: return transform<int16_t>(item, i);
            default: return transform<int32_t>(item, i);
        }
    }
};

struct CellClassItem {
    const uint8_t* voxels;                   // planes without the channels
    uint8_t* cells;                          // planes x grid
    int64_t shape[3];
    int64_t count;                           // cells of all planes
    int64_t first_group;
    int32_t depth, channels;
    MMIP_FIELDS(voxels, cells, shape, count, first_group, depth, channels)
};

struct CellClassKernel {
    static constexpr int kLanes = 256, kPhases = 1;

    struct Params {
        int64_t groups, item_count;
        const CellClassItem* items;
        MMIP_FIELDS(groups, item_count, items)
    };
    struct Shared {};

    template <int phase>
    static MMIP_RULE void run(const Params& p, Shared&, int64_t group, int lane) {
        const CellClassItem& item = p.items[item_at(p.items, p.item_count, &CellClassItem::first_group, group)];
        const int64_t i = (group - item.first_group) * kLanes + lane;
        if (i >= item.count) return;
        const int64_t nz = item.shape[0], ny = item.shape[1], nx = item.shape[2];
        const int64_t gz = (nz + item.depth - 1) / item.depth, gy = (ny + kCellSize - 1) / kCellSize, gx = (nx + kCellSize - 1) / kCellSize;
        const int64_t z0 = i / (gx * gy) % gz * item.depth, y0 = i / gx % gy * kCellSize, x0 = i % gx * kCellSize;
        const uint8_t* plane = item.voxels + i / (gx * gy * gz) / item.channels * nz * ny * nx;
        uint8_t highest = 0;
        for (int64_t z = z0; z < least(z0 + item.depth, nz); ++z)
            for (int64_t y = y0; y < least(y0 + kCellSize, ny); ++y)
                for (int64_t x = x0; x < least(x0 + kCellSize, nx); ++x) {
                    const uint8_t found = plane[(z * ny + y) * nx + x];
                    highest = found > highest ? found : highest;
                }
        item.cells[i] = highest;
    }
};

}  // namespace mmip
