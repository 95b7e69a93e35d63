/* Convolution, its data gradient and its weight gradient: which of the ways each shape goes.
 *
 *     all three         conv_depthwise.h, conv_depthwise_lanes.h for filters of one channel each; all gradients at once
 *                       conv_winograd.h, conv_winograd_weight.h for 3x3 and 5x5 filters, and 4x4 with stride 2, with many channels
 *                       conv_columns.h for few pixels with many weights (the gradient of weights asks for it before Winograd's)
 *                       conv_broadcast.h, conv_broadcast_weight.h where filters fill vectors better than rows of pixels do (not conv_grad_x)
 *     conv              conv_direct.h with few products per output, conv_bands.h with strides and for images beyond the cache,
 *                       else conv.h: the packed core
 *     conv_grad_x       conv_bands.h with strides and for images beyond the cache, conv_lines.h with few channels and for small images with
 *                       little padding, else conv.h
 *     conv_grad_weight  conv_pointwise.h for 1x1 filters, conv_few.h with few weights, else conv_weight.h
 *
 * A way is chosen by the shape alone (and by values that are not finite, where a way would spread them), never by the team. */
#ifndef MINIDL_CONV_WAYS_H
#define MINIDL_CONV_WAYS_H

#include "conv.h"
#include "conv_bands.h"
#include "conv_broadcast_weight.h"
#include "conv_columns.h"
#include "conv_depthwise_grad.h"
#include "conv_depthwise_lanes_grad.h"
#include "conv_direct.h"
#include "conv_few.h"
#include "conv_lines.h"
#include "conv_pointwise.h"
#include "conv_weight.h"
#include "conv_winograd.h"
#include "conv_winograd_weight.h"
#include "simple.h"

isize NAME(conv_scratch)(const conv_shape *s, int n_threads) {
    const int tile = NAME(winograd_tile)(s, 0);
    band_plan bands;
    if (NAME(is_laned)(s)) return NAME(laned_scratch)(s, n_threads);
    if (is_depthwise(s)) return NAME(depthwise_scratch)(s, n_threads);
    if (tile) return NAME(winograd_scratch)(s, 0, tile, n_threads);
    if (NAME(is_columns)(s, COLUMNS_FORWARD)) return NAME(columns_scratch)(s, COLUMNS_FORWARD, n_threads);
    if (NAME(is_broadcast)(s)) return NAME(broadcast_scratch)(s, n_threads);
    if (NAME(is_direct)(&bands, s)) return NAME(direct_scratch)(&bands, s, n_threads);
    return NAME(is_bands)(&bands, s, 0) ? NAME(bands_scratch)(&bands, s, n_threads) : NAME(packed_scratch)(s, n_threads);
}

/* out[n, f] = bias[f] + sum over c of weight[f, c] * x[n, c], with an optional ReLU behind it. */
void NAME(conv)(const conv_shape *s, const void *x, const void *weight, const void *bias, int relu, void *out, void *scratch, int n_threads) {
    const int tile = NAME(winograd_tile)(s, 0);
    band_plan bands;
    if (NAME(is_laned)(s)) NAME(laned_conv)(s, x, weight, bias, relu, out, scratch, n_threads);
    else if (is_depthwise(s)) NAME(depthwise)(s, x, weight, bias, relu, out, scratch, n_threads);
    else if (tile) NAME(winograd_conv)(s, 0, tile, x, weight, bias, relu, out, scratch, n_threads);
    else if (NAME(is_columns)(s, COLUMNS_FORWARD)) NAME(run_columns)(s, COLUMNS_FORWARD, x, weight, bias, relu, out, scratch, n_threads);
    else if (NAME(is_broadcast)(s)) NAME(broadcast_conv)(s, x, weight, bias, relu, out, scratch, n_threads);
    else if (NAME(is_direct)(&bands, s)) NAME(direct_conv)(&bands, s, x, weight, bias, relu, out, scratch, n_threads);
    else if (NAME(is_bands)(&bands, s, 0)) NAME(run_bands)(&bands, s, x, weight, bias, relu, out, scratch, n_threads);
    else NAME(packed_conv)(s, x, weight, bias, relu, out, scratch, n_threads);
}

/* Filters of one channel each, whose gradients are computed in one pass. */
static int NAME(by_channel)(const conv_shape *s) { return NAME(is_laned)(s) || is_depthwise(s); }

static isize NAME(channel_grads_scratch)(const conv_shape *s, int n_threads) {
    return NAME(is_laned)(s) ? NAME(laned_grads_scratch)(s, n_threads) : NAME(depthwise_grads_scratch)(s, n_threads);
}

static void NAME(channel_grads)(const conv_shape *s, const void *grad, const void *x, const void *weight, void *grad_x, void *grad_weight, void *grad_bias,
                                void *scratch, int n_threads) {
    if (NAME(is_laned)(s)) NAME(laned_grads)(s, grad, x, weight, grad_x, grad_weight, grad_bias, scratch, n_threads);
    else NAME(depthwise_grads)(s, grad, x, weight, grad_x, grad_weight, grad_bias, scratch, n_threads);
}

isize NAME(conv_grad_x_scratch)(const conv_shape *s, int n_threads) {
    const int tile = NAME(winograd_tile)(s, 1);
    band_plan bands;
    if (NAME(by_channel)(s)) return NAME(channel_grads_scratch)(s, n_threads);
    if (tile) return NAME(winograd_scratch)(s, 1, tile, n_threads);
    if (NAME(is_columns)(s, COLUMNS_DATA)) return NAME(columns_scratch)(s, COLUMNS_DATA, n_threads);
    if (NAME(is_bands)(&bands, s, 1)) return NAME(bands_scratch)(&bands, s, n_threads);
    const isize packed = NAME(packed_grad_x_scratch)(s, n_threads);
    return NAME(is_lines)(s) ? max_size(packed, NAME(lines_scratch)(s, n_threads)) : packed;
}

