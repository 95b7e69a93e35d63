/* The gradient of activations whose derivative is 1 or 0 (pieces.h), the rectifier first of all.
 *
 * All that it needs to know of a value is whether it lets the gradient pass: one bit, kept in a mask of size / 8 bytes where bit i % 8
 * of byte i / 8 belongs to value i. To read it back costs 1/32 of what reading the float32 result would. */
#ifndef MINIDL_RELU_H
#define MINIDL_RELU_H

#include "kernels.h"
#include "simd.h"
#include "threads.h"

#define RELU_CHUNK 16384         /* values that a thread takes at a time: whole bytes of the mask */
#define BEYOND_CACHE (8 << 20)   /* bytes of a result that will have left the caches before anybody reads it */
#define BIT_GROUP (LANES < 8 ? 8 : LANES) /* values whose bits are written together */

/* One bit per lane that is above zero, the first lane lowest. */
INLINE uint32_t positive_bits(vec v) {
#if VB == 64 && REAL_BITS == 32
    return _mm512_cmp_ps_mask((__m512)v, _mm512_setzero_ps(), _CMP_GT_OQ);
#elif VB == 64
    return _mm512_cmp_pd_mask((__m512d)v, _mm512_setzero_pd(), _CMP_GT_OQ);
#elif VB == 32 && REAL_BITS == 32
    return (uint32_t)_mm256_movemask_ps((__m256)(v > (vec){0}));
#elif VB == 32
    return (uint32_t)_mm256_movemask_pd((__m256d)(v > (vec){0}));
#elif defined(__SSE2__) && REAL_BITS == 32
    return (uint32_t)_mm_movemask_ps((__m128)(v > (vec){0}));
#elif defined(__SSE2__)
    return (uint32_t)_mm_movemask_pd((__m128d)(v > (vec){0}));
#else
    uint32_t bits = 0;
    for (int i = 0; i < LANES; i++) bits |= (uint32_t)(v[i] > 0) << i;
    return bits;
#endif
}

/* The lanes of v whose bit is set, zeros in the others. */
INLINE vec keep_bits(uint32_t bits, vec v) {
#if VB == 64 && REAL_BITS == 32
    return (vec)_mm512_maskz_mov_ps((__mmask16)bits, (__m512)v);
#elif VB == 64
    return (vec)_mm512_maskz_mov_pd((__mmask8)bits, (__m512d)v);
#else
    const ivec lanes = {1, 2,
#if VB / (REAL_BITS / 8) >= 4
                        4, 8,
#endif
#if VB / (REAL_BITS / 8) >= 8
                        16, 32, 64, 128,
#endif
    };
    return choose((ivec)((lanes & (int32_t)bits) != 0), v, (vec){0});
#endif
}

/* Whether a result of `size` values, made from another array, is stored past the caches. */
INLINE int NAME(goes_past)(isize size, const void *from, const void *to) {
    return size * (isize)sizeof(REAL) > BEYOND_CACHE && (uintptr_t)to % VB == 0 && to != from;
}

/* Values first .. last of the gradient, from the mask or from what relu returned; `past` stores whole vectors past the caches. */
INLINE void NAME(relu_grad_run)(const REAL *grad, const REAL *out, const uint8_t *mask, REAL *grad_x, isize first, isize last, const int past) {
    const vec zero = {0};
    for (isize i = first; i < last; i += BIT_GROUP) {
        uint32_t bits = mask ? mask[i / 8] : 0;
        if (mask && BIT_GROUP > 8 && last - i > 8) bits |= (uint32_t)mask[i / 8 + 1] << 8;
        for (isize lane = 0; lane < BIT_GROUP && i + lane < last; lane += LANES) {
            const isize at = i + lane;
            const vec g = load_up_to(grad + at, last - at);
            const vec v = mask ? keep_bits(bits >> lane, g) : choose((ivec)(load_up_to(out + at, last - at) > zero), g, zero);
            if (past && last - at >= LANES) store_past(grad_x + at, v);
            else store_up_to(grad_x + at, v, last - at);
        }
    }
    if (past) store_past_end();
}

/* grad_x = grad where the mask says so or, if there is none, where out > 0; else 0. grad_x may be grad. */
void NAME(relu_grad)(isize size, const void *grad, const void *out, const uint8_t *mask, void *grad_x, int n_threads) {
    const isize chunks = ceil_div(size, RELU_CHUNK);
    const int past = NAME(goes_past)(size, grad, grad_x);
    const int team = team_begin(n_threads, chunks > 1 ? (mask ? 2.0 : 3.0) * size * sizeof(REAL) / BYTES_PER_NS : 0.0);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (isize chunk = 0; chunk < chunks; chunk++) {
        const isize first = chunk * RELU_CHUNK, last = min_size(size, first + RELU_CHUNK);
        if (mask && past) NAME(relu_grad_run)(grad, NULL, mask, grad_x, first, last, 1);
        else if (mask) NAME(relu_grad_run)(grad, NULL, mask, grad_x, first, last, 0);
        else if (past) NAME(relu_grad_run)(grad, out, NULL, grad_x, first, last, 1);
        else NAME(relu_grad_run)(grad, out, NULL, grad_x, first, last, 0);
    }
    team_end(team);
}

#endif
