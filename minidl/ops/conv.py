"""Convolution in one to three spatial dimensions, on the packed core.

Letters: batch N, channels C, filters F, groups G; input D H W, kernel KD KH KW, output OD OH OW.

What deep learning calls convolution is cross-correlation: the kernel is not flipped. Its three derivatives are of one
family, each the gradient of another, which is why they can be differentiated as often as one likes:

    Conv        out[n, f, o]    = sum over c, k of  weight[f, c, k] x[n, c, o stride - padding + k dilation]
    ConvGradX   grad_x          = the same pairs (o, k), summed over f, k    for each input; used forwards: `conv_transpose`
    ConvGradW   grad_weight     = the same pairs (n, o), summed              for each f, c, k
"""

from math import prod

from .. import kernels
from ..errors import ArgumentError, shape_error, word
from ..shapes import conv_sizes, numbers_for, same_padding
from ..tape import Function
from ..tensor import Tensor
from .arrays import ascontiguous, empty, expect_floats, has_kernel, hashable, is_whole, n_threads, not_tensors, remembered
from .channels import channel_sum
from .padding import pad_zeros
from .relu import ReLUGrad

__all__ = ["conv1d", "conv2d", "conv3d", "conv_relu"]


def is_product(x, weight, geometry):
    """Say whether a filter is as large as the image, by their shapes: then the convolution is one product of matrices.

    So it is in squeeze-and-excitation (1x1 images), where a net goes from its last image to features, and where a generator starts.
    """
    _, padding, _, groups = geometry
    return groups == 1 and x[2:] == weight[2:] and not any(padding)


def is_by_channel(x, geometry):
    """Say whether every filter has one channel, by the shape of x: then all gradients are computed in one pass."""
    return geometry[3] == x[1] > 1


def channel_grads(grad, x, weight, need_bias, geometry):
    """Gradients of x, weight and bias (or None), without a tape."""
    grad_x, grad_weight = empty(x.shape, x.dtype), empty(weight.shape, x.dtype)
    grad_bias = empty(weight.shape[:1], x.dtype) if need_bias else None
    arrays = ascontiguous(grad), ascontiguous(x), ascontiguous(weight), grad_x, grad_weight, grad_bias
    kernels.conv_grads(*arrays, *geometry, n_threads())
    return grad_x, grad_weight, grad_bias


def rows(array):
    """(A, B, *spatial) -> (A, B * spatial), C-contiguous."""
    return ascontiguous(array).reshape(len(array), prod(array.shape[1:]))


class Conv(Function, arrays=True):
    """x (N, C, *spatial), weight (F, C / G, *kernel), bias (F,) or None -> (N, F, *out), then ReLU if asked.

    geometry = stride, padding, dilation, G.
    """

    __slots__ = ("geometry", "shapes")

    def forward(ctx, x, weight, bias, out_shape, geometry, rectified):
        ctx.geometry, ctx.shapes = geometry, (x.shape, weight.shape)
        out = empty(out_shape, x.dtype)
        if True in ctx.needs_input_grad:
            need_x, need_weight, *_ = ctx.needs_input_grad
            ctx.save_for_backward(x if need_weight else None, weight if need_x else None, out if rectified else None)
        bias = None if bias is None else ascontiguous(bias)
        if is_product(x.shape, weight.shape, geometry):
            kernels.gemm(rows(x), rows(weight).T, rows(out), bias, rectified, n_threads())  # (N, C K) x (C K, F)
        else:
            kernels.conv(ascontiguous(x), ascontiguous(weight), bias, out, *geometry, rectified, n_threads())
        return out

    def backward(ctx, grad):
        x, weight, out = ctx.saved_tensors
        if out is not None:
            grad = ReLUGrad.apply(grad, out.detach() if isinstance(out, Tensor) else out)
        if x is not None and weight is not None and is_by_channel(ctx.shapes[0], ctx.geometry) and not isinstance(grad, Tensor):
            return *channel_grads(grad, x, weight, ctx.needs_input_grad[2], ctx.geometry), None, None, None
        grad_x = None if weight is None else ConvGradX.apply(grad, weight, None, ctx.shapes[0], ctx.geometry)
        grad_weight = None if x is None else ConvGradW.apply(grad, x, ctx.shapes[1], ctx.geometry)
        return grad_x, grad_weight, channel_sum(grad) if ctx.needs_input_grad[2] else None, None, None, None