/* grad_x[n, c] = sum over f of weight[f, c], turned round, * grad[n, f]. */
void NAME(conv_grad_x)(const conv_shape *s, const void *grad, const void *weight, void *grad_x, void *scratch, int n_threads) {
    const int tile = NAME(winograd_tile)(s, 1);
    band_plan bands;
    if (NAME(by_channel)(s)) NAME(channel_grads)(s, grad, NULL, weight, grad_x, NULL, NULL, scratch, n_threads);
    else if (tile) NAME(winograd_conv)(s, 1, tile, grad, weight, NULL, 0, grad_x, scratch, n_threads);
    else if (NAME(is_columns)(s, COLUMNS_DATA)) NAME(run_columns)(s, COLUMNS_DATA, grad, weight, NULL, 0, grad_x, scratch, n_threads);
    else if (NAME(is_bands)(&bands, s, 1)) NAME(run_bands)(&bands, s, grad, weight, NULL, 0, grad_x, scratch, n_threads);
    else if (NAME(is_lines)(s) && NAME(all_finite)(weight, s->groups * s->filters * s->channels * volume(s->kernel)))
        NAME(lines_grad_x)(s, grad, weight, grad_x, scratch, n_threads);
    else NAME(packed_grad_x)(s, grad, weight, grad_x, scratch, n_threads);
}

isize NAME(conv_weight_scratch)(const conv_shape *s, int n_threads) {
    const int tile = NAME(winograd_weight_tile)(s);
    NAME(few_plan) few;
    if (NAME(by_channel)(s)) return NAME(channel_grads_scratch)(s, n_threads);
    if (is_pointwise_shape(s)) return NAME(pointwise_scratch)(s, n_threads);
    if (NAME(is_columns)(s, COLUMNS_WEIGHT)) return NAME(columns_scratch)(s, COLUMNS_WEIGHT, n_threads);
    const isize many = NAME(many_scratch)(s, n_threads);
    if (tile) return max_size(many, NAME(winograd_weight_scratch)(s, tile, n_threads));
    if (NAME(is_broadcast_weight)(s)) return NAME(broadcast_weight_scratch)(s, n_threads);
    return NAME(is_few)(&few, s) ? max_size(many, NAME(few_scratch)(&few, s, n_threads)) : many;
}

/* grad_weight [groups * filters][channels][kernel] from grad [n][groups * filters][out] and x [n][groups * channels][in].
 *
 * Which of the ways it goes is fixed by the shape and the result: by Winograd's tiles and with few weights, an infinite or NaN value
 * also meets numbers that it is no part of, so what is not finite is taken again the ordinary way. */
void NAME(conv_grad_weight)(const conv_shape *s, const void *grad, const void *x, void *grad_weight, void *scratch, int n_threads) {
    const int tile = NAME(winograd_weight_tile)(s);
    NAME(few_plan) few;
    if (NAME(by_channel)(s)) {
        NAME(channel_grads)(s, grad, x, NULL, NULL, grad_weight, NULL, scratch, n_threads);
        return;
    }
    if (is_pointwise_shape(s)) {
        NAME(pointwise_grad_weight)(s, grad, x, grad_weight, scratch, n_threads);
        return;
    }
    if (NAME(is_columns)(s, COLUMNS_WEIGHT)) {
        NAME(run_columns)(s, COLUMNS_WEIGHT, grad, x, NULL, 0, grad_weight, scratch, n_threads);
        return;
    }
    if (tile) {
        if (NAME(winograd_grad_weight)(s, tile, grad, x, grad_weight, scratch, n_threads)) return;
    } else if (NAME(is_broadcast_weight)(s)) {
        NAME(broadcast_grad_weight)(s, grad, x, grad_weight, scratch, n_threads);
        return;
    } else if (NAME(is_few)(&few, s)) {
        NAME(few_grad_weight)(&few, s, grad, x, grad_weight, scratch, n_threads);
        if (NAME(all_finite)(grad_weight, s->groups * s->filters * s->channels * volume(s->kernel))) return;
    }
    NAME(many_grad_weight)(s, grad, x, grad_weight, scratch, n_threads);
}

isize NAME(conv_grads_scratch)(const conv_shape *s, int n_threads) {
    if (NAME(by_channel)(s)) return NAME(channel_grads_scratch)(s, n_threads);
    return max_size(NAME(conv_grad_x_scratch)(s, n_threads), NAME(conv_weight_scratch)(s, n_threads));
}

/* Both gradients of a convolution, and that of its bias unless grad_bias is NULL: in one pass over the gradient where there is one. */
void NAME(conv_grads)(const conv_shape *s, const void *grad, const void *x, const void *weight, void *grad_x, void *grad_weight, void *grad_bias,
                      void *scratch, int n_threads) {
    if (NAME(by_channel)(s)) {
        NAME(channel_grads)(s, grad, x, weight, grad_x, grad_weight, grad_bias, scratch, n_threads);
        return;
    }
    NAME(conv_grad_x)(s, grad, weight, grad_x, scratch, n_threads);
    NAME(conv_grad_weight)(s, grad, x, grad_weight, scratch, n_threads);
    if (grad_bias) NAME(sum_channels)(s->images, s->groups * s->filters, volume(s->out), grad, grad_bias, n_threads);
}

#endif
