"""Matrix products on the packed-GEMM kernel, and the linear map.

Letters: M rows of the first matrix, K the summed dimension, N columns of the second; N also the batch of a linear map.
"""

import numpy as np

from .. import kernels
from ..errors import dtype_error, shape_error
from ..tape import Function
from ..tensor import Tensor
from .arrays import ascontiguous, empty, expect_floats, has_kernel, n_threads, not_tensors
from .channels import channel_sum
from .relu import ReLUGrad

__all__ = ["addmm", "baddbmm", "bmm", "dot", "linear", "linear_relu", "matmul", "mm", "mv", "outer"]


def product(a, b):
    """a @ b of two matrices, or of two stacks of matrices, given as arrays of one dtype."""
    if not has_kernel(a):
        wide = np.matmul(a.astype(np.float32), b.astype(np.float32)) if a.dtype.kind == "f" else np.matmul(a, b)
        return wide.astype(a.dtype)
    out = empty((*a.shape[:-1], b.shape[-1]), a.dtype)
    kernels.gemm(a, b, out, None, False, n_threads())
    return out


class MatMul(Function, arrays=True):
    """Product of two matrices (M, K) x (K, N), or of two stacks (B, M, K) x (B, K, N)."""

    __slots__ = ()

    def forward(ctx, a, b):
        need_a, need_b = ctx.needs_input_grad
        ctx.save_for_backward(a if need_b else None, b if need_a else None)
        return product(a, b)

    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        grad_a = None if b is None else MatMul.apply(grad, b.swapaxes(-1, -2))  # (M, N) x (N, K)
        grad_b = None if a is None else MatMul.apply(a.swapaxes(-1, -2), grad)  # (K, M) x (M, N)
        return grad_a, grad_b


