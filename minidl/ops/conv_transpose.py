"""Transposed convolution in one to three spatial dimensions: the data gradient of a convolution, used forwards.

A convolution maps an image of size O to one of size I; its transpose maps I to O with the same weight. As matrices they are
T and T^T (see `toeplitz`), which does not make one the inverse of the other. Letters: batch N, channels C, filters F, groups G;
the weight is that of a convolution from F to C channels, (C, F / G, *kernel).
"""

from ..errors import shape_error
from ..shapes import conv_transpose_sizes, numbers_for
from .arrays import expect_floats, has_kernel, hashable, not_tensors, remembered
from .conv import ConvGradX, check_ranks
from .padding import pad_zeros

__all__ = ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def check_conv_transpose(op, n, x, w, bias, groups):
    """Raise unless ranks, channels, groups and bias fit each other; x, w, bias are shapes, `n` the number of spatial dimensions."""
    check_ranks(op, n, x, w, groups)
    if w[0] != x[-n - 1]:
        raise shape_error(op, "the first size of weight must equal channels of input", input=x, weight=w)
    if w[0] % groups:
        raise shape_error(op, "channels must be divisible by groups", input=x, weight=w, groups=groups)
    if bias is not None and bias != (w[1] * groups,):
        rule = "bias must have one value per filter, the second size of weight times groups"
        raise shape_error(op, rule, weight=w, bias=bias, groups=groups)


@remembered
def conv_transpose_plan(op, n, x, w, bias, stride, padding, output_padding, groups, dilation):
    """From shapes and options: (shape of the result with its batch, geometry of `ConvGradX`, shape before `sides`, `sides` or None).

    Where a large dilation lets output_padding reach the stride, no convolution maps the result to x: then all that x reaches is
    computed, and its sides are cut off or filled up.
    """
    check_conv_transpose(op, n, x, w, bias, groups)
    stride, dilation = numbers_for(op, "stride", stride, n, least=1), numbers_for(op, "dilation", dilation, n, least=1)
    padding = numbers_for(op, "padding", padding, n, least=0)
    output_padding = numbers_for(op, "output_padding", output_padding, n, least=0)
    out = conv_transpose_sizes(op, x[-n:], w[2:], stride, padding, output_padding, dilation)
    batch = x[0] if len(x) == n + 2 else 1
    shape = batch, w[1] * groups, *out
    if all(extra < s for extra, s in zip(output_padding, stride, strict=True)):
        return shape, (stride, padding, dilation, groups), shape, None
    reach = conv_transpose_sizes(op, x[-n:], w[2:], stride, (0,) * n, (0,) * n, dilation)
    sides = tuple((-p, extra - p) for p, extra in zip(padding, output_padding, strict=True))
    return shape, (stride, (0,) * n, dilation, groups), (batch, w[1] * groups, *reach), sides


def conv_transpose(op, n, input, weight, bias, stride, padding, output_padding, groups, dilation):
    """The public functions below in `n` spatial dimensions."""
    try:
        x, w, bias_shape = input._array, weight._array, None if bias is None else bias._array.shape
    except AttributeError:
        raise not_tensors(op, input=input, weight=weight, bias=bias) from None
    if x.dtype is not w.dtype or not has_kernel(x) or (bias is not None and bias._array.dtype is not x.dtype):
        expect_floats(op, input=input, weight=weight, bias=bias)
    options = hashable(stride), hashable(padding), hashable(output_padding), hashable(groups), hashable(dilation)
    shape, geometry, reach, sides = conv_transpose_plan(op, n, x.shape, w.shape, bias_shape, *options)
    batched = input if x.ndim == n + 2 else input.reshape(1, *x.shape)  # (N, C, *spatial)
    if sides is None:
        result = ConvGradX.apply(batched, weight, bias, shape, geometry)
    else:
        result = pad_zeros(ConvGradX.apply(batched, weight, None, reach, geometry), sides)
        result = result if bias is None else result + bias.reshape(-1, *(1,) * n)
    return result if x.ndim == n + 2 else result.reshape(shape[1:])


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Transposed convolution along one spatial dimension; formula, options and errors as for `conv_transpose2d`.

    input: (N, C, L) or (C, L); weight: (C, F / groups, K); bias: (F,) or None. Returns (N, F, OL) or (F, OL).

    >>> import minidl
    >>> x = minidl.tensor([[[1.0, 2.0]]])
    >>> minidl.nn.functional.conv_transpose1d(x, minidl.tensor([[[1.0, 10.0, 100.0]]]), stride=2)
    tensor([[[  1.,  10., 102.,  20., 200.]]])
    """
    return conv_transpose("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Transposed convolution over height and width: each input sends its multiple of the kernel to the outputs around it.

        out[n, f, i SH - PH + h DH, j SW - PW + w DW] += weight[c, f, h, w] x[n, c, i, j]          (starting from the bias)
        OH = (H - 1) SH - 2 PH + DH (KH - 1) + output_padding + 1     (after Dumoulin & Visin 2016, relationship 14)

    input: (N, C, H, W) or (C, H, W); weight: (C, F / groups, KH, KW); bias: (F,) or None. Returns (N, F, OH, OW) or (F, OH, OW).
    stride, padding, dilation: those of the convolution that is transposed, an integer or two: padding is cut off the output.
    output_padding: so many further outputs behind, for one of the several sizes that the convolution maps to (H, W).

    Raises ShapeError where ranks, channels or groups do not fit or the output would be empty, ArgumentError for an option
    outside its range, DTypeError unless all tensors are of one dtype, float32 or float64.

    >>> import minidl
    >>> x = minidl.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> minidl.nn.functional.conv_transpose2d(x, minidl.ones(1, 1, 2, 2))
    tensor([[[[ 1.,  3.,  2.],
              [ 4., 10.,  6.],
              [ 3.,  7.,  4.]]]])
    """
    return conv_transpose("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Transposed convolution over depth (or time), height and width; formula, options and errors as for `conv_transpose2d`.

    input: (N, C, D, H, W) or (C, D, H, W); weight: (C, F / groups, KD, KH, KW); bias: (F,) or None.
    Returns (N, F, OD, OH, OW) or (F, OD, OH, OW).

    >>> import minidl
    >>> minidl.nn.functional.conv_transpose3d(minidl.ones(1, 4, 2, 2, 2), minidl.ones(4, 2, 2, 2, 2), stride=2).shape
    minidl.Size([1, 2, 4, 4, 4])
    """
    return conv_transpose("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)
