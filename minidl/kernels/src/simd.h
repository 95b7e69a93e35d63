/* Vectors of REAL, as wide as the level has them: GCC and Clang vector types, so that one source serves every level.
 *
 *     level     VB (bytes)   LANES float / double   registers   micro-tile MR x NV vectors
 *     v4        64           16 / 8                 32          8 x 3, tall ones MR_TALL x 2
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

/* Loops over registers must vanish, so that their arrays become registers: UNROLL(n) before a loop of up to n constant turns. */
#define DO_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define UNROLL(n) DO_PRAGMA(clang loop unroll(full))
#else
#define UNROLL(n) DO_PRAGMA(GCC unroll n)
#endif

#if defined(__AVX512F__)
#define VB 64
#define MR 8
#define MR_TALL 12
#define NV 3
#elif defined(__AVX2__) && defined(__FMA__)
#define VB 32
#define MR 6
#define MR_TALL MR
#define NV 2
#else
#define VB 16
#define MR 6
#define MR_TALL MR
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

/* A value that stays in its register: compilers like to load it again for each of its uses, when loads are what there is too many of. */
#if defined(__GNUC__) && defined(__AVX512F__)
#define IN_REGISTER(v) __asm__("" : "+v"(v))
#elif defined(__GNUC__) && defined(__SSE2__)
#define IN_REGISTER(v) __asm__("" : "+x"(v))
#else
#define IN_REGISTER(v) (void)(v)
#endif
INLINE void store(REAL *p, vec v) { *(vec *)p = v; }
INLINE vec splat(REAL value) { return value - (vec){0}; }

/* a where the mask (all ones or zeros per lane, as comparisons give it) is set, else b */
INLINE vec choose(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }

/* The larger and the smaller of each lane; b where either is NaN: single instructions, which compilers do not find by themselves. */
#if VB == 64 && REAL_BITS == 32
INLINE vec larger_of(vec a, vec b) { return (vec)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE vec smaller_of(vec a, vec b) { return (vec)_mm512_min_ps((__m512)a, (__m512)b); }
#elif VB == 64
INLINE vec larger_of(vec a, vec b) { return (vec)_mm512_max_pd((__m512d)a, (__m512d)b); }
INLINE vec smaller_of(vec a, vec b) { return (vec)_mm512_min_pd((__m512d)a, (__m512d)b); }
#elif VB == 32 && REAL_BITS == 32
INLINE vec larger_of(vec a, vec b) { return (vec)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE vec smaller_of(vec a, vec b) { return (vec)_mm256_min_ps((__m256)a, (__m256)b); }
#elif VB == 32
INLINE vec larger_of(vec a, vec b) { return (vec)_mm256_max_pd((__m256d)a, (__m256d)b); }
INLINE vec smaller_of(vec a, vec b) { return (vec)_mm256_min_pd((__m256d)a, (__m256d)b); }
#elif defined(__SSE2__) && REAL_BITS == 32
INLINE vec larger_of(vec a, vec b) { return (vec)_mm_max_ps((__m128)a, (__m128)b); }
INLINE vec smaller_of(vec a, vec b) { return (vec)_mm_min_ps((__m128)a, (__m128)b); }
#elif defined(__SSE2__)
INLINE vec larger_of(vec a, vec b) { return (vec)_mm_max_pd((__m128d)a, (__m128d)b); }
INLINE vec smaller_of(vec a, vec b) { return (vec)_mm_min_pd((__m128d)a, (__m128d)b); }
#else
INLINE vec larger_of(vec a, vec b) { return choose((ivec)(a > b), a, b); }
INLINE vec smaller_of(vec a, vec b) { return choose((ivec)(a < b), a, b); }
#endif

/* All ones in the lanes below n, zeros in the others. */
INLINE ivec first_lanes(isize n) {
#if VB / (REAL_BITS / 8) == 16
    const ivec lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif VB / (REAL_BITS / 8) == 8
    const ivec lane = {0, 1, 2, 3, 4, 5, 6, 7};
#elif VB / (REAL_BITS / 8) == 4
    const ivec lane = {0, 1, 2, 3};
#else
    const ivec lane = {0, 1};
#endif
#if REAL_BITS == 32
    return lane < (int32_t)n;
#else
    return lane < (int64_t)n;
#endif
}

/* Lanes of two vectors of `bytes` bytes, chosen by number: those of b count on from those of a. */
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(bytes, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#elif REAL_BITS == 32
#define SHUFFLE(bytes, a, b, ...) __builtin_shuffle(a, b, (int32_t __attribute__((vector_size(bytes)))){__VA_ARGS__})
#else
#define SHUFFLE(bytes, a, b, ...) __builtin_shuffle(a, b, (int64_t __attribute__((vector_size(bytes)))){__VA_ARGS__})
#endif

/* Every second value of two vectors that follow each other in memory. */
INLINE vec evens(vec a, vec b) {
#if VB / (REAL_BITS / 8) == 16
    return SHUFFLE(VB, a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
#elif VB / (REAL_BITS / 8) == 8
    return SHUFFLE(VB, a, b, 0, 2, 4, 6, 8, 10, 12, 14);
#elif VB / (REAL_BITS / 8) == 4
    return SHUFFLE(VB, a, b, 0, 2, 4, 6);
#else
    return SHUFFLE(VB, a, b, 0, 2);
#endif
}

/* The other values of two such vectors; and the two vectors whose evens and odds are a and b. */
INLINE vec odds(vec a, vec b) {
#if VB / (REAL_BITS / 8) == 16
    return SHUFFLE(VB, a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
#elif VB / (REAL_BITS / 8) == 8
    return SHUFFLE(VB, a, b, 1, 3, 5, 7, 9, 11, 13, 15);
#elif VB / (REAL_BITS / 8) == 4
    return SHUFFLE(VB, a, b, 1, 3, 5, 7);
#else
    return SHUFFLE(VB, a, b, 1, 3);
#endif
}

INLINE vec zip_first(vec a, vec b) {
#if VB / (REAL_BITS / 8) == 16
    return SHUFFLE(VB, a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
#elif VB / (REAL_BITS / 8) == 8
    return SHUFFLE(VB, a, b, 0, 8, 1, 9, 2, 10, 3, 11);
#elif VB / (REAL_BITS / 8) == 4
    return SHUFFLE(VB, a, b, 0, 4, 1, 5);
#else
    return SHUFFLE(VB, a, b, 0, 2);
#endif
}

INLINE vec zip_second(vec a, vec b) {
#if VB / (REAL_BITS / 8) == 16
    return SHUFFLE(VB, a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif VB / (REAL_BITS / 8) == 8
    return SHUFFLE(VB, a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#elif VB / (REAL_BITS / 8) == 4
    return SHUFFLE(VB, a, b, 2, 6, 3, 7);
#else
    return SHUFFLE(VB, a, b, 1, 3);
#endif
}

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
#elif defined(__AVX2__)
/* Masked loads are cheap and masked stores are not: the lanes are stored by halves. */
#if REAL_BITS == 32
INLINE vec load_part(const REAL *p, isize n) { return (vec)_mm256_maskload_ps(p, (__m256i)first_lanes(n)); }
INLINE void store_part(REAL *p, vec v, isize n) {
    __m128 part = _mm256_castps256_ps128((__m256)v);
    if (n & 4) {
        _mm_storeu_ps(p, part);
        part = _mm256_extractf128_ps((__m256)v, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)p, part);
        part = _mm_movehl_ps(part, part);
        p += 2;
    }
    if (n & 1) _mm_store_ss(p, part);
}
#else
INLINE vec load_part(const REAL *p, isize n) { return (vec)_mm256_maskload_pd(p, (__m256i)first_lanes(n)); }
INLINE void store_part(REAL *p, vec v, isize n) {
    __m128d part = _mm256_castpd256_pd128((__m256d)v);
    if (n & 2) {
        _mm_storeu_pd(p, part);
        part = _mm256_extractf128_pd((__m256d)v, 1);
        p += 2;
    }
    if (n & 1) _mm_store_sd(p, part);
}
#endif
#elif defined(__SSE2__) && REAL_BITS == 32
INLINE vec load_part(const REAL *p, isize n) {
    __m128 v = _mm_setzero_ps();
    if (n & 1) v = _mm_load_ss(p + (n & 2));
    if (n & 2) v = _mm_loadl_pi(_mm_movelh_ps(v, v), (const __m64 *)p);
    return (vec)v;
}
INLINE void store_part(REAL *p, vec v, isize n) {
    if (n & 2) _mm_storel_pi((__m64 *)p, (__m128)v);
    if (n & 1) _mm_store_ss(p + (n & 2), n & 2 ? _mm_movehl_ps((__m128)v, (__m128)v) : (__m128)v);
}
#else
INLINE vec load_part(const REAL *p, isize n) {
    vec v = {0};
    memcpy(&v, p, (size_t)n * sizeof(REAL));
    return v;
}
INLINE void store_part(REAL *p, vec v, isize n) { memcpy(p, &v, (size_t)n * sizeof(REAL)); }
#endif

/* The same, whole vectors where n is large enough. */
INLINE vec load_up_to(const REAL *p, isize n) { return n >= LANES ? load(p) : load_part(p, n); }
INLINE void store_up_to(REAL *p, vec v, isize n) {
    if (n >= LANES) store(p, v);
    else store_part(p, v, n);
}

/* Store past the caches, for results larger than they are: the old line is not read first. p must be aligned to VB; end with store_past_end. */
#if defined(__AVX512F__)
INLINE void store_past(REAL *p, vec v) { _mm512_stream_si512((void *)p, (__m512i)v); }
INLINE void store_past_end(void) { _mm_sfence(); }
#elif VB == 32
INLINE void store_past(REAL *p, vec v) { _mm256_stream_si256((void *)p, (__m256i)v); }
INLINE void store_past_end(void) { _mm_sfence(); }
#else
INLINE void store_past(REAL *p, vec v) { store(p, v); }
INLINE void store_past_end(void) {}
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

/* The same in whole vectors, the last of which may reach beyond. */
INLINE void zero_vectors(REAL *to, isize n) {
    const vec zero = {0};
    for (isize i = 0; i < n; i += LANES) store(to + i, zero);
}

/* The values p[i * step], i < n <= LANES, with zeros behind them; only these are read. */
INLINE vec load_step(const REAL *p, isize step, isize n) {
    if (step == 1) return n == LANES ? load(p) : load_part(p, n);
    if (step == 2) {
        const isize reach = 2 * n - 1;
        const vec first = reach >= LANES ? load(p) : load_part(p, reach);
        return reach > LANES ? evens(first, load_part(p + LANES, reach - LANES)) : evens(first, (vec){0});
    }
    if (step == 4) {
        const isize reach = 4 * n - 3;
        vec part[4];
        for (int i = 0; i < 4; i++) {
            const isize left = reach - i * LANES;
            part[i] = left >= LANES ? load(p + i * LANES) : left > 0 ? load_part(p + i * LANES, left) : (vec){0};
        }
        return evens(evens(part[0], part[1]), evens(part[2], part[3]));
    }
    REAL lane[VB / sizeof(REAL)] = {0};
    for (isize i = 0; i < n; i++) lane[i] = p[i * step];
    return load(lane);
}

/* p[2 i] = v[i], i < n <= LANES; what lies between is not touched. */
#if defined(__AVX512F__) && REAL_BITS == 32
INLINE void store_step_2(REAL *p, vec v, isize n) {
    const vec low = SHUFFLE(VB, v, v, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    const vec high = SHUFFLE(VB, v, v, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15);
    const uint32_t mask = 0x55555555u & (uint32_t)((1ull << (2 * n)) - 1);
    _mm512_mask_storeu_ps(p, (__mmask16)mask, (__m512)low);
    _mm512_mask_storeu_ps(p + 16, (__mmask16)(mask >> 16), (__m512)high);
}
#elif defined(__AVX512F__)
INLINE void store_step_2(REAL *p, vec v, isize n) {
    const vec low = SHUFFLE(VB, v, v, 0, 0, 1, 1, 2, 2, 3, 3), high = SHUFFLE(VB, v, v, 4, 4, 5, 5, 6, 6, 7, 7);
    const uint32_t mask = 0x5555u & ((1u << (2 * n)) - 1);
    _mm512_mask_storeu_pd(p, (__mmask8)mask, (__m512d)low);
    _mm512_mask_storeu_pd(p + 8, (__mmask8)(mask >> 8), (__m512d)high);
}
#else
INLINE void store_step_2(REAL *p, vec v, isize n) {
    for (isize i = 0; i < n; i++) p[2 * i] = v[i];
}
#endif

/* A run of every step-th value. */
INLINE void copy_strided(REAL *restrict to, const REAL *restrict from, isize n, isize step) {
    if (step == 1) copy_run(to, from, n);
    else if (step == 2 || step == 4)
        for (isize i = 0; i < n; i += LANES) {
            const isize count = min_size(LANES, n - i);
            const vec v = load_step(from + step * i, step, count);
            if (count == LANES) store(to + i, v);
            else store_part(to + i, v, count);
        }
    else
        for (isize i = 0; i < n; i++) to[i] = from[i * step];
}

/* Sum of the lanes, in a fixed tree: halves onto halves. */
INLINE REAL sum_lanes(vec v) {
#if VB / (REAL_BITS / 8) == 16
    v += SHUFFLE(VB, v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
    v += SHUFFLE(VB, v, v, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
    v += SHUFFLE(VB, v, v, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3);
    return v[0] + v[1];
#elif VB / (REAL_BITS / 8) == 8
    v += SHUFFLE(VB, v, v, 4, 5, 6, 7, 4, 5, 6, 7);
    v += SHUFFLE(VB, v, v, 2, 3, 2, 3, 2, 3, 2, 3);
    return v[0] + v[1];
#elif VB / (REAL_BITS / 8) == 4
    v += SHUFFLE(VB, v, v, 2, 3, 2, 3);
    return v[0] + v[1];
#else
    return v[0] + v[1];
#endif
}

#endif
