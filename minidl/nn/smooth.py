"""Layers of the smooth activations; the ops of their names say what each computes."""

from __future__ import annotations

from ..arguments import expect_choice, expect_numbers
from ..errors import ArgumentError, expect
from ..ops import celu, elu, gelu, glu, logsigmoid, mish, selu, silu, softplus, softsign, tanhshrink
from .module import Module

__all__ = ["CELU", "ELU", "GELU", "GLU", "SELU", "LogSigmoid", "Mish", "SiLU", "Softplus", "Softsign", "Tanhshrink"]


class _Inplace(Module):
    """What layers with the option to overwrite their input share."""

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """The option that differs from the default."""
        return "inplace=True" if self.inplace else ""


class ELU(Module):
    """Exponential linear unit: x where x > 0, alpha (e^x - 1) elsewhere.

    Parameters
    ----------
    alpha : float
        Default: 1.
    inplace : bool
        Write the result into the input. Default: False.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.ELU()(minidl.tensor([-1.0, 1.0]))
    tensor([-0.6321,  1.0000])

    Source: Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by exponential linear units", 2016.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__()
        expect_numbers(type(self).__name__, alpha=alpha)
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input):
        """Return the unit's value of `input`."""
        return elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """The options."""
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class CELU(ELU):
    """ELU whose slope has no step: x where x > 0, alpha (e^(x / alpha) - 1) elsewhere.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.CELU(2.0)(minidl.tensor([-1.0, 1.0]))
    tensor([-0.7869,  1.0000])

    Source: Barron, "Continuously differentiable exponential linear units", 2017.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__(alpha, inplace)
        expect(alpha != 0, ArgumentError, "CELU", "alpha must not be 0", alpha=alpha)

    def forward(self, input):
        """Return the unit's value of `input`."""
        return celu(input, self.alpha, self.inplace)


class SELU(_Inplace):
    """Self-normalising ELU, whose mean 0 and variance 1 are a fixed point through layers with LeCun's initial values.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.SELU()(minidl.tensor([-1.0, 1.0]))
    tensor([-1.1113,  1.0507])

    Source: Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks", 2017.
    """

    def forward(self, input):
        """Return the unit's value of `input`."""
        return selu(input, self.inplace)


class GELU(Module):
    """Gaussian error linear unit: x Phi(x); `approximate` "none" or "tanh".

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.GELU()(minidl.tensor([-1.0, 1.0]))
    tensor([-0.1587,  0.8413])

    Source: Hendrycks, Gimpel, "Gaussian error linear units", 2016.
    """

    def __init__(self, approximate: str = "none"):
        super().__init__()
        expect_choice("GELU", "approximate", approximate, ("none", "tanh"))
        self.approximate = approximate

    def forward(self, input):
        """Return the unit's value of `input`."""
        return gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """The option."""
        return f"approximate={self.approximate!r}"


class SiLU(_Inplace):
    """x times its logistic function, also called swish.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.SiLU()(minidl.tensor([-1.0, 1.0]))
    tensor([-0.2689,  0.7311])

    Source: Elfwing, Uchibe, Doya, "Sigmoid-weighted linear units", 2017.
    """

    def forward(self, input):
        """Return the unit's value of `input`."""
        return silu(input, self.inplace)


class Mish(_Inplace):
    """x tanh(softplus(x)).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Mish()(minidl.tensor([-1.0, 1.0]))
    tensor([-0.3034,  0.8651])

    Source: Misra, "Mish: a self regularized non-monotonic activation function", 2019.
    """

    def forward(self, input):
        """Return the unit's value of `input`."""
        return mish(input, self.inplace)


class Softplus(Module):
    """Smooth rectifier: log(1 + e^(beta x)) / beta; x itself where beta x > threshold.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Softplus()(minidl.tensor([0.0, 100.0]))
    tensor([  0.6931, 100.0000])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        super().__init__()
        expect_numbers("Softplus", beta=beta, threshold=threshold)
        expect(beta != 0, ArgumentError, "Softplus", "beta must not be 0", beta=beta)
        self.beta = beta
        self.threshold = threshold

    def forward(self, input):
        """Return the smooth rectifier of `input`."""
        return softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The options."""
        return f"beta={self.beta}, threshold={self.threshold}"


class LogSigmoid(Module):
    """Logarithm of the logistic function.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.LogSigmoid()(minidl.tensor([0.0, -200.0]))
    tensor([  -0.6931, -200.0000])
    """

    def forward(self, input):
        """Return the logarithm of the logistic function of `input`."""
        return logsigmoid(input)


class Softsign(Module):
    """x / (1 + |x|).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Softsign()(minidl.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """

    def forward(self, input):
        """Return the soft sign of `input`."""
        return softsign(input)


class Tanhshrink(Module):
    """x - tanh x.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Tanhshrink()(minidl.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2384])
    """

    def forward(self, input):
        """Return `input` without its hyperbolic tangent."""
        return tanhshrink(input)


class GLU(Module):
    """Gated linear unit: a sigmoid(b), where a and b are the halves of the input along `dim`.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.GLU()(minidl.tensor([4.0, 0.0]))
    tensor([2.])

    Source: Dauphin, Fan, Auli, Grangier, "Language modeling with gated convolutional networks", 2017.
    """

    def __init__(self, dim: int = -1):
        super().__init__()
        self.dim = dim

    def forward(self, input):
        """Return the gated half."""
        return glu(input, self.dim)

    def extra_repr(self) -> str:
        """The option."""
        return f"dim={self.dim}"
