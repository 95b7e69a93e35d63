/* Weight gradient of a convolution with few weights: dot products along the pixels, whatever the stride.
 *
 *     grad_weight[f, (c, t)] = sum over v of  grad[f][v] * box[c, phase(t)][v + shift(t)]
 *
 * x is copied in boxes, with its padding and as its phases (conv_bands.h), so that every tap reads consecutive values for
 * consecutive pixels. The rows of grad are read where they lie if they are whole vectors; otherwise they are copied to the width
 * of the box, with zeros behind each row. A tile of FEW_F x FEW_T sums, each a vector of partial sums over v mod LANES, stays
 * in registers:
 *
 *              t0 t1 t2 t3 ..    loads per vector of pixels: FEW_F + FEW_T
 *         f0   .  .  .  .        multiply-adds:              FEW_F * FEW_T
 *         f1   .  .  .  .
 *         ..                     the lanes of a sum are added up once, at the end of a slice of the boxes
 *
 * Nothing is transposed, which is what the packed core of conv_weight.h spends most of its time on when there are few weights. The
 * pixels of a box are so few that FEW_F rows of grad stay in the first cache while all taps read them. */
#ifndef MINIDL_CONV_FEW_H
#define MINIDL_CONV_FEW_H

#include "conv_bands.h"
#include "conv_weight.h"
#include "lanes.h"

#if VB == 64
#define FEW_F 8
#define FEW_T 4
#else
#define FEW_F 4
#define FEW_T 3
#endif

#define FEW_PIXELS (3584 / (isize)sizeof(REAL)) /* of a plane of a box: FEW_F rows of grad leave room in the first cache */
#define FEW_BOX (192 << 10)                     /* bytes of a box of x */
#define FEW_SUMS (4 << 20)                      /* bytes of the sums of a thread */

typedef struct {
    const REAL *grad, *x, *ahead; /* ahead: what will be needed next, fetched meanwhile */
    const isize *shift;           /* of each tap in x */
    isize grad_row, sums_row;
    isize blocks, length, grad_block, x_block; /* runs of pixels, and how far apart they are */
    REAL *sums;
} NAME(few_job);

INLINE void NAME(few_tile)(const int filters, const int taps, const NAME(few_job) *job) {
    vec acc[FEW_F][FEW_T];
    const isize grad_row = job->grad_row, length = job->length;
    const REAL *ahead = job->ahead, *from[FEW_T];
    UNROLL(8)
    for (int f = 0; f < filters; f++)
        UNROLL(4)
        for (int t = 0; t < taps; t++) {
            acc[f][t] = (vec){0};
            __builtin_prefetch(job->sums + f * job->sums_row + t * LANES, 1);
        }
    for (isize block = 0; block < job->blocks; block++) {
        const REAL *grad = job->grad + block * job->grad_block;
        UNROLL(4)
        for (int t = 0; t < taps; t++) from[t] = job->x + block * job->x_block + job->shift[t];
        for (isize v = 0; v < length; v += LANES, ahead += LANES) {
            vec x[FEW_T];
            UNROLL(4)
            for (int t = 0; t < taps; t++) {
                x[t] = load(from[t] + v);
                IN_REGISTER(x[t]);
            }
            __builtin_prefetch(ahead);
            UNROLL(8)
            for (int f = 0; f < filters; f++) {
                vec g = load(grad + f * grad_row + v);
                IN_REGISTER(g);
                UNROLL(4)
                for (int t = 0; t < taps; t++) acc[f][t] += g * x[t];
            }
        }
    }
    UNROLL(8)
    for (int f = 0; f < filters; f++)
        UNROLL(4)
        for (int t = 0; t < taps; t++) {
            REAL *sum = job->sums + f * job->sums_row + t * LANES;
            store(sum, load(sum) + acc[f][t]);
        }
}

typedef void (*NAME(few_function))(const NAME(few_job) *);

