"""One-pass updates of the optimisers: all parameters of a step in one parallel region.

The values of all arrays, counted through, are dealt out evenly. Every value is updated by itself, so the threads change no bit.
"""

cdef enum:
    WHOLE = 64  # values: arrays are divided at multiples, so that vectors are as they are in the undivided array


cdef inline Py_ssize_t within(Py_ssize_t place, Py_ssize_t size) noexcept nogil:
    """Where an array of this size is divided if `place`, counted from its start, divides all values."""
    return size if place >= size else max(<Py_ssize_t> 0, place) // WHOLE * WHOLE


cdef Py_ssize_t count_values(list arrays, Py_ssize_t *sizes) except -1:
    """Number of values of each array; returns that of all."""
    cdef Py_ssize_t i, total = 0
    for i in range(len(arrays)):
        sizes[i] = cnp.PyArray_SIZE(<cnp.ndarray?> arrays[i])
        total += sizes[i]
    return total


cdef int pointers(list arrays, list like, void **to) except -1:
    """Data pointers of arrays that must each be as `like` is, of one precision, contiguous and writeable."""
    cdef Py_ssize_t i
    if len(arrays) != len(like):
        raise ValueError(f"an optimiser kernel takes lists of one length, got {len(arrays)} and {len(like)}")
    for i in range(len(arrays)):
        writeable(<cnp.ndarray?> like[0], <cnp.ndarray?> arrays[i])
        same_size(like[i], arrays[i])
        to[i] = cnp.PyArray_DATA(<cnp.ndarray> arrays[i])
    return 0


cdef int gradient_pointers(list grads, list params, void **to) except -1:
    cdef Py_ssize_t i
    if len(grads) != len(params):
        raise ValueError(f"an optimiser kernel takes lists of one length, got {len(grads)} and {len(params)}")
    for i in range(len(grads)):
        same_kind(params[0], <cnp.ndarray?> grads[i])
        same_size(params[i], grads[i])
        to[i] = cnp.PyArray_DATA(<cnp.ndarray> grads[i])
    return 0


cdef inline void sgd_run(real *param, const real *grad, real *buffer, Py_ssize_t n, real lr, real momentum, real keep, real decay,
                         bint nesterov, real sign, bint first) noexcept nogil:
    """SGD on n values; buffer is NULL without momentum."""
    cdef Py_ssize_t i
    cdef real g
    if buffer is NULL:
        for i in range(n):
            param[i] = param[i] - lr * (sign * grad[i] + decay * param[i])
    elif first:
        for i in range(n):
            g = sign * grad[i] + decay * param[i]
            buffer[i] = g
            param[i] = param[i] - lr * (g + momentum * g if nesterov else g)
    else:
        for i in range(n):
            g = sign * grad[i] + decay * param[i]
            buffer[i] = momentum * buffer[i] + keep * g
            param[i] = param[i] - lr * (g + momentum * buffer[i] if nesterov else buffer[i])


cdef void sgd_all(real **params, real **grads, real **buffers, const Py_ssize_t *sizes, Py_ssize_t n, Py_ssize_t total, double lr,
                  double momentum, double dampening, double decay, bint nesterov, bint maximize, bint first, int n_threads) noexcept nogil:
    cdef Py_ssize_t a = 0, offset = 0, from_here = 0, to_here = 0, start = 0, length = 0
    cdef unsigned int mode = 0
    cdef int team = team_begin(n_threads, total * (sizeof(real) / 16.0))
    with nogil, parallel(num_threads=team):
        mode = denormals_off()
        from_here = total * thread_index() // team_size()
        to_here = total * (thread_index() + 1) // team_size()
        for a in range(n):
            start = within(from_here - offset, sizes[a])
            length = within(to_here - offset, sizes[a]) - start
            sgd_run(params[a] + start, grads[a] + start, buffers[a] + start if buffers is not NULL else <real *> NULL, length,
                    <real> lr, <real> momentum, <real> (1.0 - dampening), <real> decay, nesterov, <real> (-1.0 if maximize else 1.0), first)
            offset = offset + sizes[a]
        denormals_on(mode)
    team_end(team)


def sgd_step(
    list params,                 # INOUT  arrays of one precision
    list grads,                  # IN     one per parameter
    list buffers,                # INOUT  momentum buffers, or None without momentum
    double lr,
    double momentum,
    double dampening,
    double weight_decay,
    bint nesterov,
    bint maximize,
    bint first,                  # the buffers hold nothing yet: they become the gradient
    int n_threads,
):
    """One step of SGD on all parameters: buffer = momentum buffer + (1 - dampening) g, param -= lr buffer."""
    cdef Py_ssize_t n = len(params), total
    cdef Block block
    cdef void **table
    cdef void **momenta
    cdef Py_ssize_t *sizes
    cdef bint single
    if n == 0:
        return
    block = acquire(<size_t> (3 * n) * sizeof(void *) + <size_t> n * sizeof(Py_ssize_t))
    table = <void **> block.pointer
    sizes = <Py_ssize_t *> (table + 3 * n)
    pointers(params, params, table)
    gradient_pointers(grads, params, table + n)
    momenta = NULL
    if buffers is not None:
        momenta = table + 2 * n
        pointers(buffers, params, momenta)
    total = count_values(params, sizes)
    single = table_of(params[0]) is &table_f32
    with nogil:
        if single:
            sgd_all[float](<float **> table, <float **> (table + n), <float **> momenta, sizes, n, total, lr, momentum, dampening,
                           weight_decay, nesterov, maximize, first, n_threads)
        else:
            sgd_all[double](<double **> table, <double **> (table + n), <double **> momenta, sizes, n, total, lr, momentum, dampening,
                            weight_decay, nesterov, maximize, first, n_threads)


