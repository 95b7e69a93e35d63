/* Weight gradient of a convolution: a sum over images and pixels, on the packed core.
 *
 *     grad_weight[f, (c, t)] = sum over image n, pixel  x[n, c, pixel * stride - pad + t * dilation] * grad[n, f, pixel]
 *
 * Rows of the product are (c, t), columns are filters. Row (c, t) of the patch matrix is the padded image itself, read
 * from a shifted origin with a step of `stride`: broadcasts take it from where it lies, whatever the stride, and nothing
 * is packed. B is the gradient with filters innermost, transposed once per image:
 *
 *     rows (c, t)    o a b c d o  ->  a_row[t] + pixel * stride        n_blocks = rows of the output,
 *     B              [pixel][filter]                                   kc = pixels of such a row
 *
 * Images are cut into slices by the shape alone; each slice has a sum of its own and the slices are added in order, so the
 * bits do not depend on the threads. */
#ifndef MINIDL_CONV_WEIGHT_H
#define MINIDL_CONV_WEIGHT_H

#include "conv.h"

#define WEIGHT_ITEMS 16            /* pieces that the work is cut into, at least */
#define GRAD_BYTES (192 << 10)     /* of the transposed gradient: rows of the output that stay in the second cache */
#define TURN_PIXELS 64
#define SLICE_BYTES (4 << 20)      /* what the sums of all slices may take */

typedef struct {
    isize low[3], padded[3], padded_channel; /* one channel with its padding */
    isize taps, rows, cols;                  /* kernel volume, channels * taps, filters rounded up to vectors */
    isize slices, blocks, block_channels;    /* of images; of channels */
    isize band;                              /* rows of the output at a time */
    isize sum_size, thread_scratch;
} NAME(weight_plan);

static NAME(weight_plan) NAME(plan_weight)(const conv_shape *s) {
    NAME(weight_plan) p;
    for (int d = 0; d < 3; d++) {
        p.low[d] = s->pad[d];
        p.padded[d] = max_size(s->in[d] + s->pad[d], (s->out[d] - 1) * s->stride[d] + (s->kernel[d] - 1) * s->dilation[d] + 1);
    }
    p.padded_channel = volume(p.padded);
    p.taps = volume(s->kernel);
    p.rows = s->channels * p.taps;
    p.cols = round_up(s->filters, LANES);
    p.sum_size = p.rows * p.cols;
    const isize affordable = SLICE_BYTES / (isize)sizeof(REAL) / max_size(1, p.sum_size * s->groups);
    p.slices = max_size(1, min_size(min_size(WEIGHT_ITEMS, s->images), affordable));
    p.blocks = min_size(s->channels, ceil_div(WEIGHT_ITEMS, p.slices * s->groups));
    p.block_channels = ceil_div(s->channels, max_size(1, p.blocks));
    p.blocks = ceil_div(s->channels, max_size(1, p.block_channels));
    p.band = max_size(1, min_size(s->out[1], GRAD_BYTES / (isize)sizeof(REAL) / max_size(1, s->out[2] * p.cols)));
    p.band = max_size(1, ceil_div(s->out[1], max_size(1, ceil_div(s->out[1], p.band))));
    p.thread_scratch = round_up(p.block_channels * p.padded_channel, LANES) + p.band * s->out[2] * p.cols;
    return p;
}

/* Row r = (c, t) of the patch matrix starts here in the padded channels. */
static isize NAME(patch_row)(const NAME(weight_plan) *p, const conv_shape *s, isize r) {
    const isize c = r / p->taps, t = r % p->taps;
    const isize t0 = t / (s->kernel[1] * s->kernel[2]), t1 = t / s->kernel[2] % s->kernel[1], t2 = t % s->kernel[2];
    return c * p->padded_channel + ((t0 * s->dilation[0]) * p->padded[1] + t1 * s->dilation[1]) * p->padded[2] + t2 * s->dilation[2];
}

/* sum[rows x cols] (+)= patches of `band` rows of outputs * their transposed gradient; padded: where the first of them reads. */
static void NAME(add_band)(const NAME(weight_plan) *p, const conv_shape *s, const REAL *padded, const REAL *grad_t, isize band, isize rows, int add,
                           REAL *sum) {
    isize a_row[MR];
    NAME(tile_job) job = {.kc = s->out[2], .n_blocks = band, .a = padded, .a_row = a_row, .a_step = s->stride[2],
                          .a_block = s->stride[1] * p->padded[2], .ldc = p->cols, .add = add};
    for (isize r = 0; r < rows; r += MR) {
        const isize count = min_size(MR, rows - r);
        for (isize i = 0; i < count; i++) a_row[i] = NAME(patch_row)(p, s, r + i);
        for (isize j = 0; j < p->cols; j += NR) {
            const isize width = min_size(NR, p->cols - j), vecs = width / LANES;
            job.ldb = width;
            job.b = grad_t + j * band * s->out[2];
            job.b_block = s->out[2] * width;
            job.c = sum + r * p->cols + j;
            NAME(tiles_rows)[vecs - 1][count - 1](&job);
        }
    }
}

