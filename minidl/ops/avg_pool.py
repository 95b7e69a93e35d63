"""Average pooling: over windows, adaptive, and of powers. Letters: batch N, channels C; input H W, kernel KH KW, output OH OW."""

from math import inf, prod

from .. import kernels
from ..errors import ArgumentError, word
from ..shapes import LARGEST, numbers_for
from ..tape import Function
from .arrays import ascontiguous, empty, hashable, is_whole, n_threads, remembered
from .pool import max_pool
from .pool_windows import Axis, Windows, adaptive_axis, adaptive_sizes, checked_floats, geometry, mean_axis
from .relu import relu

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
]


class WindowMean(Function, arrays=True):
    """x (N, C, *spatial) -> the mean of each window (N, C, *out)."""

    __slots__ = ("windows",)

    def forward(ctx, x, windows):
        ctx.windows = windows
        out = empty(windows.out_view, x.dtype)
        kernels.window_mean(ascontiguous(x).reshape(windows.x_view), out, windows.table, n_threads())
        return out.reshape(windows.out_shape)

    def backward(ctx, grad):
        return WindowMeanGrad.apply(grad, ctx.windows), None


class WindowMeanGrad(Function, arrays=True):
    """Gradients (N, C, *out) shared out over their windows: (N, C, *spatial)."""

    __slots__ = ("windows",)

    def forward(ctx, grad, windows):
        ctx.windows = windows
        grad_x = empty(windows.x_view, grad.dtype)
        kernels.window_mean_grad(ascontiguous(grad).reshape(windows.out_view), grad_x, windows.table, n_threads())
        return grad_x.reshape(windows.x_shape)

    def backward(ctx, grad):
        return WindowMean.apply(grad, ctx.windows), None


@remembered
def check_divisor(op, divisor_override):
    """Raise ArgumentError unless the divisor is an integer that others can be divided by."""
    if not is_whole(divisor_override) or not 0 < abs(divisor_override) < LARGEST:
        rule = "divisor_override must be an integer other than 0, between -2**46 and 2**46"
        raise ArgumentError(word(op, rule, divisor_override=divisor_override))