class ConvGradX(Function, arrays=True):
    """grad (N, F, *out), weight (F, C / G, *kernel), bias (C,) or None -> (N, C, *spatial): the transposed convolution."""

    __slots__ = ("geometry", "shapes")

    def forward(ctx, grad, weight, bias, x_shape, geometry):
        need_grad, need_weight, _, _, _ = ctx.needs_input_grad
        ctx.geometry, ctx.shapes = geometry, (grad.shape, weight.shape)
        ctx.save_for_backward(grad if need_weight else None, weight if need_grad else None)
        out = empty(x_shape, grad.dtype)
        if is_product(x_shape, weight.shape, geometry):
            kernels.gemm(rows(grad), rows(weight), rows(out), None, False, n_threads())  # (N, F) x (F, C K)
        else:
            kernels.conv_grad_x(ascontiguous(grad), ascontiguous(weight), out, *geometry, n_threads())
        if bias is not None:
            out += bias.reshape(-1, *(1,) * (out.ndim - 2))  # (C, 1, 1)
        return out

    def backward(ctx, grad_x):
        grad, weight = ctx.saved_tensors
        grad_grad = None if weight is None else Conv.apply(grad_x, weight, None, ctx.shapes[0], ctx.geometry, False)
        grad_weight = None if grad is None else ConvGradW.apply(grad, grad_x, ctx.shapes[1], ctx.geometry)
        return grad_grad, grad_weight, channel_sum(grad_x) if ctx.needs_input_grad[2] else None, None, None


class ConvGradW(Function, arrays=True):
    """grad (N, F, *out), x (N, C, *spatial) -> (F, C / G, *kernel)."""

    __slots__ = ("geometry", "shapes")

    def forward(ctx, grad, x, weight_shape, geometry):
        ctx.geometry, ctx.shapes = geometry, (grad.shape, x.shape)
        ctx.save_for_backward(grad, x)
        out = empty(weight_shape, grad.dtype)
        if is_product(x.shape, weight_shape, geometry):
            kernels.gemm(rows(grad).T, rows(x), rows(out), None, False, n_threads())  # (F, N) x (N, C K)
        else:
            kernels.conv_grad_weight(ascontiguous(grad), ascontiguous(x), out, *geometry, n_threads())
        return out

    def backward(ctx, grad_weight):
        grad, x = ctx.saved_tensors
        need_grad, need_x, _, _ = ctx.needs_input_grad
        return (
            Conv.apply(x, grad_weight, None, ctx.shapes[0], ctx.geometry, False) if need_grad else None,
            ConvGradX.apply(grad, grad_weight, None, ctx.shapes[1], ctx.geometry) if need_x else None,
            None,
            None,
        )


def check_ranks(op, n, x, w, groups):
    """Raise unless shapes x and w have `n` spatial dimensions and groups is an integer of at least 1."""
    if len(x) not in (n + 1, n + 2) or len(w) != n + 2:
        raise shape_error(op, f"input must have {n + 2} dimensions (or {n + 1} without a batch) and weight {n + 2}", input=x, weight=w)
    if not is_whole(groups) or groups < 1:
        raise ArgumentError(word(op, "groups must be an integer of at least 1", groups=groups))


def check_conv(op, n, x, w, bias, groups):
    """Raise unless ranks, channels, groups and bias fit each other; x, w, bias are shapes, `n` the number of spatial dimensions."""
    check_ranks(op, n, x, w, groups)
    if w[1] * groups != x[-n - 1]:
        rule = "in_channels of weight times groups must equal channels of input"
        raise shape_error(op, rule, input=x, weight=w, groups=groups)
    if w[0] % groups:
        raise shape_error(op, "filters of weight must be divisible by groups", weight=w, groups=groups)
    if bias is not None and bias != w[:1]:
        raise shape_error(op, "bias must have one value per filter", weight=w, bias=bias)


def conv_padding(op, padding, n, size, kernel, stride, dilation):
    """(symmetric padding per dimension, further zeros behind each) for a number, a tuple, "same" or "valid"."""
    if padding == "valid":
        return (0,) * n, (0,) * n
    if padding == "same":
        sides = same_padding(size, kernel, stride, dilation)
        return tuple(before for before, _ in sides), tuple(after - before for before, after in sides)
    if isinstance(padding, str):
        raise ArgumentError(word(op, 'padding must be a number, a tuple, "same" or "valid"', padding=padding))
    return numbers_for(op, "padding", padding, n, least=0), (0,) * n


@remembered
def conv_plan(op, n, x, w, bias, stride, padding, dilation, groups):
    """From shapes and options: (shape of the result with its batch, geometry of `Conv`, zeros to add behind, or None).

    A network asks for the same few plans in every step, so they are remembered.
    """
    check_conv(op, n, x, w, bias, groups)
    stride, dilation = numbers_for(op, "stride", stride, n, least=1), numbers_for(op, "dilation", dilation, n, least=1)
    padding, behind = conv_padding(op, padding, n, x[-n:], w[2:], stride, dilation)
    size = tuple(length + extra for length, extra in zip(x[-n:], behind, strict=True))
    out = conv_sizes(op, size, w[2:], stride, padding, dilation)
    batch = x[0] if len(x) == n + 2 else 1
    return (batch, w[0], *out), (stride, padding, dilation, groups), [(0, extra) for extra in behind] if any(behind) else None


