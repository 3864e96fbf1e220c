// One line of a transform: the orthonormal DCT-II and the reversible 8-point transform, forward and inverse; corners of merged
// blocks; the factors of scaled decoding.
// Values: binary32, in place of a strided line; V is float (one lane) or a vector of floats (lanes side by side).
// Implements FORMAT.md sections 4.1, 4.2 and 5.1 (sizes). Guarantees the stated operation order; axes and blocks are the passes' affair.
#pragma once

#include "rules/blocks/dct_tables.h"
#include "rules/format.h"

namespace MMIP_NS {

// X[k * stride] for k = 0 .. n-1 from x[0 .. n-1]; N is the size of the whole line (it sets the scale).
template <int N, int n, class V>
MMIP_RULE void dct_forward(const V* x, V* X, int stride) {
    if constexpr (n == 1) {
        X[0] = x[0] * DctDc<N>::value;
    } else {
        V sum[n / 2], difference[n / 2];
        MMIP_UNROLL
        for (int i = 0; i < n / 2; ++i) {
            sum[i] = x[i] + x[n - 1 - i];
            difference[i] = x[i] - x[n - 1 - i];
        }
        MMIP_UNROLL
        for (int k = 0; k < n / 2; ++k) {
            V acc = difference[0] * DctOdd<N, n>::value[k][0];
            MMIP_UNROLL
            for (int i = 1; i < n / 2; ++i) acc = acc + difference[i] * DctOdd<N, n>::value[k][i];
            X[(2 * k + 1) * stride] = acc;
        }
        dct_forward<N, n / 2, V>(sum, X, 2 * stride);
    }
}

// x[0 .. n-1] from X[k * stride], of which only the first `used` may be nonzero: products with the others would add zeros.
template <int N, int n, class V, int used = n>
MMIP_RULE void dct_inverse(const V* X, int stride, V* x) {
    if constexpr (n == 1) {
        x[0] = X[0] * DctDc<N>::value;
    } else {
        V even[n / 2];
        dct_inverse<N, n / 2, V, (used + 1) / 2>(X, 2 * stride, even);
        MMIP_UNROLL
        for (int i = 0; i < n / 2; ++i) {
            if constexpr (used > 1) {
                V odd = X[stride] * DctOdd<N, n>::value[0][i];
                MMIP_UNROLL
                for (int k = 1; k < used / 2; ++k) odd = odd + X[(2 * k + 1) * stride] * DctOdd<N, n>::value[k][i];
                x[i] = even[i] + odd;
                x[n - 1 - i] = even[i] - odd;
            } else {
                x[i] = even[i];
                x[n - 1 - i] = even[i];
            }
        }
    }
}

// A line of N values, stride apart, in place.
template <int N, class V>
MMIP_RULE void dct_line(V* line, int stride) {
    V x[N];
    MMIP_UNROLL
    for (int i = 0; i < N; ++i) x[i] = line[i * stride];
    dct_forward<N, N, V>(x, line, stride);
}

template <int N, class V, int used = N>
MMIP_RULE void idct_line(V* line, int stride) {
    V x[N];
    dct_inverse<N, N, V, used>(line, stride, x);
    MMIP_UNROLL
    for (int i = 0; i < N; ++i) line[i * stride] = x[i];
}

// Nearest integer, half to even, for |v| < 2^22; the same two additions on every executor (section 4.2).
template <class V>
MMIP_RULE V round_even(V v) {
    return (v + 12582912.0f) - 12582912.0f;
}

struct Shear {
    float t, s;
};
constexpr Shear kShearQ{0.41421357f, -0.70710677f}, kShearH{0.19891237f, -0.38268343f};
constexpr Shear kShearG1{-0.7900545f, 0.972862f}, kShearG2{0.55556977f, -0.8490681f};
constexpr Shear kShearG3{-0.71548975f, 0.9464616f}, kShearG4{-0.32502395f, 0.5879378f};
constexpr Shear kShearG5{-0.259132f, 0.48565274f}, kShearG6{-0.0984914f, 0.19509032f};

template <class V>
MMIP_RULE void rotate(V& a, V& b, Shear c) {
    a = a + round_even<V>(c.t * b);
    b = b + round_even<V>(c.s * a);
    a = a + round_even<V>(c.t * b);
}

template <class V>
MMIP_RULE void unrotate(V& a, V& b, Shear c) {
    a = a - round_even<V>(c.t * b);
    b = b - round_even<V>(c.s * a);
    a = a - round_even<V>(c.t * b);
}

template <class V>
MMIP_RULE void reversible_line(V* line, int stride) {
    V x[8], w[4], f[2], g[2];
    MMIP_UNROLL
    for (int i = 0; i < 8; ++i) x[i] = line[i * stride];
    MMIP_UNROLL
    for (int i = 0; i < 4; ++i) {
        rotate(x[i], x[7 - i], kShearQ);
        w[i] = -x[7 - i];
    }
    MMIP_UNROLL
    for (int i = 0; i < 2; ++i) {
        rotate(x[i], x[3 - i], kShearQ);
        f[i] = x[i];
        g[i] = -x[3 - i];
    }
    rotate(f[0], f[1], kShearQ);
    rotate(g[0], g[1], kShearH);
    w[2] = -w[2], w[3] = -w[3];
    rotate(w[2], w[3], kShearG1);
    rotate(w[1], w[2], kShearG2);
    w[1] = -w[1], w[3] = -w[3];
    rotate(w[1], w[3], kShearG3);
    rotate(w[0], w[1], kShearG4);
    rotate(w[0], w[2], kShearG5);
    rotate(w[0], w[3], kShearG6);
    line[0] = f[0];
    line[4 * stride] = -f[1];
    line[2 * stride] = g[0];
    line[6 * stride] = -g[1];
    MMIP_UNROLL
    for (int i = 0; i < 4; ++i) line[(2 * i + 1) * stride] = w[i];
}

template <class V>
MMIP_RULE void inverse_reversible_line(V* line, int stride) {
    V x[8], w[4], f[2], g[2];
    MMIP_UNROLL
    for (int i = 0; i < 4; ++i) w[i] = line[(2 * i + 1) * stride];
    f[0] = line[0];
    f[1] = -line[4 * stride];
    g[0] = line[2 * stride];
    g[1] = -line[6 * stride];
    unrotate(w[0], w[3], kShearG6);
    unrotate(w[0], w[2], kShearG5);
    unrotate(w[0], w[1], kShearG4);
    unrotate(w[1], w[3], kShearG3);
    w[1] = -w[1], w[3] = -w[3];
    unrotate(w[1], w[2], kShearG2);
    unrotate(w[2], w[3], kShearG1);
    w[2] = -w[2], w[3] = -w[3];
    unrotate(g[0], g[1], kShearH);
    unrotate(f[0], f[1], kShearQ);
    MMIP_UNROLL
    for (int i = 0; i < 2; ++i) {
        x[i] = f[i];
        x[3 - i] = -g[i];
        unrotate(x[i], x[3 - i], kShearQ);
    }
    MMIP_UNROLL
    for (int i = 0; i < 4; ++i) {
        x[7 - i] = -w[i];
        unrotate(x[i], x[7 - i], kShearQ);
    }
    MMIP_UNROLL
    for (int i = 0; i < 8; ++i) line[i * stride] = x[i];
}

// The m x m (x m) corner of a merged block to the DCs of its cells and back; values [z][y][x] and [kz][ky][kx].
template <int depth, int m, void (*line)(float*, int)>
MMIP_RULE void corner_lines(float* corner) {
    if constexpr (depth > 1)
        for (int i = 0; i < m * m; ++i) line(corner + i, m * m);
    for (int z = 0; z < depth; ++z)
        for (int x = 0; x < m; ++x) line(corner + z * m * m + x, m);
    for (int row = 0; row < depth * m; ++row) line(corner + row * m, 1);
}

template <int depth, int m, void (*line)(float*, int)>
MMIP_RULE void inverse_corner_lines(float* corner) {
    for (int row = 0; row < depth * m; ++row) line(corner + row * m, 1);
    for (int z = 0; z < depth; ++z)
        for (int x = 0; x < m; ++x) line(corner + z * m * m + x, m);
    if constexpr (depth > 1)
        for (int i = 0; i < m * m; ++i) line(corner + i, m * m);
}

// The same as idct_line with half of the line in registers: first its even half, in the places that the odd half fills from.
template <int N>
MMIP_RULE void idct_long_line(float* line, int stride) {
    constexpr int half = N / 2;
    float x[half];
    dct_inverse<N, half, float>(line, 2 * stride, x);
    MMIP_UNROLL
    for (int i = 0; i < half; ++i) line[(i % 2 == 0 ? i : N - 1 - i) * stride] = x[i];
    MMIP_UNROLL
    for (int k = 0; k < half; ++k) x[k] = line[(2 * k + 1) * stride];
    MMIP_UNROLL
    for (int i = 0; i < half; ++i) {
        float odd = x[0] * DctOdd<N, N>::value[0][i];
        MMIP_UNROLL
        for (int k = 1; k < half; ++k) odd = odd + x[k] * DctOdd<N, N>::value[k][i];
        const float even = line[(i % 2 == 0 ? i : N - 1 - i) * stride];
        line[i * stride] = even + odd;
        line[(N - 1 - i) * stride] = even - odd;
    }
}

// Inverse DCT of a line whose length is known at run time only (scaled decoding): a power of two from 2 to `longest`.
template <int longest>
MMIP_RULE void idct_any(float* line, int stride, int n) {
    if (n == longest) idct_line<longest, float>(line, stride);
    if constexpr (longest > 2)
        if (n < longest) idct_any<longest / 2>(line, stride, n);
}

// What reduced blocks are multiplied by at scale 2, 4 or 8 (section 5.1).
MMIP_RULE float scale_factor(int cell_depth, int scale) {
    if (cell_depth == 1) return 1.0f / static_cast<float>(scale);
    return scale == 2 ? 0x1.6a09e60000000p-2f : (scale == 4 ? 0.125f : 0x1.6a09e60000000p-5f);   // scale^-1.5
}

}  // namespace MMIP_NS
