"""The memory pool under every array that a kernel or an op makes.

Sizes are rounded up to classes, eight to an octave, so that at most an eighth is wasted. A freed block goes onto the
list of its class and is handed out again by the next request of that class: a training step asks for the same sizes
each time, so from the second step on nothing is mapped, zeroed or faulted in. What a kernel needs for its own time only
may come from the list of a larger class.

    request 100,000 bytes -> class of 106,496 -> list [block, block] -> the block freed last, still warm in the cache

An array made here holds its `Block` as its base, so the memory lives until the last view of it dies. All state is
guarded by the GIL. MINIDL_POOL=0 hands every block straight back to the system, so that memory checkers see all of it.
"""

cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_New
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memmove, strcpy

import os

from ..errors import ArgumentError

cdef extern from "memory.h" nogil:
    void *map_block(size_t n_bytes, int pooled)
    void unmap_block(void *pointer, size_t n_bytes, int pooled)

cdef extern from "numpy/arrayobject.h":
    ctypedef struct PyDataMemAllocator:
        void *ctx
        void *(*malloc)(void *ctx, size_t size) noexcept
        void *(*calloc)(void *ctx, size_t count, size_t size) noexcept
        void *(*realloc)(void *ctx, void *pointer, size_t size) noexcept
        void (*free)(void *ctx, void *pointer, size_t size) noexcept

    ctypedef struct PyDataMem_Handler:
        char name[127]
        uint8_t version
        PyDataMemAllocator allocator

    object PyDataMem_SetHandler(object handler)

    object PyArray_NewFromDescr(void *subtype, cnp.dtype descr, int nd, const cnp.npy_intp *dims,
                                const cnp.npy_intp *strides, void *data, int flags, object obj)

cnp.import_array()

cdef enum:
    N_CLASSES = 320
    TWO_OCTAVES = 16         # in classes
    UNIT = 64                # bytes of the smallest class, and the alignment of every block
    MAX_DIMS = 32
    FROM_POOL = 65536        # bytes from which NumPy's own results are worth the pool

cdef struct Freed:
    void *pointer
    uint64_t when

cdef struct FreeList:
    Freed *blocks            # from `first` to before `end`, oldest first
    Py_ssize_t first
    Py_ssize_t end
    Py_ssize_t room

cdef FreeList lists[N_CLASSES]
cdef uint64_t clock = 0
cdef uint64_t hits = 0
cdef uint64_t misses = 0
cdef size_t in_use = 0
cdef size_t peak = 0
cdef size_t most_in_use = 0  # since the cache was last emptied
cdef size_t cached = 0
cdef size_t limit = 0        # bytes that may lie on the lists; 0: as much as was most in use, and 64 MB
cdef bint enabled = os.environ.get("MINIDL_POOL", "1") != "0"


cdef inline int class_of(size_t n_bytes) noexcept nogil:
    """Index of the smallest class that holds n_bytes. Sizes in units: 1, 2, ..., 16, 18, 20, ..., 32, 36, ..., 64, 72, ..."""
    cdef size_t last = (n_bytes - 1) // UNIT if n_bytes else 0
    cdef int octave = 0
    while last >> (octave + 4):
        octave += 1
    return 8 * octave + <int> (last >> octave)


