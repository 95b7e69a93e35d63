"""Whether convolutions may use Winograd's algorithm, and with which tiles."""

from __future__ import annotations

from ..errors import ArgumentError

__all__ = ["get_winograd", "set_winograd"]

TILES = {"off": 0, "f2": 2, "auto": 4}  # mode -> the largest tile of outputs
_mode = "auto"


def get_winograd() -> str:
    """Return which of Winograd's convolutions may be used: "auto", "f2" or "off".

    >>> import minidl
    >>> minidl.get_winograd()
    'auto'
    """
    return _mode


def set_winograd(mode: str) -> None:
    """Say which of Winograd's convolutions may be used from now on, in the whole process; MINIDL_WINOGRAD says it at the start.

    "auto"  F(2x2, 3x3), F(4x4, 3x3) and F(2x2, 5x5), and F(3x3, 2x2) for 4x4 filters with stride 2, where it is the fastest way
    "f2"    those with tiles of 2x2 only
    "off"   none: every convolution sums its products one by one

    They concern 3x3 and 5x5 convolutions with unit stride and 4x4 ones with stride 2, which are four of 2x2 taps, one for each
    pair of even and odd rows and columns; no dilation, many channels; forward and backward, transposed ones too (Lavin & Gray
    2015, arXiv 1509.09308). Fewer products are formed, of sums of values, so rounding differs: with u = 2^-24 (2^-53 in float64),
    K terms in the sum over channels (and phases; over tiles of all images, for a weight gradient) and A, B, G the matrices of the paper,

        |error| <= (K + 40) u |A'| [sum of (|G| |g| |G'|) * (|B'| |d| |B|)] |A|          element by element

    On normal data the largest error of 4x4 tiles, relative to the largest output, is 1 to 3 times that of the ordinary kernel
    (about 2e-6 with 256 channels in float32); that of 2x2 tiles with 3x3 filters, and of 4x4 filters, is about the ordinary kernel's
    or smaller.
    Infinities, NaN and values whose sums overflow give what the ordinary kernel gives.

    Raises ArgumentError for another mode.

    >>> import minidl
    >>> before = minidl.get_winograd()
    >>> minidl.set_winograd("off")
    >>> minidl.get_winograd()
    'off'
    >>> minidl.set_winograd(before)
    """
    global _mode
    from . import _compiled

    if mode not in TILES:
        raise ArgumentError(f"set_winograd: mode must be one of {', '.join(TILES)}, got {mode!r}")
    _compiled.set_winograd_tile(TILES[mode])
    _mode = mode
