cdef class Block:
    cdef void *pointer
    cdef size_t size

cdef Block acquire(size_t n_bytes)
cdef Block acquire_scratch(size_t n_bytes)