#define FEW(filters, taps) \
    static void NAME(few_##filters##x##taps)(const NAME(few_job) * job) { NAME(few_tile)(filters, taps, job); }
#define FEWS(filters) FEW(filters, 1) FEW(filters, 2) FEW(filters, 3)
#define FEW_REF(filters, taps) NAME(few_##filters##x##taps)
#define FEW_REFS(filters) FEW_REF(filters, 1), FEW_REF(filters, 2), FEW_REF(filters, 3)

FEWS(1) FEWS(2) FEWS(3) FEWS(4)
#if FEW_F == 8
FEWS(5) FEWS(6) FEWS(7) FEWS(8)
FEW(1, 4) FEW(2, 4) FEW(3, 4) FEW(4, 4) FEW(5, 4) FEW(6, 4)
#define FEW_WIDEST(filters) (filters > 6 ? 3 : 4)
static const NAME(few_function) NAME(few_tiles)[FEW_F][FEW_T] = {
    {FEW_REFS(1), FEW_REF(1, 4)}, {FEW_REFS(2), FEW_REF(2, 4)}, {FEW_REFS(3), FEW_REF(3, 4)}, {FEW_REFS(4), FEW_REF(4, 4)},
    {FEW_REFS(5), FEW_REF(5, 4)}, {FEW_REFS(6), FEW_REF(6, 4)}, {FEW_REFS(7)}, {FEW_REFS(8)},
};
#else
#define FEW_WIDEST(filters) 3
static const NAME(few_function) NAME(few_tiles)[FEW_F][FEW_T] = {{FEW_REFS(1)}, {FEW_REFS(2)}, {FEW_REFS(3)}, {FEW_REFS(4)}};
#endif

typedef struct {
    band_plan bands;                /* boxes of x: the geometry of the forward pass */
    isize rows, f_tiles, t_tiles;   /* (c, t), and the tiles of the product */
    isize group, units, slices;     /* images that share a box; groups of images times boxes; slices of these */
    int in_place;                   /* grad is read where it lies */
    isize length, vecs;             /* pixels of a plane of a box, at its width; vectors of these, of all images that share the box */
    isize image_size, sum_size, thread_scratch;
} NAME(few_plan);

/* Boxes with about FEW_PIXELS in a plane; several planes or, of small images, several images. */
static void NAME(size_few)(NAME(few_plan) *p, const conv_shape *s) {
    band_axis *x = p->bands.axis;
    const isize width = s->out[2], pieces = ceil_div(width, FEW_PIXELS);
    p->in_place = width % LANES == 0 && width >= 4 * LANES;
    x[2].box = pieces > 1 ? round_up(ceil_div(width, pieces), LANES) : width;
    x[2].cuts = ceil_div(width, x[2].box);
    x[2].extent = x[2].box + x[2].spread;
    const isize line = p->in_place ? x[2].box : x[2].extent;
    cut_axis(x + 1, ceil_div(s->out[1], max_size(1, min_size(s->out[1], FEW_PIXELS / line))));
    for (isize cuts = 1; cuts <= s->out[0]; cuts++) {
        cut_axis(x, cuts);
        NAME(size_box)(&p->bands);
        if (s->channels * p->bands.channel * (isize)sizeof(REAL) <= FEW_BOX) break;
    }
    p->length = p->in_place ? x[1].box * x[2].box : round_up((x[1].box - 1) * x[2].extent + x[2].box, LANES);
    p->group = p->bands.boxes > 1 || s->out[0] > 1 || p->in_place ? 1 : max_size(1, min_size(s->images / 16, FEW_PIXELS / p->length));
    p->vecs = p->group * p->length / LANES;
}

static void NAME(plan_few)(NAME(few_plan) *p, const conv_shape *s) {
    band_plan *b = &p->bands;
    *b = (band_plan){.all = s->filters, .m = s->filters, .chunks = 1, .channels = s->channels};
    for (int d = 0; d < 3; d++) plan_forward_axis(b->axis + d, s, d);
    plan_groups(b);
    NAME(size_few)(p, s);
    p->rows = s->channels * volume(s->kernel);
    p->f_tiles = ceil_div(s->filters, FEW_F);
    p->t_tiles = ceil_div(p->rows, FEW_WIDEST(ceil_div(s->filters, p->f_tiles)));
    p->units = ceil_div(s->images, p->group) * b->boxes;
    /* the lanes of each slice are added up: with less than 128 vectors of pixels in it that would be felt */
    p->slices = 1;
    while (p->slices < WEIGHT_ITEMS && 2 * p->slices <= p->units && p->slices * 128 * LANES < s->images * volume(s->out)) p->slices *= 2;
    p->image_size = s->channels * b->channel;
    p->sum_size = s->filters * p->rows;
    p->thread_scratch = round_up(p->group * p->image_size + LANES, LANES) + (FEW_F * p->vecs + 2) * LANES + p->sum_size * LANES;
}

/* Cycles that this way takes: multiplying, copies of grad and of boxes, the sums between memory and registers, their lanes at the end.
 * The figures of this function and the next are fits to bench_conv.Conv2d and the rows `conv` of benchmarks/peers.py. */
static double NAME(few_cost)(const NAME(few_plan) *p, const conv_shape *s) {
    const isize tiles = p->f_tiles * p->t_tiles, bytes = p->sum_size * VB;
    const double planes = (double)p->bands.boxes * p->bands.axis[0].box * s->images, vecs = planes * p->length / LANES;
    const double multiply = 0.55 * p->sum_size / tiles, step = multiply > 4 ? multiply : 4;
    const double touch = bytes <= 256 << 10 ? 3 : bytes <= 1 << 20 ? 6 : 16;
    return vecs * (tiles * step + (p->in_place ? 0 : 4.0 * s->filters)) + 6.0 * p->bands.boxes * s->images * p->image_size / LANES
        + planes / p->group * (touch * p->sum_size + 50.0 * tiles) + 6.0 * p->slices * p->sum_size;
}

/* Cycles of conv_weight.h: tiles, and grad, which is transposed, the more slowly the farther it lies apart. */
static double NAME(many_cost)(const conv_shape *s) {
    const isize rows = s->channels * volume(s->kernel), cols = round_up(s->filters, LANES);
    const double bytes = (double)s->filters * volume(s->out) * sizeof(REAL);
    double pixel = s->filters * (bytes <= 512 << 10 ? 0.5 : bytes * s->images * s->groups <= 8 << 20 ? 1.5 : 2.3);
    for (isize j = 0; j < cols; j += NR)
        for (isize r = 0; r < rows; r += MR) {
            const double count = min_size(MR, rows - r), vecs = min_size(NR, cols - j) / LANES;
            const double multiply = count * vecs / 2, fetch = (count + vecs) / 2, slow = multiply > fetch ? multiply : fetch;
            pixel += 1.1 * (slow > 4 ? slow : 4);
        }
    return (double)s->images * volume(s->out) * pixel;
}

/* Whether a shape goes this way, and its plan. */
static int NAME(is_few)(NAME(few_plan) *p, const conv_shape *s) {
    for (int d = 0; d < 3; d++)
        if (s->stride[d] > MOST_STRIDE || s->in[d] == 0 || s->out[d] == 0) return 0;
    if (s->images == 0 || s->groups == 0 || s->channels == 0 || s->filters == 0
        || s->filters * s->channels * volume(s->kernel) * VB > FEW_SUMS) return 0;
    NAME(plan_few)(p, s);
    return p->image_size * (isize)sizeof(REAL) <= 2 * FEW_BOX && NAME(few_cost)(p, s) < NAME(many_cost)(s);
}

/* Values of scratch: the sums of all slices, rows of the box, then per thread a box, rows of grad at its width, and sums with their lanes. */
static isize NAME(few_scratch)(const NAME(few_plan) *p, const conv_shape *s, int n_threads) {
    return round_up(p->slices * s->groups * p->sum_size, LANES) + round_up(p->rows, LANES) * (isize)(sizeof(isize) / sizeof(REAL))
        + n_threads * p->thread_scratch + 2 * LANES;
}

/* What a box adds to all sums, plane by plane: x is in `box`, for `images` images; wide has room for rows of grad. */
static void NAME(few_unit)(const NAME(few_plan) *p, const conv_shape *s, const isize *shift, const isize pixel[3], isize images, const REAL *grad,
                           const REAL *box, REAL *wide, REAL *sums) {
    const band_axis *x = p->bands.axis;
    const isize out = volume(s->out), count = min_size(x[2].box, s->out[2] - pixel[2]), lines = min_size(x[1].box, s->out[1] - pixel[1]);
    const isize planes = min_size(x[0].box, s->out[0] - pixel[0]), values = (lines - 1) * x[2].extent + count;
    NAME(few_job) job = {.grad_row = p->group * p->length, .sums_row = p->rows * LANES, .blocks = images, .grad_block = p->length, .x_block = p->image_size};
    job.length = images > 1 ? p->length : round_up(values, LANES);
    if (p->in_place) {
        job.grad_row = out;
        job.blocks = lines;
        job.length = count;
        job.grad_block = s->out[2];
        job.x_block = x[2].extent;
    }
    for (isize g0 = 0; g0 < planes; g0++) {
        const REAL *plane = grad + ((pixel[0] + g0) * s->out[1] + pixel[1]) * s->out[2] + pixel[2];
        job.x = box + g0 * x[1].extent * x[2].extent;
        for (isize i = 0; i < p->f_tiles; i++) {
            const isize f = s->filters * i / p->f_tiles, next = s->filters * (i + 1) / p->f_tiles, filters = next - f;
            const REAL *ahead = i + 1 < p->f_tiles ? plane + next * out : plane + lines * s->out[2];
            job.grad = p->in_place ? plane + f * out : wide;
            for (isize j = 0; j < filters * images && !p->in_place; j++) {
                const isize of = j % images * s->groups * s->filters + f + j / images;
                REAL *to = wide + j / images * job.grad_row + j % images * p->length;
                NAME(widen_lines)(plane + of * out, s->out[2], count, x[2].extent, values, to);
                store(to + values, (vec){0}); /* behind the last pixel, up to the whole vectors that a tile reads */
            }
            for (isize t = 0; t < p->t_tiles; t++) {
                const isize r = p->rows * t / p->t_tiles, taps = p->rows * (t + 1) / p->t_tiles - r;
                job.shift = shift + r;
                job.ahead = ahead + t % FEW_F * out;
                job.sums = sums + (f * p->rows + r) * LANES;
                NAME(few_tiles)[filters - 1][taps - 1](&job);
            }
        }
    }
}

/* One slice of the boxes of one group; to: its sums. */
static void NAME(few_item)(const NAME(few_plan) *p, const conv_shape *s, const isize *shift, isize slice, isize group, const REAL *grad, const REAL *x,
                           REAL *to, REAL *scratch) {
    const band_plan *b = &p->bands;
    const isize in = volume(s->in), out = volume(s->out), n1 = b->axis[1].cuts, n2 = b->axis[2].cuts;
    REAL *wide = scratch + round_up(p->group * p->image_size + LANES, LANES), *sums = wide + (FEW_F * p->vecs + 2) * LANES;
    zero_run(sums, p->sum_size * LANES);
    for (isize unit = p->units * slice / p->slices; unit < p->units * (slice + 1) / p->slices; unit++) {
        const isize at = unit % b->boxes, first = unit / b->boxes * p->group, images = min_size(p->group, s->images - first);
        const isize pixel[3] = {at / (n1 * n2) * b->axis[0].box, at / n2 % n1 * b->axis[1].box, at % n2 * b->axis[2].box};
        for (isize n = 0; n < images; n++)
            NAME(copy_box)(b, x + ((first + n) * s->groups + group) * s->channels * in, pixel, scratch + n * p->image_size);
        zero_run(scratch + images * p->image_size, LANES); /* the last vector reads this far */
        NAME(few_unit)(p, s, shift, pixel, images, grad + (first * s->groups + group) * s->filters * out, scratch, wide, sums);
    }
    for (isize i = 0; i < p->sum_size; i += LANES) {
        vec v[N_LANES];
        for (isize lane = 0; lane < LANES; lane++) v[lane] = i + lane < p->sum_size ? load(sums + (i + lane) * LANES) : (vec){0};
        store_up_to(to + i, NAME(sum_square)(v), p->sum_size - i);
    }
}

static void NAME(few_grad_weight)(const NAME(few_plan) *p, const conv_shape *s, const REAL *grad, const REAL *x, REAL *grad_weight, REAL *scratch,
                                  int n_threads) {
    const isize outputs = s->groups * p->sum_size;
    isize *shift = (isize *)(scratch + round_up(p->slices * outputs, LANES));
    REAL *threads = (REAL *)(shift + round_up(p->rows, LANES));
    const int team = team_begin(n_threads, 2.0 * s->images * volume(s->out) * outputs / FLOPS_PER_NS);
    band_rows(&p->bands, s, shift);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *mine = threads + thread_index() * p->thread_scratch;
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < p->slices * s->groups; item++)
            NAME(few_item)(p, s, shift, item / s->groups, item % s->groups, grad, x, scratch + item * p->sum_size, mine);
#pragma omp for schedule(static)
        for (isize i = 0; i < outputs; i += LANES) {
            const isize n = min_size(LANES, outputs - i);
            vec total = {0};
            for (isize slice = 0; slice < p->slices; slice++) total += load_up_to(scratch + slice * outputs + i, n);
            store_up_to(grad_weight + i, total, n);
        }
        denormals_on(mode);
    }
    team_end(team);
}

static int NAME(all_finite)(const REAL *values, isize n) {
    for (isize i = 0; i < n; i++)
        if (!(values[i] - values[i] == 0)) return 0;
    return 1;
}

#endif
