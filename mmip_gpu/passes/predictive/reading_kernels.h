// Reading the residuals of a tile of every lane, or of two tiles side by side.
// Values: see ReadTileJob of lockstep.h. Home: host. Implements FORMAT.md section 8.6.
#pragma once

#include <type_traits>

#include "passes/predictive/lockstep.h"
#include "passes/predictive/twin_lanes.h"   // before the rules that are called with it
#include "rules/predictive/residual_reader.h"

namespace MMIP_NS {

template <class V>
V loaded(const int32_t* from) {
    V v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}

template <class V>
V* as_lanes(int32_t* memory) { return reinterpret_cast<V*>(memory); }

template <class V>
const V* as_lanes(const int32_t* memory) { return reinterpret_cast<const V*>(memory); }

template <class V>
void put_ends(const mmip::ReadTileJob& job, V position, V run) {
    __builtin_memcpy(job.end_bits, &position, sizeof(V));
    __builtin_memcpy(job.runs, &run, sizeof(V));
}

template <class V, class Reader>
void read_tile(const mmip::ReadTileJob& job) {
    Reader reader(job.bytes, job.tables, loaded<V>(job.first_bits));
    const TilePlace place{job.extent[0], job.extent[1], job.extent[2], job.strides.row, job.strides.slice};
    const EarlierResiduals<V> earlier{{as_lanes<V>(job.earlier[0]), as_lanes<V>(job.earlier[1])}, job.context};
    read_residuals(reader, place, earlier, as_lanes<V>(job.magnitudes), as_lanes<V>(job.out));
    put_ends<V>(job, reader.position, reader.run);
}

// work(i, at) for sample i of a tile, which stands at `at` in its brick.
template <class Work>
void for_tile_samples(const mmip::ReadTileJob& job, const Work& work) {
    int i = 0;
    for (int z = 0; z < job.extent[0]; ++z)
        for (int y = 0; y < job.extent[1]; ++y)
            for (int64_t at = z * job.strides.slice + y * job.strides.row, end = at + job.extent[2]; at < end; ++at) work(i++, at);
}

// Two tiles, as if they were one of twice as many lanes, in memory of their own.
inline void read_twins(const mmip::ReadTileJob& a, const mmip::ReadTileJob& b) {
    const int64_t row = a.extent[2], slice = row * a.extent[1], size = slice * a.extent[0];
    Twin* out = as_lanes<Twin>(a.twins);
    EarlierResiduals<Twin> earlier{{nullptr, nullptr}, a.context};
    for (int k = 0; k < 2 && a.earlier[k] != nullptr; ++k) {
        Twin* both = out + (k + 1) * size;
        for_tile_samples(a, [&](int i, int64_t at) { both[i] = {as_lanes<LanesI>(a.earlier[k])[at], as_lanes<LanesI>(b.earlier[k])[at]}; });
        earlier.of[k] = both;
    }
    ResidualReader<Twin> reader(a.bytes, a.tables, Twin{loaded<LanesI>(a.first_bits), loaded<LanesI>(b.first_bits)});
    read_residuals(reader, TilePlace{a.extent[0], a.extent[1], a.extent[2], row, slice}, earlier, as_lanes<Twin>(a.magnitudes), out);
    for_tile_samples(a, [&](int i, int64_t at) { as_lanes<LanesI>(a.out)[at] = out[i].a, as_lanes<LanesI>(b.out)[at] = out[i].b; });
    put_ends<LanesI>(a, reader.position.a, reader.run.a);
    put_ends<LanesI>(b, reader.position.b, reader.run.b);
}

template <class V, class Reader>
void read_tiles(const mmip::ReadTileJob* jobs, int count) {
    if constexpr (std::is_same_v<V, LanesI>)
        if (count == 2) return read_twins(jobs[0], jobs[1]);
    for (int i = 0; i < count; ++i) read_tile<V, Reader>(jobs[i]);
}

}  // namespace MMIP_NS
