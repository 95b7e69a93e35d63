"""Max pooling. Letters: batch N, channels C; input H W, kernel KH KW, output OH OW."""

from math import prod

import numpy as np

from .. import kernels
from ..errors import shape_error
from ..tape import Function
from ..tensor import wrap
from .arrays import UINT8, ascontiguous, empty, hashable, n_threads, remembered
from .pool_places import PlaneGather
from .pool_windows import Windows, adaptive_axis, adaptive_sizes, checked_floats, geometry, max_axis, stepping
from .relu import ReLUGrad, relu

__all__ = [
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_pool_relu",
]

INT32 = np.dtype(np.int32)
MOST_TAPS = 255  # of a window whose taps a byte can number
NO_TAP = 255  # of an output that a ReLU made 0


class Plan:
    """A max pooling of one input shape: by `windows` of any sizes, or, where that is None, by taps of a common `options`."""

    __slots__ = ("options", "out_shape", "out_view", "windows", "x_shape", "x_view")

    def __init__(self, x_shape, n, sizes, options, windows):
        batch = x_shape[:2] if len(x_shape) == n + 2 else (1, x_shape[0])
        self.x_shape, self.out_shape, self.options, self.windows = x_shape, (*x_shape[:-n], *sizes), options, windows
        self.x_view, self.out_view = (*batch, *x_shape[-n:]), (*batch, *sizes)

    def places(self, won):
        """Where in its plane each maximum lies, from what the kernel wrote: places themselves, or numbers of taps."""
        if self.windows is not None:
            return won.reshape(self.out_view)
        kernel, stride, padding, dilation = self.options
        rows = [prod(self.x_view[3 + axis :]) for axis in range(len(kernel))]  # how far apart neighbours along an axis are
        taps, start = np.zeros(1, np.int64), np.zeros((), np.int64)
        for k, s, p, d, o, row in zip(kernel, stride, padding, dilation, self.out_view[2:], rows, strict=True):
            taps = np.add.outer(taps, np.arange(k) * (d * row)).reshape(-1)
            start = np.add.outer(start, (np.arange(o) * s - p) * row)
        return taps[won] + start  # (N, C, *out)


class MaxPool(Function, arrays=True):
    """x (N, C, *spatial) -> maxima (N, C, *out), of taps rectified if asked; `won` is filled with the taps or places of them."""

    __slots__ = ("plan", "won")

    def forward(ctx, x, won, plan, rectified):
        ctx.won, ctx.plan = won, plan
        out = empty(won.shape, x.dtype)
        if plan.windows is None:
            kernels.max_pool(ascontiguous(x).reshape(plan.x_view), out, won, *plan.options, rectified, n_threads())
        else:
            kernels.window_max(ascontiguous(x).reshape(plan.windows.x_view), out, won, plan.windows.table, n_threads())
        return out.reshape(plan.out_shape)

    def backward(ctx, grad):
        return MaxPoolGrad.apply(grad, ctx.won, ctx.plan), None, None, None


class MaxPoolGrad(Function, arrays=True):
    """Gradients (N, C, *out) put where the maxima were: (N, C, *spatial)."""

    __slots__ = ("dtype", "plan", "won")

    def forward(ctx, grad, won, plan):
        ctx.won, ctx.plan, ctx.dtype = won, plan, grad.dtype
        grad_x = empty(plan.x_view, grad.dtype)
        grad = ascontiguous(grad).reshape(won.shape)
        if plan.windows is None:
            kernels.max_pool_grad(grad, won, grad_x, *plan.options, n_threads())
        else:
            kernels.add_at_places(grad, won, grad_x, n_threads())
        return grad_x.reshape(plan.x_shape)

    def backward(ctx, grad):
        plan, won = ctx.plan, ctx.won
        passed = None if plan.windows is not None else won != NO_TAP
        places = plan.places(won if passed is None else np.where(passed, won, 0))
        grad_out = PlaneGather.apply(grad.reshape(plan.x_view), places).reshape(plan.out_shape)
        if passed is not None and not passed.all():
            grad_out = ReLUGrad.apply(grad_out, passed.astype(ctx.dtype).reshape(plan.out_shape))
        return grad_out, None, None


@remembered
def pool_plan(op, n, x_shape, kernel_size, stride, padding, dilation, ceil_mode):
    """From a shape and options, remembered as in `conv`. Few outputs of wide windows are better searched one by one."""
    sizes, *options = geometry(op, n, x_shape, kernel_size, stride, padding, dilation, ceil_mode)
    windows, image = None, x_shape[-n:]
    if prod(options[0]) > MOST_TAPS or 4 * sizes[-1] < options[0][-1]:
        windows = places_fit(op, Windows(x_shape, [max_axis(*each) for each in zip(image, sizes, *options, strict=True)]))
    return Plan(x_shape, n, sizes, tuple(options), windows)


def places_fit(op, windows):
    """The windows, or the worded error where int32 cannot count a plane."""
    if prod(windows.x_view[2:]) >= 2**31:
        raise shape_error(op, "a plane pooled by such windows must have less than 2**31 values", input=windows.x_shape)
    return windows