def cross_correlate(op, n, input, weight, bias, stride, padding, dilation, groups, rectified=False):
    """The public functions below in `n` spatial dimensions."""
    try:
        x, w, bias_shape = input._array, weight._array, None if bias is None else bias._array.shape
    except AttributeError:
        raise not_tensors(op, input=input, weight=weight, bias=bias) from None
    if x.dtype is not w.dtype or not has_kernel(x) or (bias is not None and bias._array.dtype is not x.dtype):
        expect_floats(op, input=input, weight=weight, bias=bias)
    options = hashable(stride), hashable(padding), hashable(dilation), hashable(groups)
    shape, geometry, behind = conv_plan(op, n, x.shape, w.shape, bias_shape, *options)
    batched = input if x.ndim == n + 2 else input.reshape(1, *x.shape)  # (N, C, *spatial)
    if behind is not None:
        batched = pad_zeros(batched, behind)
    result = Conv.apply(batched, weight, bias, shape, geometry, rectified)
    return result if x.ndim == n + 2 else result.reshape(shape[1:])


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation along one spatial dimension, such as time; formula, options and errors as for `conv2d`.

    input: (N, C, L) or (C, L); weight: (F, C / groups, K); bias: (F,) or None. Returns (N, F, OL) or (F, OL).

    >>> import minidl
    >>> x = minidl.tensor([[[1.0, 2.0, 4.0, 8.0]]])
    >>> minidl.nn.functional.conv1d(x, minidl.tensor([[[-1.0, 1.0]]]))
    tensor([[[1., 2., 4.]]])
    """
    return cross_correlate("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation over height and width.

        out[n, f, i, j] = bias[f] + sum over c, h, w of weight[f, c, h, w] x[n, c, i SH - PH + h DH, j SW - PW + w DW]
        OH = floor((H + 2 PH - DH (KH - 1) - 1) / SH) + 1          (Dumoulin & Visin 2016, arXiv 1603.07285, relationship 15)

    input: (N, C, H, W) or (C, H, W); weight: (F, C / groups, KH, KW); bias: (F,) or None. Returns (N, F, OH, OW) or (F, OH, OW).
    stride, padding, dilation: an integer or two; padding also "valid" (none) or "same" (OH = ceil(H / SH), for any stride).
    groups: channels and filters are cut into so many independent convolutions.
    Zeros around an image are multiplied like values: an infinite or NaN weight gives NaN where it meets them, at the border of the
    result or, in the gradient, of the input.

    Raises ShapeError where ranks, channels or groups do not fit or the output would be empty, ArgumentError for an option
    outside its range, DTypeError unless all tensors are of one dtype, float32 or float64.

    >>> import minidl
    >>> x = minidl.arange(9.0).reshape(1, 1, 3, 3)
    >>> minidl.nn.functional.conv2d(x, minidl.ones(1, 1, 2, 2))
    tensor([[[[ 8., 12.],
              [20., 24.]]]])
    """
    return cross_correlate("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation over depth (or time), height and width; formula, options and errors as for `conv2d`.

    input: (N, C, D, H, W) or (C, D, H, W); weight: (F, C / groups, KD, KH, KW); bias: (F,) or None.
    Returns (N, F, OD, OH, OW) or (F, OD, OH, OW).

    >>> import minidl
    >>> minidl.nn.functional.conv3d(minidl.ones(1, 2, 3, 3, 3), minidl.ones(4, 2, 2, 2, 2)).shape
    minidl.Size([1, 4, 2, 2, 2])
    """
    return cross_correlate("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def conv_relu(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution and the ReLU behind it as one operation: max(0, out), in one pass over out.

    `conv1d`, `conv2d` or `conv3d` by the rank of weight; shapes, options and errors are theirs. `nn.Sequential` uses it where a
    convolution is followed by a ReLU.

    >>> import minidl
    >>> minidl.ops.conv_relu(minidl.tensor([[[1.0, 2.0, 4.0, 3.0]]]), minidl.tensor([[[-1.0, 1.0]]]))
    tensor([[[1., 2., 0.]]])
    """
    n = min(3, max(1, getattr(weight, "ndim", 3) - 2))
    return cross_correlate(f"conv{n}d", n, input, weight, bias, stride, padding, dilation, groups, True)
