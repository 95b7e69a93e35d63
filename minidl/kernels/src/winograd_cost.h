/* When Winograd's algorithm pays, in cycles of a core that makes two vector multiply-adds in each.
 *
 *     ordinary   0.6 per multiply-add of a vector (the packed core reaches about 85 % of the peak)
 *     products   0.55 per multiply-add, and 5 per tile and panel for what a short sum costs on top
 *     tiles      7 per value of the domain for the data of a vector of channels, and 7 for the outputs
 *     weights    4 per value of the domain
 *
 * The figures are fits to bench_conv.Conv2d and the rows `conv` of benchmarks/peers.py; they decide by the shape alone. */
#ifndef MINIDL_WINOGRAD_COST_H
#define MINIDL_WINOGRAD_COST_H

#include "kernels.h"
#include "simd.h"

/* A 4x4 filter with stride 2 is four of 2x2, one for each pair of phases (even and odd rows and columns): steps from phase to phase,
 * phases, and the grid of an axis of the inputs, on which the same pixels of every phase lie. */
INLINE isize winograd_step(const conv_shape *s) { return s->kernel[1] == 4 ? 2 : 1; }
INLINE isize winograd_phases(const conv_shape *s) { return winograd_step(s) * winograd_step(s); }
INLINE isize winograd_grid(const conv_shape *s, int d) {
    const isize step = winograd_step(s);
    return (s->pad[d] + s->in[d] - 1) / step - s->pad[d] / step + 1;
}

/* Cycles for an image of `size` outputs: rows of A (channels), columns of B (filters), and what each of the weights costs. */
static double NAME(winograd_cost)(const conv_shape *s, isize channels, isize filters, const isize size[3], isize tile) {
    const double chunks = ceil_div(filters, LANES), channel_chunks = ceil_div(channels, LANES), points = tile + s->kernel[1] / winograd_step(s) - 1;
    const double tiles = (double)s->images * ceil_div(size[1], tile) * ceil_div(size[2], tile);
    const double per_tile = 0.55 * channels * chunks + 7.0 * (channel_chunks + chunks) + 5.0 * ceil_div((isize)chunks, NV);
    return points * points * (tiles * per_tile + 4.0 * channels * chunks);
}

/* The tile that is cheapest, 0 for the ordinary kernel: 3x3 and 5x5 filters with unit stride and dilation, 4x4 filters with stride 2.
 * Channels or filters are those of all phases. */
static int NAME(best_tile)(const conv_shape *s, isize channels, isize filters, const isize size[3]) {
    const isize kernel = s->kernel[1], step = winograd_step(s), taps = kernel / step;
    if (s->kernel[0] != 1 || s->in[0] != 1 || s->out[0] != 1 || kernel != s->kernel[2] || kernel < 3 || kernel > 5) return 0;
    for (int d = 1; d < 3; d++)
        if (s->stride[d] != step || s->dilation[d] != 1 || s->in[d] < 1 || s->out[d] < 1) return 0;
    if (s->images < 1 || s->channels < 16 || s->filters < 16) return 0; /* lanes would be empty */
    double least = 0.6 * taps * taps * channels * ceil_div(filters, LANES) * s->images * size[1] * size[2];
    int best = 0;
    for (int tile = step == 2 ? 3 : 2; tile <= min_size(s->winograd, kernel == 3 ? 4 : kernel == 4 ? 3 : 2); tile += 2) {
        const double cost = NAME(winograd_cost)(s, channels, filters, size, tile);
        if (cost < least) {
            least = cost;
            best = tile;
        }
    }
    return best;
}

/* The tiles of the three convolutions: 4, 3 or 2, or 0 for the ordinary kernel. */
static int NAME(winograd_tile)(const conv_shape *s, int transposed) {
    const isize grid[3] = {1, winograd_grid(s, 1), winograd_grid(s, 2)}, channels = s->channels * winograd_phases(s);
    return transposed ? NAME(best_tile)(s, s->filters, channels, grid) : NAME(best_tile)(s, channels, s->filters, s->out);
}

static int NAME(winograd_weight_tile)(const conv_shape *s) { return NAME(best_tile)(s, s->filters, s->channels * winograd_phases(s), s->out); }

#endif