def matmul(input, other):
    """Matrix product: C[m, n] = sum over k of A[m, k] B[k, n].

    input: (*, M, K) or (K,); other: (*, K, N) or (K,). Leading dimensions broadcast; a vector counts as one row (input) or
    one column (other) and its dimension is missing in the result (*, M, N). Two vectors give their dot product.

    Raises ShapeError where K differs or the leading dimensions do not broadcast, DTypeError where the dtypes differ.

    >>> import minidl
    >>> minidl.matmul(minidl.tensor([[1.0, 2.0], [3.0, 4.0]]), minidl.tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    try:
        a, b = input._array, other._array
    except AttributeError:
        raise not_tensors("matmul", input=input, other=other) from None
    if a.dtype is not b.dtype and a.dtype != b.dtype:
        raise dtype_error("matmul", "both tensors must have the same dtype", input=input.dtype, other=other.dtype)
    if a.ndim == 2 and b.ndim == 2:
        if a.shape[1] != b.shape[0]:
            raise shape_error("matmul", "columns of input must equal rows of other", input=a.shape, other=b.shape)
        return MatMul.apply(input, other)
    return stacked(input, other)


def stacked(input, other):
    """matmul of anything but two matrices: vectors become matrices, stacks become one stack."""
    a, b = input.shape, other.shape
    if not a or not b:
        raise shape_error("matmul", "both tensors must have at least one dimension", input=a, other=b)
    if a[-1] != (b[-2] if len(b) > 1 else b[0]):
        raise shape_error("matmul", "the last size of input must equal the last but one of other", input=a, other=b)
    left = input.reshape(1, a[0]) if len(a) == 1 else input  # (K,) -> (1, K)
    right = other.reshape(b[0], 1) if len(b) == 1 else other  # (K,) -> (K, 1)
    m, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
    if right.ndim == 2:  # the leading dimensions of input are rows like any others
        batch, out = left.shape[:-2], MatMul.apply(as_rows(left), right)  # (B M, K) x (K, N)
    else:
        batch = broadcast_batch(left, right)
        stack_a = left.expand(*batch, m, k).reshape(volume(batch), m, k)  # (B, M, K)
        stack_b = right.expand(*batch, k, n).reshape(volume(batch), k, n)  # (B, K, N)
        out = MatMul.apply(stack_a, stack_b)
    shape = (*batch, *((m,) if len(a) > 1 else ()), *((n,) if len(b) > 1 else ()))
    return out.reshape(shape)


def volume(sizes):
    """The product of sizes."""
    count = 1
    for size in sizes:
        count *= size
    return count


def broadcast_batch(left, right):
    """The leading dimensions that two stacks of matrices share."""
    try:
        return np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    except ValueError:
        raise shape_error("matmul", "leading dimensions must broadcast", input=left.shape, other=right.shape) from None


def expect_ranks(op, input, other, rank_a, rank_b):
    """Raise ShapeError unless the tensors have exactly these numbers of dimensions."""
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        raise not_tensors(op, input=input, other=other)
    if input.ndim != rank_a or other.ndim != rank_b:
        raise shape_error(op, f"tensors of {rank_a} and {rank_b} dimensions are taken", input=input.shape, other=other.shape)


def mm(input, mat2):
    """Product of two matrices, (M, K) x (K, N); raises ShapeError for anything else.

    >>> import minidl
    >>> minidl.mm(minidl.ones(2, 3), minidl.ones(3, 1))
    tensor([[3.],
            [3.]])
    """
    expect_ranks("mm", input, mat2, 2, 2)
    return matmul(input, mat2)


def bmm(input, mat2):
    """Product of two stacks of matrices, (B, M, K) x (B, K, N); raises ShapeError for anything else.

    >>> import minidl
    >>> minidl.bmm(minidl.ones(4, 2, 3), minidl.ones(4, 3, 5)).shape
    minidl.Size([4, 2, 5])
    """
    expect_ranks("bmm", input, mat2, 3, 3)
    if input.shape[0] != mat2.shape[0]:
        raise shape_error("bmm", "both stacks must hold the same number of matrices", input=input.shape, mat2=mat2.shape)
    return matmul(input, mat2)


def mv(input, vec):
    """Product of a matrix (M, K) and a vector (K,); raises ShapeError for anything else.

    >>> import minidl
    >>> minidl.mv(minidl.ones(2, 3), minidl.ones(3))
    tensor([3., 3.])
    """
    expect_ranks("mv", input, vec, 2, 1)
    return matmul(input, vec)


def dot(input, tensor):
    """Sum of the products of two vectors (K,); raises ShapeError for anything else.

    >>> import minidl
    >>> minidl.dot(minidl.tensor([1.0, 2.0]), minidl.tensor([3.0, 4.0]))
    tensor(11.)
    """
    expect_ranks("dot", input, tensor, 1, 1)
    return matmul(input, tensor)


def outer(input, vec2):
    """Products of every value of one vector (M,) with every value of another (N,): (M, N).

    >>> import minidl
    >>> minidl.outer(minidl.tensor([1.0, 2.0]), minidl.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    expect_ranks("outer", input, vec2, 1, 1)
    return input.reshape(-1, 1) * vec2


def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """beta * input + alpha * (mat1 mat2); input broadcasts to (M, N).

    >>> import minidl
    >>> minidl.addmm(minidl.ones(2), minidl.ones(1, 3), minidl.ones(3, 2))
    tensor([[4., 4.]])
    """
    out = mm(mat1, mat2)
    return (out if alpha == 1 else out * alpha) + (input if beta == 1 else input * beta)


def baddbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta * input + alpha * (batch1 batch2), for stacks of matrices; input broadcasts to (B, M, N).

    >>> import minidl
    >>> minidl.baddbmm(minidl.ones(2), minidl.ones(1, 1, 3), minidl.ones(1, 3, 2))
    tensor([[[4., 4.]]])
    """
    out = bmm(batch1, batch2)
    return (out if alpha == 1 else out * alpha) + (input if beta == 1 else input * beta)


def as_rows(x):
    """The vectors of a tensor or array (*, D) as the rows of a matrix (N, D)."""
    return x if x.ndim == 2 else x.reshape(volume(x.shape[:-1]), x.shape[-1])


class Linear(Function, arrays=True):
    """x (*, D) -> x weight^T + bias, then ReLU if asked; weight (U, D), bias (U,) or None."""

    __slots__ = ()

    def forward(ctx, x, weight, bias, rectified):
        out = empty((*x.shape[:-1], weight.shape[0]), x.dtype)  # (*, U)
        kernels.gemm(as_rows(x), weight.T, as_rows(out), None if bias is None else ascontiguous(bias), rectified, n_threads())
        if True in ctx.needs_input_grad:
            need_x, need_weight, _, _ = ctx.needs_input_grad
            ctx.save_for_backward(x if need_weight else None, weight if need_x else None, out if rectified else None)
        return out

    def backward(ctx, grad):
        x, weight, out = ctx.saved_tensors
        if out is not None:
            grad = ReLUGrad.apply(grad, out.detach() if isinstance(out, Tensor) else out)
        need_bias = ctx.needs_input_grad[2]
        if isinstance(grad, Tensor):
            return (*Linear.tensor_grads(grad, x, weight), channel_sum(as_rows(grad)) if need_bias else None, None)
        given, grad = ([] if x is None else [ascontiguous(as_rows(x))]), ascontiguous(grad)
        grads, back, grad_x = as_rows(grad), (), None
        if weight is not None:
            grad_x = empty((*grad.shape[:-1], weight.shape[1]), grad.dtype)  # (*, D)
            back = [ascontiguous(weight)], as_rows(grad_x)
        ((*grad_weight, grad_bias),) = affine_grads([(grads, given, need_bias)], *back)
        return grad_x, grad_weight[0] if grad_weight else None, grad_bias, None

    @staticmethod
    def tensor_grads(grad, x, weight):
        """Gradients of x and weight that are operations themselves, for second derivatives."""
        shape, grad = grad.shape, as_rows(grad)  # (N, U)
        grad_x = None if weight is None else MatMul.apply(grad, weight).reshape(*shape[:-1], weight.shape[1])  # (N, U) x (U, D) -> (*, D)
        return grad_x, None if x is None else MatMul.apply(grad.swapaxes(0, 1), as_rows(x))  # (U, N) x (N, D)


def affine_grads(maps, weights=None, grad_x=None):
    """The gradients of one or two affine maps (grads, inputs, biased): grads^T x for each x of inputs, then the sum of grads' rows or None.

    With a weight per map grad_x gets the sum of grads times weight over the maps. What an x may be, other than a
    matrix: see `kernels.affine_grads`.
    """
    grads, inputs, found, sums, results = [], [], [], [], []
    for grad, own, biased in maps:
        units, dtype = grad.shape[1], grad.dtype
        own_found = [empty((units, (x[0] if type(x) is tuple else x).shape[1]), dtype) for x in own]
        bias = empty((units,), dtype) if biased else None
        grads.append(grad)
        inputs.append(own)
        found.append(own_found)
        sums.append(bias)
        results.append((*own_found, bias))
    kernels.affine_grads(grads, inputs, found, sums, weights, grad_x, n_threads())
    return results


def linear(input, weight, bias=None):
    """Linear map of the last dimension: y[*, u] = sum over d of x[*, d] w[u, d] + b[u].

    input: (*, D); weight: (U, D); bias: (U,) or None. Returns (*, U).

    Raises ShapeError where D or U do not agree, DTypeError unless all are of one dtype, float32 or float64.

    >>> import minidl
    >>> minidl.nn.functional.linear(minidl.ones(1, 3), minidl.ones(2, 3), minidl.tensor([0.0, 1.0]))
    tensor([[3., 4.]])
    """
    return affine(input, weight, bias, False)


def linear_relu(input, weight, bias=None):
    """`linear` and the ReLU behind it as one operation: max(0, y), in one pass over y.

    Shapes and errors are those of `linear`. `nn.Sequential` uses it where a Linear is followed by a ReLU.

    >>> import minidl
    >>> minidl.ops.linear_relu(minidl.ones(1, 3), minidl.tensor([[1.0, 1.0, 1.0], [-1.0, 0.0, 0.0]]))
    tensor([[3., 0.]])
    """
    return affine(input, weight, bias, True)


def affine(input, weight, bias, rectified):
    """What the two functions above share."""
    try:
        x, w, bias_shape = input._array, weight._array, None if bias is None else bias._array.shape
    except AttributeError:
        raise not_tensors("linear", input=input, weight=weight, bias=bias) from None
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1]:
        raise shape_error("linear", "the last size of input must equal the columns of weight (U, D)", input=x.shape, weight=w.shape)
    if bias is not None and bias_shape != w.shape[:1]:
        raise shape_error("linear", "bias must have one value per row of weight", weight=w.shape, bias=bias_shape)
    if x.dtype is not w.dtype or not has_kernel(x) or (bias is not None and bias._array.dtype is not x.dtype):
        expect_floats("linear", input=input, weight=weight, bias=bias)
    return Linear.apply(input, weight, bias, rectified)
