"""Streams of one long sequence, and training that carries the state from window to window."""

import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.data import StreamWindows
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.nn.utils import clip_grad_norm_
from minidl.train import StatefulTrainer, Trainer


@pytest.mark.parametrize(("length", "batch", "steps"), [(101, 4, 5), (26, 5, 5), (27, 1, 26), (99, 3, 7)])
def test_windows_continue_each_other_and_targets_are_one_ahead(length, batch, steps):
    loader = StreamWindows(np.arange(length), batch, steps)
    windows = [(x.numpy(), y.numpy()) for x, y in loader]
    assert len(windows) == len(loader) == (length - 1) // batch // steps
    whole = np.concatenate([x for x, _ in windows], 1)
    assert whole.shape == (batch, len(loader) * steps)
    np.testing.assert_array_equal(whole.reshape(-1), np.arange(whole.size))
    np.testing.assert_array_equal(np.concatenate([y for _, y in windows], 1), whole + 1)


def test_windows_of_vectors():
    x, y = next(iter(StreamWindows(minidl.randn(21, 3), 2, 5)))
    assert x.shape == y.shape == (2, 5, 3)
    assert minidl.equal(x[:, 1:], y[:, :-1])


def test_sizes_of_windows_may_be_integers_of_any_kind():
    loader = StreamWindows(range(13), np.int32(2), minidl.tensor(3))
    assert [x.tolist() for x, _ in loader] == [[[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]]]
    assert (type(loader.batch_size), type(loader.steps), len(loader)) == (int, int, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: StreamWindows(range(9), 0, 2), ArgumentError, "StreamWindows: batch_size must be at least 1, got batch_size 0"),
        (lambda: StreamWindows(range(9), 2, 0), ArgumentError, "StreamWindows: steps must be at least 1, got steps 0"),
        (lambda: StreamWindows(range(9), 3, 3), ShapeError, "StreamWindows: the sequence must fill at least one window, got length 9"),
        (lambda: StreamWindows(range(9), 2.5, 2), DTypeError, "StreamWindows: batch_size must be an integer, got batch_size 2.5"),
        (lambda: StreamWindows(range(9), 2, True), DTypeError, "StreamWindows: steps must be an integer, got steps True"),
        (lambda: StreamWindows(range(9), None, 2), DTypeError, "StreamWindows: batch_size must be an integer, got batch_size None"),
        (lambda: StreamWindows("abcdefghi", 2, 2), DTypeError, "tokens must be of a dtype that tensors have, got tokens <U9"),
        (lambda: StreamWindows(list("abcdefghi"), 2, 2), DTypeError, "tokens must be of a dtype that tensors have, got tokens <U1"),
        (lambda: StreamWindows(None, 2, 2), DTypeError, "tokens must be of a dtype that tensors have, got tokens object"),
        (lambda: StreamWindows([[1], [2, 3]], 2, 2), ShapeError, "StreamWindows: tokens must be one array, got tokens list"),
        (lambda: StreamWindows(minidl.tensor(1), 2, 2), ShapeError, r"StreamWindows: tokens must be \(length, \*\), got tokens \(\)"),
    ],
)
def test_bad_calls_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


class Predictor(nn.Module):
    """A GRU or LSTM and a linear layer; remembers whether the state it got was cut off."""

    def __init__(self, cell=nn.LSTM):
        super().__init__()
        self.rnn, self.out, self.seen = cell(2, 6, batch_first=True), nn.Linear(6, 2), []

    def forward(self, input, state=None):
        self.seen.append(state)
        hidden, state = self.rnn(input, state)
        return self.out(hidden), state


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU])
def test_it_is_the_loop_written_out(cell):
    data = minidl.randn(61, 2)
    models = [Predictor(cell), Predictor(cell)]
    models[1].load_state_dict(models[0].state_dict())
    loader, loss = StreamWindows(data, 3, 5), nn.MSELoss()
    trainer = StatefulTrainer(models[0], optim.SGD(models[0].parameters(), lr=0.1), loss, metrics={}, clip_norm=0.05)
    trainer.fit(loader, epochs=2, validation=loader)
    optimizer = optim.SGD(models[1].parameters(), lr=0.1)
    for _ in range(2):
        state = None
        for input, target in loader:
            output, state = models[1](input, state)
            optimizer.zero_grad()
            loss(output, target).backward()
            clip_grad_norm_(models[1].parameters(), 0.05)
            optimizer.step()
            state = tuple(each.detach() for each in state) if isinstance(state, tuple) else state.detach()
    for (name, one), (_, other) in zip(models[0].named_parameters(), models[1].named_parameters(), strict=True):
        assert minidl.equal(one, other), name


def test_the_state_is_cut_off_and_forgotten_before_each_pass():
    model = Predictor(nn.GRU)
    trainer = StatefulTrainer(model, optim.SGD(model.parameters(), lr=0.1), nn.MSELoss(), metrics={})
    loader = StreamWindows(minidl.randn(61, 2), 3, 5)
    trainer.fit(loader, epochs=2, validation=loader)
    firsts = [i for i, state in enumerate(model.seen) if state is None]
    assert firsts == [i * len(loader) for i in range(4)]
    assert not any(state.requires_grad for state in model.seen if state is not None)


def test_clipping_limits_the_step():
    moved = []
    for clip_norm in (None, 1e-3):
        minidl.manual_seed(0)
        model = nn.Linear(3, 2)
        before = model.weight.detach().clone()
        batches = [(100 * minidl.randn(4, 3), minidl.randn(4, 2))]
        Trainer(model, optim.SGD(model.parameters(), lr=1.0), nn.MSELoss(), metrics={}, clip_norm=clip_norm).fit(batches, 1)
        moved.append((model.weight - before).norm().item())
    assert moved[0] > 1 and moved[1] <= 1.001e-3
