"""Dropout layers: active while training, the identity in evaluation."""

from __future__ import annotations

from numbers import Real

from ..errors import DTypeError, RangeError, expect
from ..ops import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    """What the layers share: the probability, checked when the layer is made."""

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        expect(isinstance(p, Real), DTypeError, type(self).__name__, "p must be a number", p=p)
        expect(0 <= p <= 1, RangeError, type(self).__name__, "p must lie between 0 and 1", p=p)
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        """The options."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Set elements to 0 with probability `p` while training and multiply the others by 1 / (1 - p).

    Parameters
    ----------
    p : float
        Probability of an element to be left out. Default: 0.5.
    inplace : bool
        Write the result into the input. Default: False.

    Shapes
    ------
    input (*), output (*).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> layer = nn.Dropout(0.2)
    >>> layer.eval()(minidl.ones(2))
    tensor([1., 1.])

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.
    """

    def forward(self, input):
        """Return `input` with elements left out."""
        return dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """`Dropout` of whole channels of sequences: input (N, C, L) or (C, L).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Dropout1d()(minidl.ones(2, 3, 5)).shape
    minidl.Size([2, 3, 5])
    """

    def forward(self, input):
        """Return `input` with channels left out."""
        return dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """`Dropout` of whole channels of images: input (N, C, H, W).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Dropout2d()(minidl.ones(2, 3, 5, 5)).shape
    minidl.Size([2, 3, 5, 5])
    """

    def forward(self, input):
        """Return `input` with channels left out."""
        return dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """`Dropout` of whole channels of volumes: input (N, C, D, H, W) or (C, D, H, W).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Dropout3d()(minidl.ones(2, 3, 5, 5, 5)).shape
    minidl.Size([2, 3, 5, 5, 5])
    """

    def forward(self, input):
        """Return `input` with channels left out."""
        return dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """Dropout for networks of SELU: what is left out gets its lowest value, and mean 0 and variance 1 stay.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.AlphaDropout(0.1)(minidl.randn(2, 3)).shape
    minidl.Size([2, 3])

    Source: Klambauer et al., "Self-normalizing neural networks", 2017, section 2.
    """

    def forward(self, input):
        """Return `input` with elements left out."""
        return alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels: input (N, C, *).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.FeatureAlphaDropout(0.1)(minidl.randn(2, 3, 4)).shape
    minidl.Size([2, 3, 4])
    """

    def forward(self, input):
        """Return `input` with channels left out."""
        return feature_alpha_dropout(input, self.p, self.training, self.inplace)
