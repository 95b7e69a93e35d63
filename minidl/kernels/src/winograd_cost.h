/* When Winograd's algorithm pays and in which order it works, in cycles of a core that makes two vector multiply-adds in each.
 *
 *     ordinary   0.6 per multiply-add of a vector (the packed core reaches about 85 % of the peak)
 *     products   0.55 per multiply-add, and 5 per tile and panel for what a short sum costs on top
 *     tiles      7 per value of the domain for the data of a vector of channels, and 7 for the outputs
 *     weights    4 per value of the domain, each time that they are transformed
 *     traffic    1 for 16 bytes that come from behind the second cache, for 4 where all caches are too small
 *
 * Transformed weights U are points^2 / taps^2 times as large as the weights, transformed data V points^2 / tile^2 times as the data; with
 * hundreds of channels and few tiles the time goes where these move. Two orders (conv_winograd.h):
 *
 *     by tiles    U of all weights once; each block of tiles reads all of U        for many tiles, whose U stays in the second cache
 *     by panels   V of some hundred tiles; each panel of filters reads all of V and makes its U, some channels at a time
 *
 * The figures are fits to bench_conv.Conv2d and the rows `conv` of benchmarks/peers.py; they decide by the shape alone. */
#ifndef MINIDL_WINOGRAD_COST_H
#define MINIDL_WINOGRAD_COST_H

#include <math.h>

#include "kernels.h"
#include "matrices.h"
#include "simd.h"

#define DOMAIN_VALUES (1 << 18)  /* by tiles: V and M of a block have about so many values */
#define ROUND_VALUES (5 << 19)   /* by panels: V of a round has at most about so many values */
#define ROUND_TILES 256          /* and so many tiles */
#define NEAR_BYTES (768 << 10)   /* that stay in the second cache */
#define SHARED_BYTES (20 << 20)  /* that stay in the third, which others use as well */

typedef struct {
    int by_panels;
    isize block, blocks, panels; /* tiles at a time, how often; panels of filters */
} NAME(winograd_order);

/* A 4x4 filter with stride 2 is four of 2x2, one for each pair of phases (even and odd rows and columns): steps from phase to phase,
 * phases, and the grid of an axis of the inputs, on which the same pixels of every phase lie. */
INLINE isize winograd_step(const conv_shape *s) { return s->kernel[1] == 4 ? 2 : 1; }
INLINE isize winograd_phases(const conv_shape *s) { return winograd_step(s) * winograd_step(s); }
INLINE isize winograd_grid(const conv_shape *s, int d) {
    const isize step = winograd_step(s);
    return (s->pad[d] + s->in[d] - 1) / step - s->pad[d] / step + 1;
}

/* Cycles of so many bytes that lie behind the second cache, among `all` that are in use at the time. */
INLINE double traffic(double bytes, double all) { return bytes / (all > SHARED_BYTES ? 4 : 16); }

/* What two threads wait for each other where `items` lie between two barriers, as a part of the work: for the odd one, and for the last one. */
INLINE double waiting(double items) { return ceil(items / 2) * 2 / items - 1 + 0.3 / items; }

/* Cycles for `tiles` tiles of points x points values of each of some groups: rows of A are tiles, the sum runs over channels, columns of B are
 * `chunks` vectors of filters. Says the better order, of which one by panels may be excluded. */
static double NAME(winograd_cost)(isize groups, isize channels, isize chunks, isize tiles, isize points, int panels_too, NAME(winograd_order) *order) {
    const double matrices = points * points, value = matrices * sizeof(REAL), u = value * channels * chunks * LANES, v = value * channels * tiles;
    const double m = value * tiles * chunks * LANES, weights = matrices * 4.0 * channels * chunks;
    const double products = matrices * tiles * (0.55 * channels * chunks + 7.0 * (ceil_div(channels, LANES) + chunks) + 5.0 * ceil_div(chunks, NV));
    const isize affordable = DOMAIN_VALUES / (isize)(matrices * (channels + chunks * LANES));
    NAME(winograd_order) by_tiles = {0, even_block(tiles, max_size(4 * MR, min_size(12 * MR, affordable)), 1), 0, ceil_div(chunks, NV)};
    NAME(winograd_order) by_panels = {1, even_block(tiles, max_size(8 * MR, min_size(ROUND_TILES, ROUND_VALUES / (isize)(matrices * channels))), 1)};
    const double blocks = by_tiles.blocks = ceil_div(tiles, by_tiles.block), rounds = by_panels.blocks = ceil_div(tiles, by_panels.block);
    const double panels = by_panels.panels = min_size(chunks, round_up(ceil_div(chunks, NV), 2));

    double first = products + weights, second = products + weights * rounds;
    if (u > NEAR_BYTES) first += traffic(u * (1 + blocks), u);
    if (v + m > NEAR_BYTES * blocks) first += traffic(2 * (v + m - NEAR_BYTES * blocks), u);
    if (v > NEAR_BYTES * rounds) second += traffic(v * (1 + panels), v / rounds);
    if (m > NEAR_BYTES * rounds * panels) second += traffic(2 * m, v / rounds);
    const int better = panels_too && second + products * waiting(groups * panels) < first + products * waiting(groups * blocks);
    *order = better ? by_panels : by_tiles;
    return better ? second : first;
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
        NAME(winograd_order) order;
        const isize tiles = s->images * ceil_div(size[1], tile) * ceil_div(size[2], tile);
        const double cost = NAME(winograd_cost)(s->groups, channels, ceil_div(filters, LANES), tiles, tile + taps - 1, step == 1, &order);
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
