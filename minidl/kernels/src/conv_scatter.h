/* Data gradient at stride 1 of a small image that is padded by little: rows of grad, multiplied and added where they belong.
 *
 *     grad_x[c, row + shift(t)]  +=  sum over f, kw of  weight[f, c, t, kw] * grad[f, row - kw]       for each kernel row t
 *
 * conv.h computes a pixel of grad_x from all taps around it, and at the border most of them lie outside of grad: 14 x 14 inputs
 * of a 5 x 5 kernel read 10 x 10 values of grad inside a border 4 wide, so that half of the products are with zeros. From
 * the side of grad there are no rows of zeros. It is copied once to the width of the (padded) image
 *
 *     a b c o o     so that pixel v of a row and its place v + shift(t) in the image run in step, whole panels at a time:
 *     d e f o o     a tile is C[channels][pixels] += sum over kw of weight[:, channels, t, kw]^T grad[:, pixels - kw], with C
 *     g h i o o     inside the image, which stays in the first cache while all kernel rows are added to it.
 *
 * Where a weight is not finite, the zeros between the rows would become NaN, so the caller must not come here. */
#ifndef MINIDL_CONV_SCATTER_H
#define MINIDL_CONV_SCATTER_H

#include "conv.h"
#include "matrices.h"

typedef struct {
    isize padded[3];  /* sizes of an image with its padding */
    isize lead;       /* zeros before the first row of grad */
    isize panels;     /* of NR pixels of grad, at the width of the image */
    isize grad_row;   /* from one filter of the copied grad to the next */
    isize channel;    /* from one channel of the image to the next: the last panel reaches a little beyond it */
    isize rows, k;    /* rows of a kernel, and steps of the sum of each: (filter, kw) */
    isize a_size;
} NAME(scatter);

static NAME(scatter) NAME(plan_scatter)(const conv_shape *s) {
    NAME(scatter) p = {.lead = round_up((s->kernel[2] - 1) * s->dilation[2], LANES), .rows = s->kernel[0] * s->kernel[1], .k = s->filters * s->kernel[2]};
    for (int d = 0; d < 3; d++) p.padded[d] = s->in[d] + 2 * s->pad[d];
    const isize reach = ((s->out[0] - 1) * p.padded[1] + s->out[1]) * p.padded[2];
    p.a_size = s->channels * p.rows * p.k;
    p.panels = ceil_div(reach, NR);
    p.grad_row = p.lead + round_up(s->out[0] * p.padded[1] * p.padded[2], NR);
    p.channel = round_up(volume(p.padded) + p.panels * NR - reach, LANES);
    return p;
}

static isize NAME(scatter_thread)(const conv_shape *s, const NAME(scatter) *p) { return s->filters * p->grad_row + s->channels * p->channel; }

static isize NAME(scatter_scratch)(const conv_shape *s, int n_threads) {
    const NAME(scatter) p = NAME(plan_scatter)(s);
    return round_up(s->groups * p.a_size, LANES) + p.k * (isize)(sizeof(isize) / sizeof(REAL) + 1) + n_threads * NAME(scatter_thread)(s, &p);
}

/* Whether the tiles cost less this way, adding to the image included, than by conv.h, whose pixels over the padding count too. */
static int NAME(is_scatter)(const conv_shape *s) {
    NAME(correlation) other;
    if (s->stride[0] != 1 || s->stride[1] != 1 || s->stride[2] != 1 || volume(s->out) == 0 || volume(s->in) == 0
        || s->filters * s->kernel[2] > KC_MAX) return 0;
    const NAME(scatter) p = NAME(plan_scatter)(s);
    if (NAME(scatter_thread)(s, &p) * (isize)sizeof(REAL) > (256 << 10)) return 0;
    NAME(plan_phase)(&other, s, 0, 0);
    const double pixels = other.shifted ? other.panels * (double)NR : 1.2 * volume(other.grid); /* packing costs its part */
    return p.panels * NR * (p.k + 4.0) < 0.85 * pixels * p.k;
}