cdef inline real root(real x) noexcept nogil:
    if real is float:
        return sqrtf(x)
    else:
        return sqrt(x)


cdef inline void adam_run(real *param, const real *grad, real *mean, real *square, real *largest, Py_ssize_t n, real step_size, real beta1,
                          real beta2, real scale, real eps, real decay, real shrink, real sign) noexcept nogil:
    """Adam on n values; scale = 1 / sqrt(1 - beta2^t); largest is NULL without amsgrad."""
    cdef Py_ssize_t i
    cdef real g, m, v
    if largest is NULL:
        for i in range(n):
            g = sign * grad[i] + decay * param[i]
            m = mean[i] + (1 - beta1) * (g - mean[i])
            v = beta2 * square[i] + (1 - beta2) * g * g
            mean[i] = m
            square[i] = v
            param[i] = shrink * param[i] - step_size * m / (root(v) * scale + eps)
    else:
        for i in range(n):
            g = sign * grad[i] + decay * param[i]
            m = mean[i] + (1 - beta1) * (g - mean[i])
            v = beta2 * square[i] + (1 - beta2) * g * g
            mean[i] = m
            square[i] = v
            v = v if v > largest[i] else largest[i]
            largest[i] = v
            param[i] = shrink * param[i] - step_size * m / (root(v) * scale + eps)


cdef void adam_all(real **params, real **grads, real **means, real **squares, real **largest, const Py_ssize_t *sizes, Py_ssize_t n,
                   Py_ssize_t total, double step_size, double beta1, double beta2, double scale, double eps, double decay, double shrink,
                   bint maximize, int n_threads) noexcept nogil:
    cdef Py_ssize_t a = 0, offset = 0, from_here = 0, to_here = 0, start = 0, length = 0
    cdef unsigned int mode = 0
    cdef int team = team_begin(n_threads, total * (sizeof(real) / 8.0))
    with nogil, parallel(num_threads=team):
        mode = denormals_off()
        from_here = total * thread_index() // team_size()
        to_here = total * (thread_index() + 1) // team_size()
        for a in range(n):
            start = within(from_here - offset, sizes[a])
            length = within(to_here - offset, sizes[a]) - start
            adam_run(params[a] + start, grads[a] + start, means[a] + start, squares[a] + start,
                     largest[a] + start if largest is not NULL else <real *> NULL, length, <real> step_size, <real> beta1,
                     <real> beta2, <real> scale, <real> eps, <real> decay, <real> shrink, <real> (-1.0 if maximize else 1.0))
            offset = offset + sizes[a]
        denormals_on(mode)
    team_end(team)


def adam_step(
    list params,                 # INOUT  arrays of one precision
    list grads,                  # IN     one per parameter
    list exp_avgs,               # INOUT  running means of the gradient
    list exp_avg_sqs,            # INOUT  running means of its square
    list max_exp_avg_sqs,        # INOUT  their maxima (AMSGrad), or None
    Py_ssize_t step,             # number of this step, from 1
    double lr,
    double beta1,
    double beta2,
    double eps,
    double weight_decay,
    bint decoupled,              # weight decay on the parameter (AdamW) rather than on the gradient
    bint maximize,
    int n_threads,
):
    """One step of Adam on all parameters (Kingma & Ba 2015, algorithm 1)."""
    cdef Py_ssize_t n = len(params), total
    cdef Block block
    cdef void **table
    cdef void **largest = NULL
    cdef Py_ssize_t *sizes
    cdef bint single
    cdef double step_size, scale, decay = 0.0 if decoupled else weight_decay, shrink = 1.0 - lr * weight_decay if decoupled else 1.0
    if n == 0:
        return
    if step < 1:
        raise ValueError(f"adam_step: steps are counted from 1, got {step}")
    step_size = lr / (1.0 - beta1 ** <double> step)
    scale = 1.0 / sqrt(1.0 - beta2 ** <double> step)
    block = acquire(<size_t> (5 * n) * sizeof(void *) + <size_t> n * sizeof(Py_ssize_t))
    table = <void **> block.pointer
    sizes = <Py_ssize_t *> (table + 5 * n)
    pointers(params, params, table)
    gradient_pointers(grads, params, table + n)
    pointers(exp_avgs, params, table + 2 * n)
    pointers(exp_avg_sqs, params, table + 3 * n)
    if max_exp_avg_sqs is not None:
        largest = table + 4 * n
        pointers(max_exp_avg_sqs, params, largest)
    total = count_values(params, sizes)
    single = table_of(params[0]) is &table_f32
    with nogil:
        if single:
            adam_all[float](<float **> table, <float **> (table + n), <float **> (table + 2 * n), <float **> (table + 3 * n),
                            <float **> largest, sizes, n, total, step_size, beta1, beta2, scale, eps, decay, shrink, maximize, n_threads)
        else:
            adam_all[double](<double **> table, <double **> (table + n), <double **> (table + 2 * n), <double **> (table + 3 * n),
                             <double **> largest, sizes, n, total, step_size, beta1, beta2, scale, eps, decay, shrink, maximize, n_threads)
