"""Recurrent layers over whole sequences: RNN, LSTM, GRU.

Layouts, names, order of gates and defaults are PyTorch's, so that a `state_dict` goes both ways. What PyTorch does not have
comes as further, last options: recurrent dropout, peepholes, the GRU of Cho et al., the other meaning of its update gate.
"""

from __future__ import annotations

from typing import Any

from ..arguments import expect_choice
from .rnn_base import RNNBase
from .rnn_checks import check_gates

__all__ = ["GRU", "LSTM", "RNN"]


class RNN(RNNBase):
    """Elman network: one layer, or several on top of each other, over whole sequences.

    $$ h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh) $$

    Parameters
    ----------
    input_size, hidden_size : int
        D and U, the sizes of a step's input and of the state.
    num_layers : int
        Layers; each takes the output of the one below. Default: 1.
    nonlinearity : str
        "tanh" or "relu". Default: "tanh".
    bias : bool
        Learn b_ih and b_hh. Default: True.
    batch_first : bool
        Input and output are (N, T, features) rather than (T, N, features). Default: False.
    dropout : float
        Probability with which the outputs of all layers but the last are dropped in training; a UserWarning says where there
        is no layer but the last. Default: 0.
    bidirectional : bool
        Add a second run from the last step to the first; the outputs of both stand side by side. Default: False.
    device, dtype
        Place ("cpu") and floating-point type of the parameters.
    recurrent_dropout : float
        Probability with which units of h_(t-1) are dropped on their way into W_hh, in training, the same ones in every step of
        a sequence (Gal & Ghahramani 2016). Default: 0.

    Shapes
    ------
    input (T, N, D), h_0 (layers * directions, N, U); returns output (T, N, directions * U) and h_n as h_0. See `forward`, also
    on why the output must not be changed in place before the backward pass.
    weight_ih_l0 (U, D), weight_hh_l0 (U, U), bias_ih_l0, bias_hh_l0 (U,), further layers _l1, ..., the second direction _reverse;
    all start uniform in +-1/sqrt(U).

    Raises
    ------
    ArgumentError, DTypeError
        For options out of range.

    Source: Elman, "Finding structure in time", 1990. A whole sequence is one node of the tape, which has a first derivative
    only; for second ones loop over `RNNCell`.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> output, h_n = nn.RNN(3, 5, num_layers=2)(minidl.zeros(7, 4, 3))
    >>> output.shape, h_n.shape
    (minidl.Size([7, 4, 5]), minidl.Size([2, 4, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        recurrent_dropout: float = 0.0,
    ):
        expect_choice("RNN", "nonlinearity", nonlinearity, ("tanh", "relu"))
        options = (num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype, recurrent_dropout)
        super().__init__(f"rnn_{nonlinearity}", input_size, hidden_size, *options)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory over whole sequences.

    $$ i, f, o = sigmoid(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh);  g = tanh(...);  c_t = f c_(t-1) + i g;  h_t = o tanh(c_t) $$

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, recurrent_dropout
        As of `RNN`.
    proj_size : int
        P > 0: the state is W_hr (o tanh(c_t)) of size P (Sak et al. 2014, eq. 14). Default: 0, no projection.
    peepholes : bool
        The cell enters the gates: + p_i c_(t-1) in i, + p_f c_(t-1) in f, + p_o c_t in o (Gers & Schmidhuber 2000). Default: False.

    Shapes
    ------
    input (T, N, D), h_0 (layers * directions, N, H), c_0 (layers * directions, N, U), H = P or U; returns output
    (T, N, directions * H) and (h_n, c_n). See `forward`, also on why the output must not be changed in place before the backward
    pass.
    weight_ih_l0 (4 U, D) in the order i, f, g, o; weight_hh_l0 (4 U, H); bias_ih_l0, bias_hh_l0 (4 U,); weight_hr_l0 (P, U);
    weight_peephole_l0 (3, U) in the order i, f, o.

    Raises
    ------
    ArgumentError, DTypeError
        For options out of range.

    Source: Hochreiter & Schmidhuber, "Long short-term memory", 1997; forget gate: Gers, Schmidhuber & Cummins 2000. A whole
    sequence is one node of the tape, which has a first derivative only; for second ones loop over `LSTMCell`.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> output, (h_n, c_n) = nn.LSTM(3, 5, bidirectional=True)(minidl.zeros(7, 4, 3))
    >>> output.shape, c_n.shape
    (minidl.Size([7, 4, 10]), minidl.Size([2, 4, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        recurrent_dropout: float = 0.0,
        peepholes: bool = False,
    ):
        options = (num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype, recurrent_dropout, peepholes)
        super().__init__("lstm", input_size, hidden_size, *options)


class GRU(RNNBase):
    """Gated recurrent units over whole sequences.

    $$ r, z = sigmoid(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh);  n = tanh(W_in x_t + b_in + r (W_hn h_(t-1) + b_hn)) $$
    $$ h_t = (1 - z) n + z h_(t-1) $$

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, recurrent_dropout
        As of `RNN`.
    reset_after : bool
        True: as above, the reset gate after the matrix product, as cuDNN and PyTorch have it. False: before it, as in the
        paper: n = tanh(W_in x_t + b_in + W_hn (r h_(t-1)) + b_hn). Default: True.
    update_gate : str
        What z is the share of. "keep": of the old state, as above (Cho et al. 2014, eq. 7; PyTorch). "write": of the new value,
        h_t = (1 - z) h_(t-1) + z n (Chung et al. 2014, eq. 5). Since 1 - sigmoid(a) = sigmoid(-a), the weights and biases of z with
        the opposite sign turn one into the other. Default: "keep".

    Shapes
    ------
    input (T, N, D), h_0 (layers * directions, N, U); returns output (T, N, directions * U) and h_n as h_0. See `forward`, also
    on why the output must not be changed in place before the backward pass.
    weight_ih_l0 (3 U, D) in the order r, z, n; weight_hh_l0 (3 U, U); bias_ih_l0, bias_hh_l0 (3 U,).

    Raises
    ------
    ArgumentError, DTypeError
        For options out of range.

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, eq. 5-8. A whole sequence is one node
    of the tape, which has a first derivative only; for second ones loop over `GRUCell`.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> output, h_n = nn.GRU(3, 5, batch_first=True)(minidl.zeros(4, 7, 3), lengths=[7, 2, 5, 1])
    >>> output.shape, h_n.shape
    (minidl.Size([4, 7, 5]), minidl.Size([1, 4, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        update_gate: str = "keep",
    ):
        check_gates("GRU", reset_after, update_gate)
        options = (num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype, recurrent_dropout)
        super().__init__("gru" if reset_after else "gru_before", input_size, hidden_size, *options)
        self.reset_after, self.update_gate = reset_after, update_gate
        self._update_sign = 1.0 if update_gate == "keep" else -1.0

    def extra_repr(self) -> str:
        """The sizes, and the options that differ from their defaults."""
        usual = {"reset_after": True, "update_gate": "keep"}
        return super().extra_repr() + "".join(f", {n}={getattr(self, n)}" for n, value in usual.items() if getattr(self, n) != value)
