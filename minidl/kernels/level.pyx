"""The compiled kernels of one instruction set: arrays in, arrays out, nothing known of tensors.

This file and src/ are compiled once per level, as the modules _v2, _v3, _v4 (or _portable); kernels/__init__.py chooses one at
import. Every function here has a NumPy twin of the same name and signature in kernels/reference/, which says what it
computes. Arguments come checked from the ops; what is checked here keeps a mistake from touching foreign memory.

Array arguments are marked IN, OUT or INOUT with their shapes; OUT arrays are written whole. n_threads, always last, is the
largest team that may be used; the result has the same bits for any number.
"""

cimport numpy as cnp
from cython.parallel cimport parallel
from libc.math cimport NAN, sqrt, sqrtf
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset

from minidl.kernels.memory cimport Block, acquire, acquire_scratch

cnp.import_array()

include "common.pxi"
include "gemm.pxi"
include "conv.pxi"
include "pool.pxi"
include "norm.pxi"
include "windows.pxi"
include "recurrent.pxi"
include "resample.pxi"
include "elementwise.pxi"
include "softmax.pxi"
include "optim.pxi"
include "roofs.pxi"
