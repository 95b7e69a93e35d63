/* Tiles of images into Winograd's domain and back, LANES channels at a time.
 *
 * Tiles of a group are numbered image by image, row by row. The domain is points x points matrices, `point` values apart, in
 * which a tile has a row (or a column) of channels:
 *
 *     image  --lanes_in-->  pixels with channels in lanes  --data_points, down and along-->  to[i, j][tile][channel]
 *
 * A matrix is padded by one vector, so that the values of one tile, which are written together, do not all fall into the same
 * set of the caches. */
#ifndef MINIDL_WINOGRAD_TILES_H
#define MINIDL_WINOGRAD_TILES_H

#include "lanes.h"
#include "winograd.h"

#define RUN_TILES 16 /* tiles of one row that are transformed together */

typedef struct {
    int points, tile, taps;              /* m + r - 1, m, r */
    isize images, tiles_y, tiles_x, tiles; /* tiles of all images */
    isize in_step, out_step;               /* from pixel to pixel of a tile of data and of outputs: as many phases along an axis */
} NAME(tiling);

/* Where a group of an array of images lies: `size` values from `data` on may be read. */
typedef struct {
    const REAL *data;
    isize height, width, channels, image, readable;
} NAME(tile_source);

/* Consecutive tiles of one image that are taken together: whole rows of tiles, or a run within one. */
typedef struct {
    isize image, y, x, n, rows; /* first tile, number of tiles, rows of tiles that they touch */
} NAME(tile_patch);

static NAME(tile_patch) NAME(next_patch)(const NAME(tiling) *t, isize tile, isize end) {
    const isize per_image = t->tiles_y * t->tiles_x, inside = tile % per_image;
    NAME(tile_patch) p = {tile / per_image, inside / t->tiles_x, inside % t->tiles_x, min_size(end - tile, per_image - inside), 1};
    if (t->tiles_x >= RUN_TILES) p.n = min_size(p.n, min_size(RUN_TILES, t->tiles_x - p.x));
    p.rows = ceil_div(p.x + p.n, t->tiles_x);
    return p;
}

/* Most pixels of an image that a patch of up to n tiles reads. */
static isize NAME(patch_pixels)(const NAME(tiling) *t, isize n, isize height, isize width) {
    const isize rows = t->tiles_x >= RUN_TILES ? 1 : min_size(t->tiles_y, ceil_div(n, t->tiles_x) + 1);
    const isize high = (rows * t->tile + t->points) * t->in_step;
    const isize wide = t->tiles_x >= RUN_TILES ? (RUN_TILES * t->tile + t->points) * t->in_step : width;
    return min_size(high, height) * min_size(wide, width);
}

/* Scratch for one chunk of up to n tiles: transformed columns of a row of tiles, then pixels. */
static isize NAME(columns_size)(const NAME(tiling) *t) { return (min_size(t->tiles_x, RUN_TILES) * t->tile + t->points) * t->points * LANES; }

static isize NAME(tiles_scratch)(const NAME(tiling) *t, isize n, isize height, isize width) {
    return NAME(columns_size)(t) + NAME(patch_pixels)(t, n, height, width) * LANES;
}

/* Where the tiles of one chunk of channels go: to + (i points + j) point + tile * step. */
typedef struct {
    REAL *to;
    isize step, point;
} NAME(domain);

/* Pixels with channels in lanes: rows y0 .. y1 and columns x0 .. x1 of an image, outside of which there are zeros. */
typedef struct {
    REAL *pixels;
    isize y0, y1, x0, x1;
} NAME(tile_window);