@remembered
def adaptive_plan(op, n, x_shape, output_size):
    """Windows that divide the image evenly are those of a common pooling."""
    sizes, image = adaptive_sizes(op, n, x_shape, output_size), x_shape[-n:]
    if all(size % out == 0 for size, out in zip(image, sizes, strict=True)):
        kernel = tuple(size // out for size, out in zip(image, sizes, strict=True))
        return pool_plan(op, n, x_shape, kernel, None, 0, 1, False)
    axes = [stepping(adaptive_axis(size, out)) for size, out in zip(image, sizes, strict=True)]
    return Plan(x_shape, n, sizes, None, places_fit(op, Windows(x_shape, axes)))


def pooled(input, plan, return_indices, rectified=False):
    """The maxima, rectified if asked, and where they lie if asked."""
    if plan.windows is None:
        won = empty(plan.out_view, UINT8)
    else:
        won = empty(plan.windows.out_view, INT32)
    out = MaxPool.apply(input, won, plan, rectified)
    if rectified and plan.windows is not None:
        out = relu(out)
    if not return_indices:
        return out
    return out, wrap(plan.places(won).astype(np.int64).reshape(plan.out_shape))


def max_pool(op, n, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    """The public functions below in `n` spatial dimensions."""
    options = hashable(kernel_size), hashable(stride), hashable(padding), hashable(dilation), bool(ceil_mode)
    return pooled(input, pool_plan(op, n, checked_floats(op, n, input), *options), return_indices)


def max_pool_relu(input, n, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """Max pooling over the last `n` dimensions and a ReLU, before or behind it, as one operation.

    The two commute, values and gradients alike. Options, shapes and errors are those of `max_pool2d`. `nn.Sequential` uses it
    where one of them follows the other.

    >>> import minidl
    >>> minidl.ops.max_pool_relu(minidl.tensor([[-1.0, 5.0, -2.0, -3.0]]), 1, 2)
    tensor([[5., 0.]])
    """
    op = f"max_pool{n}d"
    options = hashable(kernel_size), hashable(stride), hashable(padding), hashable(dilation), bool(ceil_mode)
    return pooled(input, pool_plan(op, n, checked_floats(op, n, input), *options), False, True)


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Maximum of every window along one spatial dimension; options and errors as for `max_pool2d`.

    input: (N, C, L) or (C, L). Returns (N, C, OL) or (C, OL).

    >>> import minidl
    >>> minidl.nn.functional.max_pool1d(minidl.tensor([[1.0, 5.0, 2.0, 3.0]]), 2)
    tensor([[5., 3.]])
    """
    return max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Maximum of every window: out[n, c, i, j] = max over h, w of x[n, c, i SH - PH + h DH, j SW - PW + w DW].

    input: (N, C, H, W) or (C, H, W). Returns (N, C, OH, OW) or (C, OH, OW), OH as in `conv2d`; with ceil_mode it is rounded
    up, and windows may hang over the end, also of an image smaller than they are. Padding counts as minus infinity; NaN wins
    over everything.
    kernel_size, stride (default: kernel_size), padding (at most half the kernel), dilation: an integer or two.
    return_indices: also return where in its plane (h W + w) each maximum lies, int64: the first of equals, the last NaN.

    Raises ShapeError for a wrong rank or an empty output, ArgumentError for an option outside its range, DTypeError unless
    input is float32 or float64.

    >>> import minidl
    >>> x = minidl.arange(16.0).reshape(1, 1, 4, 4)
    >>> minidl.nn.functional.max_pool2d(x, 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    return max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Maximum of every window over depth, height and width; options and errors as for `max_pool2d`.

    input: (N, C, D, H, W) or (C, D, H, W). Returns (N, C, OD, OH, OW) or (C, OD, OH, OW).

    >>> import minidl
    >>> minidl.nn.functional.max_pool3d(minidl.ones(1, 2, 4, 4, 4), 2).shape
    minidl.Size([1, 2, 2, 2, 2])
    """
    return max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def adaptive_max_pool(op, n, input, output_size, return_indices):
    """The public functions below in `n` spatial dimensions."""
    return pooled(input, adaptive_plan(op, n, checked_floats(op, n, input), hashable(output_size)), return_indices)


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """Maximum of windows that share the length out among `output_size` outputs; as `adaptive_max_pool2d`.

    input: (N, C, L) or (C, L). Returns (N, C, output_size) or (C, output_size).

    >>> import minidl
    >>> minidl.nn.functional.adaptive_max_pool1d(minidl.tensor([[1.0, 5.0, 3.0, 4.0, 2.0]]), 2)
    tensor([[5., 4.]])
    """
    return adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """Maximum of windows that share the image out: output i of OH sees the rows floor(i H / OH) to ceil((i + 1) H / OH) - 1.

    input: (N, C, H, W) or (C, H, W). Returns (N, C, OH, OW) or (C, OH, OW).
    output_size: OH and OW as one integer or two; None keeps the size of the input; 1 is the global maximum.
    return_indices: also return where in its plane each maximum lies, as `max_pool2d` does.

    Raises ShapeError for a wrong rank or an empty image, ArgumentError for a size below 1, DTypeError unless input is float32
    or float64.

    >>> import minidl
    >>> x = minidl.arange(16.0).reshape(1, 1, 4, 4)
    >>> minidl.nn.functional.adaptive_max_pool2d(x, (1, None))
    tensor([[[[12., 13., 14., 15.]]]])
    """
    return adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input, output_size, return_indices=False):
    """Maximum of windows that share a volume out; as `adaptive_max_pool2d`.

    input: (N, C, D, H, W) or (C, D, H, W). Returns (N, C, OD, OH, OW) or (C, OD, OH, OW).

    >>> import minidl
    >>> minidl.nn.functional.adaptive_max_pool3d(minidl.ones(1, 2, 4, 5, 6), (2, 2, None)).shape
    minidl.Size([1, 2, 2, 2, 6])
    """
    return adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size, return_indices)
