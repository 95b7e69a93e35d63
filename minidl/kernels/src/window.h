/* Windows of a vector: the lanes from .. until are loaded or stored, the others are zero and their memory is not touched.
 *
 *     image row          a b c d e f g        what lies left and right of a row is padding, so a vector of outputs
 *     window       [ 0 0 a b c d e f ]        reads the image where it lies and nothing is copied to pad it */
#ifndef MINIDL_WINDOW_H
#define MINIDL_WINDOW_H

#include "simd.h"

#if defined(__AVX512F__)
#if REAL_BITS == 32
typedef __mmask16 NAME(window);
INLINE vec NAME(load_window)(const REAL *p, NAME(window) w) { return (vec)_mm512_maskz_loadu_ps(w, p); }
INLINE void NAME(store_window)(REAL *p, vec v, NAME(window) w) { _mm512_mask_storeu_ps(p, w, (__m512)v); }
#else
typedef __mmask8 NAME(window);
INLINE vec NAME(load_window)(const REAL *p, NAME(window) w) { return (vec)_mm512_maskz_loadu_pd(w, p); }
INLINE void NAME(store_window)(REAL *p, vec v, NAME(window) w) { _mm512_mask_storeu_pd(p, w, (__m512d)v); }
#endif
INLINE NAME(window) NAME(make_window)(isize from, isize until) {
    const isize a = max_size(0, min_size(from, LANES)), b = max_size(a, min_size(until, LANES));
    return (NAME(window))(((1u << b) - 1) & ~((1u << a) - 1));
}
#elif defined(__AVX2__)
typedef ivec NAME(window);
#if REAL_BITS == 32
INLINE vec NAME(load_window)(const REAL *p, NAME(window) w) { return (vec)_mm256_maskload_ps(p, (__m256i)w); }
INLINE void NAME(store_window)(REAL *p, vec v, NAME(window) w) { _mm256_maskstore_ps(p, (__m256i)w, (__m256)v); }
INLINE NAME(window) NAME(make_window)(isize from, isize until) {
    const ivec lane = {0, 1, 2, 3, 4, 5, 6, 7};
    const int32_t a = (int32_t)max_size(0, min_size(from, LANES)), b = (int32_t)max_size(0, min_size(until, LANES));
    return (ivec)((lane >= a) & (lane < b));
}
#else
INLINE vec NAME(load_window)(const REAL *p, NAME(window) w) { return (vec)_mm256_maskload_pd(p, (__m256i)w); }
INLINE void NAME(store_window)(REAL *p, vec v, NAME(window) w) { _mm256_maskstore_pd(p, (__m256i)w, (__m256d)v); }
INLINE NAME(window) NAME(make_window)(isize from, isize until) {
    const ivec lane = {0, 1, 2, 3};
    const int64_t a = max_size(0, min_size(from, LANES)), b = max_size(0, min_size(until, LANES));
    return (ivec)((lane >= a) & (lane < b));
}
#endif
#else
typedef struct {
    int from, until;
} NAME(window);
INLINE vec NAME(load_window)(const REAL *p, NAME(window) w) {
    vec v = {0};
    if (w.from == 0 && w.until == LANES) return load(p);
    for (int i = w.from; i < w.until; i++) v[i] = p[i];
    return v;
}
INLINE void NAME(store_window)(REAL *p, vec v, NAME(window) w) {
    for (int i = w.from; i < w.until; i++) p[i] = v[i];
}
INLINE NAME(window) NAME(make_window)(isize from, isize until) {
    const isize a = max_size(0, min_size(from, LANES)), b = max_size(a, min_size(until, LANES));
    return (NAME(window)){(int)a, (int)b};
}
#endif

#endif
