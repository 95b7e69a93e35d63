"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...errors import ShapeError
from ...ops import cat
from ...tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Any]) -> Tensor:
    """Return the numbers of all parameters as one vector (differentiable).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.utils.parameters_to_vector(nn.Linear(3, 2).parameters()).shape
    minidl.Size([8])
    """
    return cat([param.reshape(-1) for param in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Make consecutive pieces of a vector the memory of the parameters.

    Raises
    ------
    ShapeError
        The vector has not as many numbers as the parameters.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> layer = nn.Linear(1, 2)
    >>> nn.utils.vector_to_parameters(minidl.tensor([1.0, 2.0, 3.0, 4.0]), layer.parameters())
    >>> layer.bias.tolist()
    [3.0, 4.0]
    """
    parameters = list(parameters)
    total = sum(param.numel() for param in parameters)
    if vec.numel() != total or vec.ndim != 1:
        raise ShapeError(
            f"vector_to_parameters: vec must be one axis as long as all parameters together, "
            f"got vec {tuple(vec.shape)}, parameters {total}"
        )
    start = 0
    for param in parameters:
        end = start + param.numel()
        param.data = vec.detach()[start:end].reshape(param.shape)
        start = end
