"""What this processor and operating system can do: the only contact with CPUID, XGETBV and the OpenMP runtime.

Compiled once, for the baseline, so that it can be imported anywhere and decide which level of the kernels may be.
"""

cdef extern from "machine.h" nogil:
    int machine_level()
    int machine_has_openmp()
    int machine_openmp_version()
    int machine_pause_threads()
    const char *machine_compiler()

LEVELS = ("portable", "v2", "v3", "v4")


def level():
    """Name of the best level that the processor and the operating system allow: portable, v2, v3 or v4."""
    return LEVELS[machine_level()]


def openmp():
    """Date of the OpenMP specification this was built with (201511 is 4.5), or 0 when built without OpenMP."""
    return machine_openmp_version() if machine_has_openmp() else 0


def compiler():
    """Name and version of the compiler that built the kernels."""
    return machine_compiler().decode()


def pause_threads():
    """End the OpenMP threads of the calling thread (they come back at the next parallel region); true when it was done."""
    return machine_pause_threads() == 0
