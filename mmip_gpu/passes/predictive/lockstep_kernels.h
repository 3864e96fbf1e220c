// The kernels of lockstep.h for one value type: vectors of lanes, or one lane of int32_t.
// Values: see lockstep.h. Home: host. Walks of rules/predictive over the slices of a brick.
#pragma once

#include "passes/predictive/encoding_kernels.h"
#include "passes/predictive/loading_kernels.h"
#include "passes/predictive/lockstep.h"
#include "passes/predictive/reading_kernels.h"
#include "passes/predictive/storing_kernels.h"
#include "rules/predictive/colour_forms.h"
#include "rules/predictive/cross.h"
#include "rules/predictive/predict.h"

namespace MMIP_NS {

// work(i) for the place of every sample of the slices.
template <class Work>
void for_samples(int from, int to, int height, int width, const mmip::LaneStrides& strides, const Work& work) {
    for (int z = from; z < to; ++z)
        for (int y = 0; y < height; ++y)
            for (int64_t i = z * strides.slice + y * strides.row, end = i + width; i < end; ++i) work(i);
}

template <class V>
void add_cross(const mmip::CrossJob& job) {
    V* residuals = as_lanes<V>(job.residuals);
    const V *a = as_lanes<V>(job.earlier[0]), *b = as_lanes<V>(job.earlier[1] != nullptr ? job.earlier[1] : job.earlier[0]);
    const int32_t wa = job.weights[0], wb = job.earlier[1] != nullptr ? job.weights[1] : 0;
    for_samples(job.from, job.to, job.height, job.width, job.strides, [&](int64_t i) { residuals[i] = with_cross<V>(residuals[i], a[i], b[i], wa, wb, job.bits); });
}

template <class V, class Wide>
void restore(const mmip::RestoreJob& job) {
    Predictor<V> p;
    constexpr int lanes = static_cast<int>(sizeof(V) / sizeof(int32_t));
    for (int i = 0; i < kNeighbours2d; ++i) p.first[i] = loaded<V>(job.first + i * lanes);
    for (int i = 0; i < kNeighbours3d; ++i) p.later[i] = loaded<V>(job.later + i * lanes);
    p.bound_ne = loaded<V>(job.bound_ne);
    p.bound_p = loaded<V>(job.bound_p);
    restore_slices<V, Wide>(as_lanes<V>(job.brick), job.strides.row, job.strides.slice, job.from, job.to, job.height, job.width, p,
                            job.with_previous, V{} + static_cast<int32_t>((int64_t{1} << job.bits) - 1));
}

template <class V>
void to_colour(const mmip::ColourJob& job) {
    V *a = as_lanes<V>(job.components[0]), *b = as_lanes<V>(job.components[1]), *c = as_lanes<V>(job.components[2]);
    for_samples(job.from, job.to, job.height, job.width, job.strides, [&](int64_t i) { to_channels(job.form, job.bits, a[i], b[i], c[i]); });
}

template <class V, class Wide, class Reader>
constexpr mmip::PredictiveKernels lockstep_table(int lanes) {
    return {lanes, &read_tiles<V, Reader>, &add_cross<V>, &restore<V, Wide>, &to_colour<V>, &store_values<V>, &load_values<V>,
            &brick_residuals<V, Wide>, &subtract_cross<V>, &brick_costs<V, Wide>, &tile_tokens<V>, &write_tokens};
}

}  // namespace MMIP_NS