/* n tiles side by side of pixels `step` apart, the first at row y and column x of the image. */
INLINE void NAME(data_row)(const int points, const isize tile, const NAME(tile_window) *w, isize y, isize x, isize step, isize n, REAL *columns,
                           NAME(domain) to) {
    const REAL zero[N_LANES] = {0}, *row[MAX_POINTS];
    isize row_step[MAX_POINTS];
    UNROLL(6)
    for (int i = 0; i < points; i++) {
        const int inside = y + i * step >= w->y0 && y + i * step < w->y1;
        row[i] = inside ? w->pixels + ((y + i * step - w->y0) * (w->x1 - w->x0) + x - w->x0) * LANES : zero;
        row_step[i] = inside ? step * LANES : 0;
    }
    for (isize c = 0; c < n * tile + points - tile; c++) {
        vec d[MAX_POINTS], v[MAX_POINTS];
        const int inside = x + c * step >= w->x0 && x + c * step < w->x1;
        UNROLL(6)
        for (int i = 0; i < points; i++) d[i] = load(inside ? row[i] + c * row_step[i] : zero);
        NAME(data_points)(points, d, v);
        UNROLL(6)
        for (int i = 0; i < points; i++) store(columns + (c * points + i) * LANES, v[i]);
    }
    for (isize t = 0; t < n; t++, columns += tile * points * LANES, to.to += to.step) {
        UNROLL(6)
        for (int i = 0; i < points; i++) {
            vec d[MAX_POINTS], v[MAX_POINTS];
            UNROLL(6)
            for (int j = 0; j < points; j++) d[j] = load(columns + (j * points + i) * LANES);
            NAME(data_points)(points, d, v);
            UNROLL(6)
            for (int j = 0; j < points; j++) store(to.to + (i * points + j) * to.point, v[j]);
        }
    }
}

static void NAME(data_row_4)(isize tile, const NAME(tile_window) *w, isize y, isize x, isize step, isize n, REAL *columns, NAME(domain) to) {
    NAME(data_row)(4, tile, w, y, x, step, n, columns, to);
}
static void NAME(data_row_6)(isize tile, const NAME(tile_window) *w, isize y, isize x, isize step, isize n, REAL *columns, NAME(domain) to) {
    NAME(data_row)(6, tile, w, y, x, step, n, columns, to);
}

/* The pixels that a patch of tiles reads, `high` x `wide` from row y and column x on; whole rows when it is more than one row of tiles. */
static NAME(tile_window) NAME(fetch_window)(const NAME(tile_source) *from, isize image, isize c, isize y, isize x, isize high, isize wide, int whole, REAL *pixels) {
    NAME(tile_window) w = {pixels, max_size(0, y), min_size(from->height, y + high), max_size(0, x), min_size(from->width, x + wide)};
    if (whole) {
        w.x0 = 0;
        w.x1 = from->width;
    }
    if (w.y0 >= w.y1 || w.x0 >= w.x1) return w;
    const isize area = from->height * from->width, lanes = min_size(LANES, from->channels - c), pitch = w.x1 - w.x0;
    const isize at = image * from->image + c * area + w.y0 * from->width + w.x0;
    const int joined = pitch == from->width; /* rows that follow each other in memory */
    for (isize i = 0; i < (joined ? 1 : w.y1 - w.y0); i++)
        NAME(lanes_in)(pixels + i * pitch * LANES, LANES, from->data + at + i * from->width, area, lanes, joined ? (w.y1 - w.y0) * pitch : pitch,
                       from->readable - at - i * from->width);
    return w;
}

/* Tiles first .. end of LANES channels from channel c on, of each phase into a place of its own; `before`: rows and columns of zeros
 * before the image. */
static void NAME(transform_data)(const NAME(tiling) *t, const NAME(tile_source) *from, const isize before[2], isize c, isize first, isize end,
                                 const NAME(domain) *to, REAL *scratch) {
    const isize step = t->in_step, pitch = t->tile * step, start = first;
    REAL *pixels = scratch + NAME(columns_size)(t);
    while (first < end) {
        const NAME(tile_patch) p = NAME(next_patch)(t, first, end);
        const isize y = p.y * pitch - before[0], x = p.x * pitch - before[1];
        const NAME(tile_window) w = NAME(fetch_window)(from, p.image, c, y, x, ((p.rows - 1) * t->tile + t->points) * step,
                                                  ((p.n - 1) * t->tile + t->points) * step, p.rows > 1, pixels);
        for (isize row = 0, done = 0, n; done < p.n; row++, done += n) {
            const isize tx = row == 0 ? p.x : 0;
            n = min_size(p.n - done, t->tiles_x - tx);
            for (isize phase = 0; phase < step * step; phase++) {
                NAME(domain) next = to[phase];
                next.to += (first - start + done) * next.step;
                (t->points == 4 ? NAME(data_row_4) : NAME(data_row_6))(t->tile, &w, y + row * pitch + phase / step, tx * pitch - before[1] + phase % step,
                                                                       step, n, scratch, next);
            }
        }
        first += p.n;
    }
}

