/* Activations of straight pieces whose derivative is 1 or 0: the rectifier, limits, shrinkage, threshold. Their gradient is relu_grad. */
#ifndef MINIDL_PIECES_H
#define MINIDL_PIECES_H

#include "relu.h"

enum { RECTIFIER, HARDTANH, HARDSHRINK, SOFTSHRINK, THRESHOLD };

INLINE vec NAME(limited)(vec v, vec low, vec high) {
    const vec least = choose((ivec)(v < low), low, v);
    return choose((ivec)(least > high), high, least);
}

/* The value of a kind at v, and by way of the pointer something above 0 in the lanes whose gradient passes. NaN stays NaN. */
INLINE vec NAME(piece)(const int kind, vec v, const REAL *options, vec *passes) {
    const vec zero = {0}, one = splat(1), first = splat(options[0]), second = splat(options[1]);
    ivec stops; /* or, where a comparison with NaN must fail, its contrary */
    switch (kind) {
        case RECTIFIER:
            *passes = v;
            return choose((ivec)(v < zero), zero, v);
        case HARDTANH:
            *passes = choose((ivec)(v > first) & (ivec)(v < second), one, zero);
            return NAME(limited)(v, first, second);
        case HARDSHRINK:
            stops = (ivec)(v >= -first) & (ivec)(v <= first);
            *passes = choose(stops, zero, one);
            return choose(stops, zero, v);
        case SOFTSHRINK:
            *passes = choose((ivec)(v < -first) | (ivec)(v > first), one, zero);
            return v - NAME(limited)(v, -first, first);
        default:
            stops = (ivec)(v <= first);
            *passes = choose(stops, zero, one);
            return choose(stops, second, v);
    }
}

/* Values first .. last; `mask` NULL where nobody asks for a gradient; `past` stores whole vectors past the caches. */
INLINE void NAME(pieces_run)(const int kind, const REAL *options, const REAL *x, REAL *out, uint8_t *mask, isize first, isize last, const int past) {
    for (isize i = first; i < last; i += BIT_GROUP) {
        uint32_t bits = 0;
        for (isize lane = 0; lane < BIT_GROUP && i + lane < last; lane += LANES) {
            const isize at = i + lane;
            vec passes;
            const vec y = NAME(piece)(kind, load_up_to(x + at, last - at), options, &passes);
            if (past && last - at >= LANES) store_past(out + at, y);
            else store_up_to(out + at, y, last - at);
            bits |= positive_bits(passes) << lane;
        }
        if (!mask) continue;
        if (last - i < BIT_GROUP) bits &= (1u << (last - i)) - 1;
        mask[i / 8] = (uint8_t)bits;
        if (BIT_GROUP > 8 && last - i > 8) mask[i / 8 + 1] = (uint8_t)(bits >> 8);
    }
    if (past) store_past_end();
}

/* The same, with a loop of its own for each case: without a mask nothing goes past the caches. */
INLINE void NAME(pieces_chunk)(const int kind, const REAL *options, const REAL *x, REAL *out, uint8_t *mask, isize first, isize last, int past) {
    if (past) NAME(pieces_run)(kind, options, x, out, mask, first, last, 1);
    else if (mask) NAME(pieces_run)(kind, options, x, out, mask, first, last, 0);
    else NAME(pieces_run)(kind, options, x, out, NULL, first, last, 0);
}

/* out = the activation of x; out may be x. `given` are the options of the kind. A large result goes past the caches where there is a mask,
 * since the other arrays of a training step drive it out of them anyway. */
void NAME(pieces)(int kind, const double *given, isize size, const void *x, void *out, uint8_t *mask, int n_threads) {
    const REAL options[2] = {(REAL)given[0], (REAL)given[1]};
    const isize chunks = ceil_div(size, RELU_CHUNK);
    const int past = mask && NAME(goes_past)(size, x, out);
    const int team = team_begin(n_threads, chunks > 1 ? 2.0 * size * sizeof(REAL) / BYTES_PER_NS : 0.0);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (isize chunk = 0; chunk < chunks; chunk++) {
        const isize first = chunk * RELU_CHUNK, last = min_size(size, first + RELU_CHUNK);
        switch (kind) {
            case RECTIFIER: NAME(pieces_chunk)(RECTIFIER, options, x, out, mask, first, last, past); break;
            case HARDTANH: NAME(pieces_chunk)(HARDTANH, options, x, out, mask, first, last, past); break;
            case HARDSHRINK: NAME(pieces_chunk)(HARDSHRINK, options, x, out, mask, first, last, past); break;
            case SOFTSHRINK: NAME(pieces_chunk)(SOFTSHRINK, options, x, out, mask, first, last, past); break;
            default: NAME(pieces_chunk)(THRESHOLD, options, x, out, mask, first, last, past);
        }
    }
    team_end(team);
}

#endif
