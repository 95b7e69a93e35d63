"""Measured roofs of the machine, for benchmarks and profiles."""

cdef extern from "kernels.h" nogil:
    double measured_dispatch "dispatch_cost"()
    double measure_peak "peak_flops"(int n_threads)
    double measure_bandwidth "bandwidth"(void *buffer, Py_ssize_t n_bytes, int n_threads)


def dispatch_seconds():
    """What entering and leaving a parallel region is taken to cost, in seconds; 0 before the first kernel that is worth threads."""
    return 1e-9 * measured_dispatch()


def peak_flops(int n_threads):
    """Measured float32 operations per second of the micro-kernel in the first cache, all threads together."""
    cdef double rate
    with nogil:
        rate = measure_peak(n_threads)
    return rate


def bandwidth(int n_threads, Py_ssize_t n_bytes=256 << 20):
    """Measured bytes per second between memory and the cores: a buffer larger than the caches is read and written."""
    cdef Block block = acquire(n_bytes)
    cdef float *values = <float *> block.pointer
    cdef Py_ssize_t i
    cdef double rate
    with nogil:
        for i in range(n_bytes // 4):
            values[i] = 1.0
        rate = measure_bandwidth(block.pointer, n_bytes, n_threads)
    return rate
