/* Which tap of its window each lane of a vector of outputs chose: small numbers, in memory a byte each.
 *
 * `chosen` is what a comparison of lanes gives and `pick` takes; `taps` holds one number per lane. With AVX-512 these are a
 * mask register and bytes, elsewhere vectors of integers as wide as the values. `stays` says where the best is neither
 * exceeded nor met by a NaN; `load_bits` reads the lanes whose bit is set. */
#ifndef MINIDL_TAP_H
#define MINIDL_TAP_H

#include "simd.h"

#define TAP_BYTES (VB / sizeof(REAL)) /* of the taps of a vector in memory */

#if defined(__AVX512BW__) && defined(__AVX512VL__)
typedef uint8_t taps __attribute__((vector_size(16)));

#if REAL_BITS == 32
typedef __mmask16 chosen;
INLINE chosen stays(vec best, vec value) { /* two compares, the second under the mask of the first: no arithmetic on masks */
    return _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask((__m512)value, (__m512)value, _CMP_ORD_Q), (__m512)value, (__m512)best, _CMP_NGT_UQ);
}
INLINE chosen exceeds(vec a, vec b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ); }
INLINE vec pick(chosen mask, vec a, vec b) { return (vec)_mm512_mask_mov_ps((__m512)b, mask, (__m512)a); }
INLINE void store_taps(uint8_t *p, taps t) { _mm_storeu_si128((__m128i *)p, (__m128i)t); }
INLINE taps load_taps(const uint8_t *p) { return (taps)_mm_loadu_si128((const __m128i *)p); }
INLINE vec load_bits(const REAL *p, uint64_t bits, REAL filler) { return (vec)_mm512_mask_loadu_ps(_mm512_set1_ps(filler), (__mmask16)bits, p); }
#else
typedef __mmask8 chosen;
INLINE chosen stays(vec best, vec value) {
    return _mm512_mask_cmp_pd_mask(_mm512_cmp_pd_mask((__m512d)value, (__m512d)value, _CMP_ORD_Q), (__m512d)value, (__m512d)best, _CMP_NGT_UQ);
}
INLINE chosen exceeds(vec a, vec b) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GT_OQ); }
INLINE vec pick(chosen mask, vec a, vec b) { return (vec)_mm512_mask_mov_pd((__m512d)b, mask, (__m512d)a); }
INLINE void store_taps(uint8_t *p, taps t) { _mm_storel_epi64((__m128i *)p, (__m128i)t); }
INLINE taps load_taps(const uint8_t *p) { return (taps)_mm_loadl_epi64((const __m128i *)p); }
INLINE vec load_bits(const REAL *p, uint64_t bits, REAL filler) { return (vec)_mm512_mask_loadu_pd(_mm512_set1_pd(filler), (__mmask8)bits, p); }
#endif
INLINE taps all_taps(isize number) { return (taps)_mm_set1_epi8((char)number); }
INLINE taps pick_taps(chosen mask, taps a, taps b) { return (taps)_mm_mask_mov_epi8((__m128i)b, mask, (__m128i)a); }
INLINE chosen equal_taps(taps a, taps b) { return (chosen)_mm_cmpeq_epi8_mask((__m128i)a, (__m128i)b); }

#else
typedef ivec taps;
typedef ivec chosen;
typedef uint8_t tap_bytes __attribute__((vector_size(VB / sizeof(REAL)), aligned(1), may_alias));

INLINE chosen stays(vec best, vec value) { return ~((ivec)(value > best) | (ivec)(value != value)); }
INLINE chosen exceeds(vec a, vec b) { return (ivec)(a > b); }
INLINE vec pick(chosen mask, vec a, vec b) { return choose(mask, a, b); }
INLINE void store_taps(uint8_t *p, taps t) { *(tap_bytes *)p = __builtin_convertvector(t, tap_bytes); }
INLINE taps load_taps(const uint8_t *p) { return __builtin_convertvector(*(const tap_bytes *)p, ivec); }
INLINE vec load_bits(const REAL *p, uint64_t bits, REAL filler) {
    const uint64_t all = ((uint64_t)1 << LANES) - 1;
    REAL lane[TAP_BYTES];
    if ((bits & all) == all) return load(p);
    for (isize i = 0; i < LANES; i++) lane[i] = bits >> i & 1 ? p[i] : filler;
    return load(lane);
}
INLINE taps all_taps(isize number) {
    ivec t = {0};
    return (int)number - t;
}
INLINE taps pick_taps(chosen mask, taps a, taps b) { return (mask & a) | (~mask & b); }
INLINE chosen equal_taps(taps a, taps b) { return (ivec)(a == b); }
#endif

#endif
