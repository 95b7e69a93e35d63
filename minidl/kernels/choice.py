"""Which level of the compiled kernels to use, and why."""

from __future__ import annotations

from ..errors import ArgumentError

__all__ = ["LEVELS", "choose_level"]

LEVELS = ("portable", "v2", "v3", "v4")  # from the least to the most
NAMES = {"portable": "plain C", "v2": "x86-64-v2 (SSE4.2)", "v3": "x86-64-v3 (AVX2, FMA)", "v4": "x86-64-v4 (AVX-512)"}


def choose_level(built: list[str], best: str, wanted: str) -> tuple[str, str]:
    """(level, reason) from the levels that were built, the best that the machine allows and what MINIDL_ISA names ("" for nothing).

    Raises ArgumentError when the level named is unknown, was not built or is more than the machine allows.

    >>> choose_level(["v2", "v3", "v4"], "v3", "")
    ('v3', 'the best level that was built and that this machine allows')
    """
    allowed = [level for level in built if LEVELS.index(level) <= LEVELS.index(best)]
    if wanted:
        if wanted not in LEVELS:
            raise ArgumentError(f"MINIDL_ISA: must be one of {', '.join(LEVELS)}, got {wanted!r}")
        if wanted not in allowed:
            raise ArgumentError(
                f"MINIDL_ISA: must name a level that was built and that this machine allows ({', '.join(allowed)}), got {wanted!r}"
            )
        return wanted, "MINIDL_ISA names it"
    if not allowed:
        raise ArgumentError(
            f"minidl: none of the levels built ({', '.join(built)}) runs on this machine, which allows {best}; build minidl on it"
        )
    return max(allowed, key=LEVELS.index), "the best level that was built and that this machine allows"