/* to: for each panel of channels and each row of the kernel, [(filter, kw)][channel]. */
static void NAME(pack_scatter)(const conv_shape *s, const NAME(scatter) *p, const REAL *weight, isize c, REAL *to) {
    const isize rows = min_size(MR, s->channels - c), taps = volume(s->kernel);
    to += c * p->rows * p->k;
    for (isize t = 0; t < p->rows; t++)
        for (isize f = 0; f < s->filters; f++)
            for (isize kw = 0; kw < s->kernel[2]; kw++, to += rows)
                for (isize r = 0; r < rows; r++) to[r] = weight[(f * s->channels + c + r) * taps + t * s->kernel[2] + kw];
}

/* Copies of the filters of grad at the width of the image. */
static void NAME(spread_grad)(const conv_shape *s, const NAME(scatter) *p, const REAL *grad, REAL *to) {
    const isize none[3] = {0}, spread[3] = {s->out[0], p->padded[1], p->padded[2]};
    for (isize f = 0; f < s->filters; f++, grad += volume(s->out), to += p->grad_row) {
        zero_run(to, p->lead);
        NAME(pad_image)(none, s->out, spread, 1, grad, to + p->lead);
        zero_run(to + p->lead + volume(spread), p->grad_row - p->lead - volume(spread));
    }
}

/* One group of one image; b_row: where each row of B starts in the copied grad. */
static void NAME(scatter_image)(const conv_shape *s, const NAME(scatter) *p, const isize *b_row, const REAL *packed, const REAL *grad, REAL *grad_x,
                                REAL *scratch) {
    REAL *image = scratch + s->filters * p->grad_row;
    NAME(tile_job) job = {.kc = p->k, .n_blocks = 1, .b_row = b_row, .ldc = p->channel, .add = 1};
    NAME(spread_grad)(s, p, grad, scratch);
    zero_run(image, s->channels * p->channel);
    for (isize c = 0; c < s->channels; c += MR) {
        const isize rows = min_size(MR, s->channels - c);
        for (isize t = 0; t < p->rows; t++) {
            const isize kd = t / s->kernel[1], kh = t % s->kernel[1];
            REAL *to = image + c * p->channel + (kd * s->dilation[0] * p->padded[1] + kh * s->dilation[1]) * p->padded[2];
            job.a = packed + (c * p->rows + t * rows) * p->k;
            for (isize panel = 0; panel < p->panels; panel++) {
                job.b = scratch + panel * NR;
                job.c = to + panel * NR;
                NAME(tiles_shifted)[NV - 1][rows - 1](&job);
            }
        }
    }
    image += (s->pad[0] * p->padded[1] + s->pad[1]) * p->padded[2] + s->pad[2];
    for (isize c = 0; c < s->channels; c++, image += p->channel)
        for (isize d = 0; d < s->in[0]; d++)
            for (isize h = 0; h < s->in[1]; h++, grad_x += s->in[2]) copy_run(grad_x, image + (d * p->padded[1] + h) * p->padded[2], s->in[2]);
}

static void NAME(scatter_grad_x)(const conv_shape *s, const REAL *grad, const REAL *weight, REAL *grad_x, REAL *packed, int n_threads) {
    const NAME(scatter) p = NAME(plan_scatter)(s);
    const isize panels = ceil_div(s->channels, MR);
    isize *b_row = (isize *)(packed + round_up(s->groups * p.a_size, LANES));
    REAL *scratch = (REAL *)(b_row + p.k);
    for (isize i = 0; i < p.k; i++) b_row[i] = i / s->kernel[2] * p.grad_row + p.lead - i % s->kernel[2] * s->dilation[2];
    const int team = team_begin(n_threads, 2.0 * s->images * s->groups * p.a_size * volume(s->out) / FLOPS_PER_NS);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *mine = scratch + thread_index() * NAME(scatter_thread)(s, &p);
#pragma omp for schedule(static)
        for (isize i = 0; i < s->groups * panels; i++)
            NAME(pack_scatter)(s, &p, weight + i / panels * p.a_size, i % panels * MR, packed + i / panels * p.a_size);
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < s->images * s->groups; item++)
            NAME(scatter_image)(s, &p, b_row, packed + item % s->groups * p.a_size, grad + item * s->filters * volume(s->out),
                                grad_x + item * s->channels * volume(s->in), mine);
        denormals_on(mode);
    }
    team_end(team);
}

#endif