/* n tiles side by side of outputs: squares of pixels `step` apart into rows of `pitch` pixels, of which `wide` are wanted. Returns a
 * value that is not finite when an output is not, or 0. */
INLINE vec NAME(output_row)(const int points, const int tile, NAME(domain) m, isize n, vec bias, int relu, REAL *pixels, isize step, isize pitch,
                            isize wide) {
    const vec zero = {0};
    vec spoilt = zero;
    for (isize t = 0; t < n; t++, m.to += m.step) {
        vec y[MAX_FILTER][MAX_FILTER];
        NAME(collect_square)(points, tile, 0, m.to, m.point, y);
        UNROLL(4)
        for (int b = 0; b < tile; b++) {
            if ((t * tile + b) * step >= wide) break;
            UNROLL(4)
            for (int a = 0; a < tile; a++) {
                vec v = y[a][b] + bias;
                spoilt += v * zero;
                if (relu) v = choose((ivec)(v < zero), zero, v);
                store(pixels + (a * pitch + t * tile + b) * step * LANES, v);
            }
        }
    }
    return spoilt;
}

#define OUTPUT_ROW(points, tile) \
    static vec NAME(output_row_##points##_##tile)(NAME(domain) m, isize n, vec bias, int relu, REAL *pixels, isize step, isize pitch, isize wide) { \
        return NAME(output_row)(points, tile, m, n, bias, relu, pixels, step, pitch, wide); \
    }
OUTPUT_ROW(4, 2)
OUTPUT_ROW(4, 3)
OUTPUT_ROW(6, 4)
OUTPUT_ROW(6, 2)

/* Where a group of outputs goes, and what is done to them on the way. */
typedef struct {
    REAL *data;
    isize height, width, channels, image;
    const REAL *bias;
    int relu;
    char *spoilt;   /* per image: set when an output is not finite */
    isize first[2]; /* where pixel 0 of the tiles lies, perhaps before the image */
} NAME(tile_target);

/* The outputs of tiles first .. end, LANES channels from channel c on; `from`: where the domain of each phase has the first of these tiles. */
static void NAME(transform_output)(const NAME(tiling) *t, const NAME(tile_target) *to, isize c, isize first, isize end, const NAME(domain) *from,
                                   REAL *pixels) {
    const isize area = to->height * to->width, lanes = min_size(LANES, to->channels - c), step = t->out_step, start = first;
    vec (*const output_row)(NAME(domain), isize, vec, int, REAL *, isize, isize, isize)
        = t->tile == 3 ? NAME(output_row_4_3) : t->points == 4 ? NAME(output_row_4_2) : t->tile == 4 ? NAME(output_row_6_4) : NAME(output_row_6_2);
    const vec bias = to->bias ? lanes == LANES ? load(to->bias + c) : load_part(to->bias + c, lanes) : (vec){0};
    for (isize n; first < end; first += n) {
        const isize inside = first % (t->tiles_y * t->tiles_x), image = first / (t->tiles_y * t->tiles_x);
        const isize y = inside / t->tiles_x * t->tile * step + to->first[0], x = inside % t->tiles_x * t->tile * step + to->first[1];
        n = min_size(min_size(end - first, RUN_TILES), t->tiles_x - inside % t->tiles_x);
        const isize wide = min_size(n * t->tile * step, to->width - x), high = min_size(t->tile * step, to->height - y);
        const isize left = max_size(0, -x), top = max_size(0, -y);
        for (isize phase = 0; phase < step * step; phase++) {
            NAME(domain) next = from[phase];
            next.to += (first - start) * next.step;
            const vec spoilt = output_row(next, n, bias, to->relu, pixels + (phase / step * wide + phase % step) * LANES, step, wide, wide - phase % step);
            if (!(sum_lanes(spoilt) == 0)) __atomic_store_n(to->spoilt + image, 1, __ATOMIC_RELAXED);
        }
        REAL *at = to->data + image * to->image + c * area + y * to->width + x;
        if (left == 0 && wide == to->width) NAME(lanes_out)(at + top * wide, area, lanes, pixels + top * wide * LANES, (high - top) * wide);
        else
            for (isize i = top; i < high; i++) NAME(lanes_out)(at + i * to->width + left, area, lanes, pixels + (i * wide + left) * LANES, wide - left);
    }
}

#endif