cdef inline size_t size_of(int index) noexcept nogil:
    """Bytes of a class: the inverse of `class_of`."""
    if index < 8:
        return <size_t> UNIT * (index + 1)
    return (<size_t> UNIT * (index % 8 + 9)) << (index // 8 - 1)


cdef size_t most_cached() noexcept nogil:
    return limit if limit else most_in_use + (<size_t> 64 << 20)


cdef void drop_oldest() noexcept nogil:
    """Return the block that has lain unused for longest to the system."""
    global cached
    cdef int index, oldest = -1
    cdef uint64_t since = 0
    cdef FreeList *freed
    for index in range(N_CLASSES):
        freed = &lists[index]
        if freed.first < freed.end and (oldest < 0 or freed.blocks[freed.first].when < since):
            oldest, since = index, freed.blocks[freed.first].when
    if oldest < 0:
        return
    freed = &lists[oldest]
    unmap_block(freed.blocks[freed.first].pointer, size_of(oldest), enabled)
    cached -= size_of(oldest)
    freed.first += 1


cdef bint make_room(FreeList *freed) noexcept nogil:
    """True when the list can take one more block."""
    cdef Freed *larger
    if freed.end < freed.room:
        return True
    if freed.first > freed.room // 2:
        memmove(freed.blocks, freed.blocks + freed.first, <size_t> (freed.end - freed.first) * sizeof(Freed))
        freed.end -= freed.first
        freed.first = 0
        return True
    larger = <Freed *> realloc(freed.blocks, <size_t> (2 * freed.room + 8) * sizeof(Freed))
    if larger is NULL:
        return False
    freed.blocks = larger
    freed.room = 2 * freed.room + 8
    return True


cdef void give_back(void *pointer, size_t size) noexcept nogil:
    """Put a block of a class's size onto its list, or return it to the system."""
    global clock, cached, in_use
    cdef FreeList *freed = &lists[class_of(size)]
    in_use -= size
    if not enabled or size > most_cached() or not make_room(freed):
        unmap_block(pointer, size, enabled)
        return
    clock += 1
    freed.blocks[freed.end] = Freed(pointer, clock)
    freed.end += 1
    cached += size
    while cached > most_cached():
        drop_oldest()


cdef void *take(size_t size) noexcept nogil:
    """A block of exactly a class's size, from its list or from the system; NULL when there is no memory."""
    global cached, in_use, peak, most_in_use, hits, misses
    cdef FreeList *freed = &lists[class_of(size)]
    cdef void *pointer
    if freed.first < freed.end:
        freed.end -= 1
        pointer = freed.blocks[freed.end].pointer
        cached -= size
        hits += 1
    else:
        pointer = map_block(size, enabled)
        while pointer is NULL and cached:
            drop_oldest()
            pointer = map_block(size, enabled)
        if pointer is NULL:
            return NULL
        misses += 1
    in_use += size
    peak = max(peak, in_use)
    most_in_use = max(most_in_use, in_use)
    return pointer


cdef class Block:
    """Owner of one block of memory: gives it back to the pool when the last array on it dies."""

    def __dealloc__(self):
        if self.pointer is not NULL:
            give_back(self.pointer, self.size)


cdef Block acquire(size_t n_bytes):
    """A block of at least n_bytes; MemoryError when there is none."""
    cdef Block block = Block.__new__(Block)
    cdef size_t size
    if n_bytes > <size_t> 1 << 46:
        raise MemoryError(f"minidl: cannot allocate {n_bytes} bytes")
    size = size_of(class_of(n_bytes))
    block.pointer = take(size)
    if block.pointer is NULL:
        raise MemoryError(f"minidl: cannot allocate {n_bytes} bytes")
    block.size = size
    return block


cdef Block acquire_scratch(size_t n_bytes):
    """Memory for the time of one kernel: of the free blocks of up to four times the size, the one freed last.

    So kernels that follow each other work in the same memory, which is still in the cache, even where they ask for different sizes.
    """
    cdef int least = class_of(n_bytes), newest = least, index
    cdef uint64_t when = 0
    cdef FreeList *freed
    for index in range(least, min(least + TWO_OCTAVES, N_CLASSES)):
        freed = &lists[index]
        if freed.first < freed.end and freed.blocks[freed.end - 1].when > when:
            newest, when = index, freed.blocks[freed.end - 1].when
    return acquire(n_bytes if newest == least else size_of(newest))


def empty(shape, cnp.dtype dtype):
    """A new C-contiguous array of uninitialised values in pool memory, aligned to 64 bytes.

    shape: tuple of non-negative integers; dtype: a numpy.dtype without Python objects.
    Raises TypeError for another dtype, ValueError for a negative size, MemoryError when the array cannot be had.
    """
    cdef cnp.npy_intp dims[MAX_DIMS]
    cdef int n_dims = len(shape), i
    cdef size_t n_bytes = <size_t> dtype.itemsize
    cdef Block block
    if dtype.type_num == cnp.NPY_OBJECT:
        raise TypeError(f"empty: takes a dtype without Python objects, got {dtype}")
    if n_dims > MAX_DIMS:
        raise ValueError(f"empty: at most {MAX_DIMS} dimensions, got {n_dims}")
    for i in range(n_dims):
        dims[i] = shape[i]
        if dims[i] < 0:
            raise ValueError(f"empty: sizes must not be negative, got {tuple(shape)}")
        if dims[i] and n_bytes > (<size_t> 1 << 46) // <size_t> dims[i]:
            raise MemoryError(f"minidl: cannot allocate an array of shape {tuple(shape)}")
        n_bytes *= <size_t> dims[i]
    block = acquire(n_bytes)
    Py_INCREF(dtype)  # PyArray_NewFromDescr takes this reference over
    array = PyArray_NewFromDescr(<void *> cnp.ndarray, dtype, n_dims, dims, NULL, block.pointer, cnp.NPY_ARRAY_CARRAY, None)
    cnp.set_array_base(array, block)
    return array


# ---- NumPy's own results (NEP 49) ------------------------------------------------------------------------------------
#
# What NumPy makes inside `numpy_from_pool` comes from the pool as well, when it is large. In front of the data stands the
# size of the block, 0 for memory from malloc.

cdef size_t *with_header(char *pointer, size_t size) noexcept:
    if pointer is NULL:
        return NULL
    (<size_t *> pointer)[0] = size
    return <size_t *> (pointer + UNIT)


cdef void *numpy_malloc(void *ctx, size_t n_bytes) noexcept:
    cdef size_t size
    if n_bytes < FROM_POOL or n_bytes > <size_t> 1 << 46:
        return with_header(<char *> malloc(n_bytes + UNIT), 0)
    size = size_of(class_of(n_bytes + UNIT))
    return with_header(<char *> take(size), size)


cdef void *numpy_calloc(void *ctx, size_t count, size_t size) noexcept:
    """Zeros come from the system, which has them for nothing."""
    if size and count > (<size_t> 1 << 46) // size:
        return NULL
    return with_header(<char *> calloc(count * size + UNIT, 1), 0)


cdef void numpy_free(void *ctx, void *pointer, size_t n_bytes) noexcept:
    cdef char *start = <char *> pointer - UNIT
    if pointer is NULL:
        return
    if (<size_t *> start)[0]:
        give_back(start, (<size_t *> start)[0])
    else:
        free(start)


cdef void *numpy_realloc(void *ctx, void *pointer, size_t n_bytes) noexcept:
    cdef char *start = <char *> pointer - UNIT
    cdef void *moved
    cdef size_t size
    if pointer is NULL:
        return numpy_malloc(ctx, n_bytes)
    size = (<size_t *> start)[0]
    if size == 0:
        return with_header(<char *> realloc(start, n_bytes + UNIT), 0)
    moved = numpy_malloc(ctx, n_bytes)
    if moved is not NULL:
        memcpy(moved, pointer, min(n_bytes, size - UNIT))
        numpy_free(ctx, pointer, n_bytes)
    return moved


cdef PyDataMem_Handler handler
strcpy(handler.name, b"minidl")
handler.version = 1
handler.allocator = PyDataMemAllocator(NULL, numpy_malloc, numpy_calloc, numpy_realloc, numpy_free)
cdef object handler_capsule = PyCapsule_New(&handler, "mem_handler", NULL)


cdef class numpy_from_pool:
    """Context manager: large results of NumPy, made in this thread, come from the pool.

    >>> import numpy as np
    >>> with numpy_from_pool():
    ...     x = np.ones(100_000) + 1
    >>> float(x.sum())
    200000.0
    """

    cdef object before

    def __enter__(self):
        self.before = PyDataMem_SetHandler(handler_capsule)

    def __exit__(self, kind, error, traceback):
        PyDataMem_SetHandler(self.before)


def memory_stats():
    """Counters of the pool: bytes in use now and at the peak, bytes reserved (in use and cached), requests met from the lists and not.

    >>> import minidl
    >>> sorted(minidl.memory_stats())
    ['hits', 'in_use', 'misses', 'peak', 'reserved']
    """
    return {"in_use": in_use, "peak": peak, "reserved": in_use + cached, "hits": hits, "misses": misses}


def reset_peak_memory_stats():
    """Let the peak of `memory_stats` start again from what is in use now.

    >>> import minidl
    >>> minidl.reset_peak_memory_stats()
    >>> stats = minidl.memory_stats()
    >>> stats["peak"] == stats["in_use"]
    True
    """
    global peak
    peak = in_use


def empty_cache():
    """Return every cached block to the operating system; arrays in use are untouched. What was most in use counts anew from here.

    >>> import minidl
    >>> minidl.empty_cache()
    >>> stats = minidl.memory_stats()
    >>> stats["reserved"] == stats["in_use"]
    True
    """
    global most_in_use
    while cached:
        drop_oldest()
    most_in_use = in_use


def set_memory_cache_limit(n_bytes):
    """Keep at most n_bytes of freed memory for reuse; None for the default: as much as was most in use, and 64 MB.

    Raises ArgumentError when n_bytes is negative.

    >>> import minidl
    >>> minidl.set_memory_cache_limit(2 ** 30)
    >>> minidl.set_memory_cache_limit(None)
    """
    global limit
    if n_bytes is not None and n_bytes < 0:
        raise ArgumentError(f"set_memory_cache_limit: n_bytes must not be negative, got {n_bytes}")
    limit = 0 if n_bytes is None else max(1, <size_t> n_bytes)
    while cached > most_cached():
        drop_oldest()
