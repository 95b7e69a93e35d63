/* Vectors of REAL, as wide as the level has them: GCC and Clang vector types, so that one source serves every level.
 *
 *     level     VB (bytes)   LANES float / double   registers   micro-tile MR x NV vectors
 *     v4        64           16 / 8                 32          8 x 3
 *     v3        32            8 / 4                 16          6 x 2
 *     others    16            4 / 2                 16 (or 32)  6 x 2
 */
#ifndef MINIDL_SIMD_H
#define MINIDL_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(function) JOIN(function, PRECISION) /* gemm -> gemm_f32 or gemm_f64 */

#if defined(__AVX512F__)
#define VB 64
#define MR 8
#define NV 3
#elif defined(__AVX2__) && defined(__FMA__)
#define VB 32
#define MR 6
#define NV 2
#else
#define VB 16
#define MR 6
#define NV 2
#endif

typedef ptrdiff_t isize;

#define LANES ((isize)(VB / sizeof(REAL)))
#define NR (NV * LANES) /* columns of a full micro-tile */

typedef REAL vec __attribute__((vector_size(VB), aligned(sizeof(REAL)), may_alias));
#if REAL_BITS == 32
typedef int32_t ivec __attribute__((vector_size(VB), aligned(4), may_alias));
#else
typedef int64_t ivec __attribute__((vector_size(VB), aligned(8), may_alias));
#endif

INLINE vec load(const REAL *p) { return *(const vec *)p; }
INLINE void store(REAL *p, vec v) { *(vec *)p = v; }
INLINE vec splat(REAL value) { return value - (vec){0}; }

/* a where the mask (all ones or zeros per lane, as comparisons give it) is set, else b */
INLINE vec choose(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }

INLINE isize min_size(isize a, isize b) { return a < b ? a : b; }
INLINE isize max_size(isize a, isize b) { return a > b ? a : b; }
INLINE isize ceil_div(isize a, isize b) { return (a + b - 1) / b; }
INLINE isize round_up(isize a, isize b) { return ceil_div(a, b) * b; }

/* The first n < LANES values at p with zeros behind them, and the store of as many: nothing behind them is touched. */
#if defined(__AVX512F__) && REAL_BITS == 32
INLINE vec load_part(const REAL *p, isize n) { return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
INLINE void store_part(REAL *p, vec v, isize n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v); }
#elif defined(__AVX512F__)
INLINE vec load_part(const REAL *p, isize n) { return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p); }
INLINE void store_part(REAL *p, vec v, isize n) { _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v); }
#else
INLINE vec load_part(const REAL *p, isize n) {
    vec v = {0};
    memcpy(&v, p, (size_t)n * sizeof(REAL));
    return v;
}
INLINE void store_part(REAL *p, vec v, isize n) { memcpy(p, &v, (size_t)n * sizeof(REAL)); }
#endif

INLINE void copy_run(REAL *restrict to, const REAL *restrict from, isize n) {
    isize i = 0;
    for (; i + LANES <= n; i += LANES) store(to + i, load(from + i));
    if (i < n) store_part(to + i, load_part(from + i, n - i), n - i);
}

INLINE void zero_run(REAL *to, isize n) {
    const vec zero = {0};
    isize i = 0;
    for (; i + LANES <= n; i += LANES) store(to + i, zero);
    if (i < n) store_part(to + i, zero, n - i);
}

/* A run of every step-th value. */
INLINE void copy_strided(REAL *restrict to, const REAL *restrict from, isize n, isize step) {
    if (step == 1) {
        copy_run(to, from, n);
        return;
    }
    for (isize i = 0; i < n; i++) to[i] = from[i * step];
}

/* Sum of the lanes, in a fixed tree: halves onto halves. */
INLINE REAL sum_lanes(vec v) {
    REAL lane[VB / sizeof(REAL)];
    memcpy(lane, &v, sizeof v);
    for (isize half = LANES / 2; half > 0; half /= 2)
        for (isize i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

#endif
