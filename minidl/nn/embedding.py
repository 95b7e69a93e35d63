"""Embedding: a learned vector for each of a number of things."""

from __future__ import annotations

from typing import Any

from ..arguments import is_whole
from ..creation import empty
from ..errors import ArgumentError, DTypeError, RangeError, expect
from ..modes import no_grad
from ..ops import embedding
from ..ops.indexing import setitem
from ..tensor import Tensor
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """A table of V vectors of D numbers, looked up by integers.

    $$ y_{i} = W_{x_i} $$

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Numbers V of rows and D of columns of `weight`.
    padding_idx : int, optional
        A row that starts at zero and gets no gradient; negative numbers count from the end.
    max_norm, norm_type : float
        Rows looked up whose norm_type-norm is above max_norm are scaled down to it. Defaults: None and 2.
    scale_grad_by_freq : bool
        Divide the gradient of a row by how often the batch looks it up. Default: False.
    sparse : bool
        Not supported: must be False.
    device, dtype
        Place ("cpu") and floating-point type of the parameters. Default: the default dtype.

    Shapes
    ------
    input (*) of int64 or int32, output (*, D), weight (V, D), which starts normal with mean 0 and standard deviation 1.

    Raises
    ------
    ArgumentError, RangeError
        A size is no integer >= 0, padding_idx is no row.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Embedding(10, 3, padding_idx=0)(minidl.tensor([[1, 2, 4, 0]])).shape
    minidl.Size([1, 4, 3])

    Source: Bengio, Ducharme, Vincent, Jauvin, "A neural probabilistic language model", JMLR 3 (2003), section 2.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        for name, size in (("num_embeddings", num_embeddings), ("embedding_dim", embedding_dim)):
            whole = is_whole(size) and size >= 0
            expect(whole, ArgumentError, "Embedding", f"{name} must be an integer >= 0", **{name: size})
        if padding_idx is not None:
            rule = f"padding_idx must lie between {-num_embeddings} and {num_embeddings - 1}"
            inside = is_whole(padding_idx) and -num_embeddings <= padding_idx < num_embeddings
            expect(inside, RangeError, "Embedding", rule, padding_idx=padding_idx)
            padding_idx %= num_embeddings
        if sparse:
            raise NotImplementedError("Embedding: sparse gradients are not supported; leave sparse=False")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            self.weight = Parameter(empty(num_embeddings, embedding_dim, device=device, dtype=dtype), requires_grad=not _freeze)
            self.reset_parameters()
        else:
            shape = (num_embeddings, embedding_dim)
            expect(isinstance(_weight, Tensor), DTypeError, "Embedding", "weight must be a tensor", weight=type(_weight).__name__)
            expect(tuple(_weight.shape) == shape, ArgumentError, "Embedding", "weight must be (V, D)", weight=_weight.shape, wanted=shape)
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """Return a layer around a table (V, D) that is there already; with `freeze` it is not trained.

        >>> import minidl
        >>> from minidl import nn
        >>> nn.Embedding.from_pretrained(minidl.eye(2))(minidl.tensor(1))
        tensor([0., 1.])
        """
        expect(embeddings.ndim == 2, ArgumentError, "Embedding.from_pretrained", "a table (V, D) is needed", embeddings=embeddings.shape)
        rows, columns = embeddings.shape
        return cls(rows, columns, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, freeze)

    def reset_parameters(self) -> None:
        """Draw the table anew from the standard normal distribution; the padding row becomes zero."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                setitem(self.weight, self.padding_idx, 0)

    def forward(self, input):
        """Return the rows that `input` names."""
        return embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse)

    def extra_repr(self) -> str:
        """The sizes, and the options that differ from the defaults."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        defaults = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False}
        return text + "".join(f", {name}={getattr(self, name)}" for name, usual in defaults.items() if getattr(self, name) != usual)
