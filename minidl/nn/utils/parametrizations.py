"""Weight and spectral normalisation as parametrisations."""

from __future__ import annotations

from typing import Any

from ...arguments import is_whole
from ...errors import ArgumentError, word
from ...modes import no_grad
from ...ops.dims import one_dim
from ...ops.response_norm import normalize
from ...random import randn
from ...tensor import Tensor
from ..conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from .parametrize import register_parametrization

__all__ = ["spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    """v g / ||v||, the norm of each slice along `dim`, or of all of v."""

    def __init__(self, dim: int | None):
        super().__init__()
        self.dim = dim

    def _norm(self, weight):
        axes = [axis for axis in range(weight.ndim) if axis != self.dim]
        return (weight * weight).sum(axes, keepdim=self.dim is not None).sqrt() if axes else weight.abs()

    def forward(self, magnitude, direction):
        """Return the weight."""
        return direction * (magnitude / self._norm(direction))

    def right_inverse(self, weight):
        """Return magnitudes and directions."""
        return self._norm(weight), weight


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Learn the magnitude of a weight apart from its direction: w = g v / ||v||; return the module.

    Parameters
    ----------
    module : Module
    name : str
        The parameter. Default: "weight".
    dim : int, optional
        Slices along this dimension, by default the filters, have a magnitude each; with None there is one for the whole weight.

    In the state the magnitude g is `parametrizations.weight.original0`, the direction v `original1`.

    Raises
    ------
    ArgumentError, RangeError
        There is no such parameter, or no such dimension.

    Examples
    --------
    >>> from minidl import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape, layer.parametrizations.weight.original1.shape
    (minidl.Size([40, 1]), minidl.Size([40, 20]))

    Source: Salimans, Kingma, "Weight normalization", 2016, equation 2.
    """
    weight = getattr(module, name, None)
    axis = None if dim is None or not isinstance(weight, Tensor) else one_dim("weight_norm", dim, weight.ndim)
    return register_parametrization(module, name, _WeightNorm(axis))


class _SpectralNorm(Module):
    """weight / sigma, its largest singular value as a matrix, followed by power iteration while training."""

    def __init__(self, weight: Any, n_power_iterations: int, dim: int, eps: float):
        super().__init__()
        self.n_power_iterations, self.dim, self.eps = n_power_iterations, dim, eps
        if weight.ndim > 1:
            with no_grad():
                rows, columns = self._matrix(weight).shape
                self.register_buffer("_u", normalize(randn(rows, dtype=weight.dtype), dim=0, eps=eps))
                self.register_buffer("_v", normalize(randn(columns, dtype=weight.dtype), dim=0, eps=eps))
                self._iterate(self._matrix(weight), 15)

    def _matrix(self, weight):
        return weight.movedim(self.dim, 0).flatten(1)

    def _iterate(self, matrix, times: int) -> None:
        with no_grad():
            for _ in range(times):
                self._u.copy_(normalize(matrix @ self._v, dim=0, eps=self.eps))
                self._v.copy_(normalize(matrix.T @ self._u, dim=0, eps=self.eps))

    def forward(self, weight):
        """Return the weight over its largest singular value; in training after further power iterations."""
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        return weight / (self._u.clone() @ (matrix @ self._v.clone()))

    def right_inverse(self, weight):
        """Return the weight: what is normalised already stays so."""
        return weight


def spectral_norm(module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None) -> Any:
    """Divide a weight by its largest singular value, so that the layer stretches nothing; return the module.

    $$ W_{SN} = W / \\sigma(W), \\quad \\sigma(W) = u^T W v $$ with u and v from power iteration, `n_power_iterations` further steps at
    each reading while training; none in evaluation. A weight of several dimensions counts as the matrix (dim, all others).

    Parameters
    ----------
    module : Module
    name : str
        The parameter. Default: "weight".
    n_power_iterations : int
        Default: 1.
    eps : float
        Least length of the vectors in the iteration. Default: 1e-12.
    dim : int, optional
        The dimension of the outputs. Default: 0, for transposed convolutions 1.

    Raises
    ------
    ArgumentError, RangeError
        There is no such parameter or dimension, or no iterations are asked for.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> layer = nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2), n_power_iterations=20)
    >>> layer.weight = minidl.tensor([[4.0, 0.0], [0.0, 1.0]])
    >>> [round(value, 3) for value in layer.weight.diagonal().tolist()]
    [1.0, 0.25]

    Source: Miyato, Kataoka, Koyama, Yoshida, "Spectral normalization for generative adversarial networks", 2018, equation 8, algorithm 1.
    """
    weight = getattr(module, name, None)
    if not is_whole(n_power_iterations) or n_power_iterations < 1:
        raise ArgumentError(word("spectral_norm", "n_power_iterations must be an integer >= 1", n_power_iterations=n_power_iterations))
    if not isinstance(weight, Tensor) or weight.ndim < 1:
        raise ArgumentError(word("spectral_norm", "name must be a parameter of at least one dimension", name=name))
    if dim is None:
        dim = int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))
    axis = one_dim("spectral_norm", dim, weight.ndim)
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, axis, eps))
