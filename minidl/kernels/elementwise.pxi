"""Activations that stream through memory."""


def relu(
    cnp.ndarray x,               # IN   any shape, C-contiguous
    cnp.ndarray out,             # OUT  the same shape; may be x
    int n_threads,
):
    """out = max(x, 0); NaN stays NaN."""
    cdef const kernel_table *table = table_of(x)
    same_kind(x, x)
    writeable(x, out)
    same_size(x, out)
    with nogil:
        table.relu(cnp.PyArray_SIZE(x), data(x), data(out), n_threads)


def relu_grad(
    cnp.ndarray grad,            # IN   any shape, C-contiguous
    cnp.ndarray out,             # IN   what relu returned
    cnp.ndarray grad_x,          # OUT  the same shape; may be grad
    int n_threads,
):
    """grad_x = grad where out > 0, else 0."""
    cdef const kernel_table *table = table_of(grad)
    same_kind(grad, grad)
    same_kind(grad, out)
    writeable(grad, grad_x)
    same_size(grad, out)
    same_size(grad, grad_x)
    with nogil:
        table.relu_grad(cnp.PyArray_SIZE(grad), data(grad), data(out), data(grad_x), n_threads)