/* The same for a whole image, band by band, so that the transposed gradient is read from the cache by all rows. */
static void NAME(add_image)(const NAME(weight_plan) *p, const conv_shape *s, const REAL *padded, const REAL *grad, REAL *grad_t, isize rows, int add,
                            REAL *sum) {
    const isize out = volume(s->out);
    for (isize d = 0; d < s->out[0]; d++)
        for (isize h = 0; h < s->out[1]; h += p->band, add = 1) {
            const isize band = min_size(p->band, s->out[1] - h), pixels = band * s->out[2];
            const REAL *from = grad + (d * s->out[1] + h) * s->out[2];
            for (isize j = 0; j < p->cols; j += NR) {
                const isize width = min_size(NR, p->cols - j);
                /* few pixels at a time: what is written of a line by some filters is still in the first cache for the others */
                for (isize k = 0; k < pixels; k += TURN_PIXELS)
                    NAME(pack)(grad_t + j * pixels + k * width, width, from + j * out + k, out, 1, min_size(width, s->filters - j),
                               min_size(TURN_PIXELS, pixels - k));
            }
            NAME(add_band)(p, s, padded + (d * s->stride[0] * p->padded[1] + h * s->stride[1]) * p->padded[2], grad_t, band, rows, add, sum);
        }
}

/* Values of scratch: the sums of all slices and groups, then per thread a padded image and a transposed gradient. */
static isize NAME(many_scratch)(const conv_shape *s, int n_threads) {
    const NAME(weight_plan) p = NAME(plan_weight)(s);
    return p.slices * s->groups * p.sum_size + n_threads * p.thread_scratch + LANES;
}

/* One item: the images of a slice against a block of channels of a group. */
static void NAME(weight_item)(const NAME(weight_plan) *p, const conv_shape *s, isize item, const REAL *grad, const REAL *x, REAL *sums, REAL *scratch) {
    const isize block = item % p->blocks, group = item / p->blocks % s->groups, slice = item / p->blocks / s->groups;
    const isize c0 = block * p->block_channels, count = min_size(p->block_channels, s->channels - c0);
    const isize first = s->images * slice / p->slices, last = s->images * (slice + 1) / p->slices;
    const isize out = volume(s->out), in = volume(s->in);
    REAL *padded = scratch, *grad_t = scratch + round_up(p->block_channels * p->padded_channel, LANES);
    REAL *sum = sums + (slice * s->groups + group) * p->sum_size + c0 * p->taps * p->cols;
    for (isize n = first; n < last; n++) {
        const REAL *grad_n = grad + (n * s->groups + group) * s->filters * out;
        NAME(pad_image)(p->low, s->in, p->padded, count, x + ((n * s->groups + group) * s->channels + c0) * in, padded);
        NAME(add_image)(p, s, padded, grad_n, grad_t, count * p->taps, n > first, sum);
    }
    if (first == last) zero_run(sum, count * p->taps * p->cols);
}

/* grad_weight[f, r] = sum over slices, in order, for rows r of one block. */
static void NAME(join_slices)(const NAME(weight_plan) *p, const conv_shape *s, isize group, isize r, isize rows, REAL *sums, REAL *grad_weight) {
    REAL *total = sums + group * p->sum_size + r * p->cols;
    const isize next = s->groups * p->sum_size;
    for (isize slice = 1; slice < p->slices; slice++)
        for (isize i = 0; i < rows * p->cols; i++) total[i] += total[slice * next + i];
    NAME(transpose)(grad_weight + group * s->filters * p->rows + r, p->rows, total, p->cols, 1, rows, s->filters);
}

/* grad_weight [groups * filters][channels][kernel] from grad [n][groups * filters][out] and x [n][groups * channels][in]. */
static void NAME(many_grad_weight)(const conv_shape *s, const REAL *grad, const REAL *x, REAL *grad_weight, REAL *sums, int n_threads) {
    const NAME(weight_plan) p = NAME(plan_weight)(s);
    const isize items = p.slices * s->groups * p.blocks, chunk = 64, chunks = ceil_div(p.rows, chunk);
    const double cost = 2.0 * s->images * s->groups * s->channels * s->filters * p.taps * volume(s->out) / FLOPS_PER_NS;
    const int team = team_begin(n_threads, cost);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *mine = sums + p.slices * s->groups * p.sum_size + thread_index() * p.thread_scratch;
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < items; item++) NAME(weight_item)(&p, s, item, grad, x, sums, mine);
#pragma omp for schedule(static)
        for (isize i = 0; i < s->groups * chunks; i++) {
            const isize r = i % chunks * chunk;
            NAME(join_slices)(&p, s, i / chunks, r, min_size(chunk, p.rows - r), sums, grad_weight);
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