def mean_windows(op, n, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The windows of an average pooling, remembered as in `conv`."""
    sizes, kernel, stride, padding, _ = geometry(op, n, x_shape, kernel_size, stride, padding, 1, ceil_mode)
    axes = [mean_axis(*each, count_include_pad) for each in zip(x_shape[-n:], sizes, kernel, stride, padding, strict=True)]
    if divisor_override is not None:
        check_divisor(op, divisor_override)
        axes = [
            Axis(axis.size, axis.first, axis.stop, axis.third * 0 + (divisor_override if i == 0 else 1)) for i, axis in enumerate(axes)
        ]
    return Windows(x_shape, axes)


def avg_pool(op, n, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The public functions below in `n` spatial dimensions."""
    shape = checked_floats(op, n, input)
    flags = bool(ceil_mode), bool(count_include_pad)
    options = hashable(kernel_size), hashable(stride), hashable(padding), *flags, hashable(divisor_override)
    return WindowMean.apply(input, mean_windows(op, n, shape, *options))


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """Mean of every window along one spatial dimension; options and errors as for `avg_pool2d`.

    input: (N, C, L) or (C, L). Returns (N, C, OL) or (C, OL).

    >>> import minidl
    >>> minidl.nn.functional.avg_pool1d(minidl.tensor([[1.0, 5.0, 2.0, 4.0]]), 2)
    tensor([[3., 3.]])
    """
    return avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    """Mean of every window: out[n, c, i, j] = sum over h, w of x[n, c, i SH - PH + h, j SW - PW + w] / (KH KW).

    input: (N, C, H, W) or (C, H, W). Returns (N, C, OH, OW) or (C, OH, OW), OH as in `conv2d`; with ceil_mode it is rounded
    up, and windows may hang over the end: they are divided by the part of them that lies inside the padded image.
    kernel_size, stride (default: kernel_size), padding (zeros, at most half the kernel): an integer or two.
    count_include_pad: whether padding counts in the divisor. divisor_override: divide by this integer instead.

    Raises ShapeError for a wrong rank or an empty output, ArgumentError for an option outside its range, DTypeError unless
    input is float32 or float64.

    >>> import minidl
    >>> x = minidl.arange(16.0).reshape(1, 1, 4, 4)
    >>> minidl.nn.functional.avg_pool2d(x, 2)
    tensor([[[[ 2.5000,  4.5000],
              [10.5000, 12.5000]]]])
    """
    return avg_pool("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    """Mean of every window over depth, height and width; options and errors as for `avg_pool2d`.

    input: (N, C, D, H, W) or (C, D, H, W). Returns (N, C, OD, OH, OW) or (C, OD, OH, OW).

    >>> import minidl
    >>> minidl.nn.functional.avg_pool3d(minidl.ones(1, 2, 4, 4, 4), 2).shape
    minidl.Size([1, 2, 2, 2, 2])
    """
    return avg_pool("avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@remembered
def adaptive_windows(op, n, x_shape, output_size):
    """The windows of an adaptive pooling."""
    sizes = adaptive_sizes(op, n, x_shape, output_size)
    return Windows(x_shape, [adaptive_axis(size, outputs) for size, outputs in zip(x_shape[-n:], sizes, strict=True)])


def adaptive_avg_pool(op, n, input, output_size):
    """The public functions below in `n` spatial dimensions."""
    return WindowMean.apply(input, adaptive_windows(op, n, checked_floats(op, n, input), hashable(output_size)))


def adaptive_avg_pool1d(input, output_size):
    """Mean of windows that share the length out among `output_size` outputs; as `adaptive_avg_pool2d`.

    input: (N, C, L) or (C, L). Returns (N, C, output_size) or (C, output_size).

    >>> import minidl
    >>> minidl.nn.functional.adaptive_avg_pool1d(minidl.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]]), 3)
    tensor([[1.5000, 3.0000, 4.5000]])
    """
    return adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input, output_size):
    """Mean of windows that share the image out: output i of OH sees the rows floor(i H / OH) to ceil((i + 1) H / OH) - 1.

    input: (N, C, H, W) or (C, H, W). Returns (N, C, OH, OW) or (C, OH, OW).
    output_size: OH and OW as one integer or two; None keeps the size of the input; 1 is the global average.

    Raises ShapeError for a wrong rank or an empty image, ArgumentError for a size below 1, DTypeError unless input is float32
    or float64.

    >>> import minidl
    >>> x = minidl.arange(16.0).reshape(1, 1, 4, 4)
    >>> minidl.nn.functional.adaptive_avg_pool2d(x, (1, None))
    tensor([[[[6., 7., 8., 9.]]]])
    """
    return adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input, output_size):
    """Mean of windows that share a volume out; as `adaptive_avg_pool2d`.

    input: (N, C, D, H, W) or (C, D, H, W). Returns (N, C, OD, OH, OW) or (C, OD, OH, OW).

    >>> import minidl
    >>> minidl.nn.functional.adaptive_avg_pool3d(minidl.ones(1, 2, 4, 5, 6), (2, 2, None)).shape
    minidl.Size([1, 2, 2, 2, 6])
    """
    return adaptive_avg_pool("adaptive_avg_pool3d", 3, input, output_size)


def lp_pool(op, n, input, norm_type, kernel_size, stride, ceil_mode):
    """The public functions below in `n` spatial dimensions."""
    checked_floats(op, n, input)
    if isinstance(norm_type, bool) or not isinstance(norm_type, (int, float)) or norm_type == 0 or norm_type != norm_type:
        raise ArgumentError(word(op, "norm_type must be a number other than 0", norm_type=norm_type))
    if norm_type == inf:
        return max_pool(op, n, input.abs(), kernel_size, stride, 0, 1, ceil_mode, False)
    if norm_type == -inf:
        return -max_pool(op, n, -input.abs(), kernel_size, stride, 0, 1, ceil_mode, False)
    mean = avg_pool(op, n, input**norm_type, kernel_size, stride, 0, ceil_mode, True, None)
    kept = mean.sign() * relu(mean.abs())  # the mean itself, without a gradient where it is 0
    return (kept * prod(numbers_for(op, "kernel_size", kernel_size, n, least=1))) ** (1.0 / norm_type)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """Power mean of every window along one spatial dimension; as `lp_pool2d`.

    input: (N, C, L) or (C, L). Returns (N, C, OL) or (C, OL).

    >>> import minidl
    >>> minidl.nn.functional.lp_pool1d(minidl.tensor([[3.0, 4.0, 0.0, 2.0]]), 2, 2)
    tensor([[5., 2.]])
    """
    return lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """p-norm of every window, without absolute values: out = (sum over the window of x^p)^(1 / p), p = norm_type.

    input: (N, C, H, W) or (C, H, W). Returns (N, C, OH, OW) or (C, OH, OW). kernel_size, stride and ceil_mode as in
    `avg_pool2d`; a window over the border counts as if it were full: its sum is scaled up. An odd power of negative numbers
    may have no root: NaN. norm_type inf is the maximum of absolute values, -inf their minimum. Where the sum is 0, so is the
    gradient.

    Raises ArgumentError for norm_type 0; else as `avg_pool2d`.

    >>> import minidl
    >>> minidl.nn.functional.lp_pool2d(minidl.ones(1, 1, 2, 4), 2, 2)
    tensor([[[[2., 2.]]]])
    """
    return lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """Power mean of every window over depth, height and width; as `lp_pool2d`.

    input: (N, C, D, H, W) or (C, D, H, W). Returns (N, C, OD, OH, OW) or (C, OD, OH, OW).

    >>> import minidl
    >>> minidl.nn.functional.lp_pool3d(minidl.ones(1, 1, 2, 2, 2), 3, 2).shape
    minidl.Size([1, 1, 1, 1, 1])
    """
    return lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)
