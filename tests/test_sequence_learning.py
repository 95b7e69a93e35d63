"""What recurrent networks are known to learn, and how their gradients are known to travel, at sizes of a few seconds."""

import pathlib
import runpy

import numpy as np
import pytest

import minidl

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"


def load(name):
    """The names that an example defines."""
    pytest.importorskip("matplotlib", reason="needs matplotlib, of the extra demo")
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def test_gradients_shrink_and_grow_by_the_gain_at_every_step(tmp_path):
    """Through g times a rotation the norm changes by exactly g a step, as long as tanh is straight; and an LSTM holds its bit."""
    decay, accuracy = load("gradients_through_time")["main"](tmp_path, quick=True)
    assert accuracy >= 0.99
    for gain, found in decay.items():
        assert found == pytest.approx(gain, rel=2e-3)


@pytest.mark.parametrize("seed", range(1, 6))
def test_an_lstm_learns_to_hold_a_bit_from_any_start(seed):
    minidl.manual_seed(seed)
    assert load("gradients_through_time")["learn_to_hold"]()[0] >= 0.99


@pytest.mark.parametrize(("cell", "solves"), [("GRU", True), ("LSTM", True), ("RNN", False)])
def test_the_adding_problem_over_thirty_steps(cell, solves):
    example = load("adding_problem")
    batches = 40 if solves else 10
    rows = example["learn"](cell, steps=30, epochs=25 if solves else 4, batches=batches, hidden=32)
    assert (rows[-1]["val_loss"] < example["CHANCE"] / 20) == solves


@pytest.mark.parametrize("cell", ["LSTM, peepholes", "LSTM, projected", "GRU, reset before"])
def test_variants_of_cells_add_over_fifteen_steps(cell):
    example = load("adding_problem")
    rows = example["learn"](cell, steps=15, epochs=25, batches=25, hidden=32)
    assert rows[-1]["val_loss"] < example["CHANCE"] / 10


@pytest.mark.parametrize(("attention", "beam"), [("dot", 0), ("additive", 3)])
def test_dates_with_other_attentions_and_a_beam(attention, beam, tmp_path):
    share = load("date_translation")["main"](tmp_path, quick=True, attention=attention, beam=beam)
    assert 0 <= share <= 1 and (tmp_path / "alignments.png").stat().st_size > 10_000


def test_batches_of_the_adding_problem_have_two_marks_and_their_sum():
    x, sums = load("adding_problem")["AddingProblem"](20, 1).batch(50)
    assert minidl.equal(x[:, :, 1].sum(0), minidl.full((50,), 2.0))
    assert minidl.equal(x[:10, :, 1].sum(0), minidl.ones(50))
    np.testing.assert_allclose((x[:, :, 0] * x[:, :, 1]).sum(0).numpy(), sums.numpy(), rtol=1e-6)


def test_dates_are_written_and_wanted_alike():
    example = load("date_translation")
    texts, days = example["Dates"](0, 0, seed=3).texts(300)
    for text, day in zip(texts, days, strict=True):
        assert set(text) <= set(example["LETTERS"][3:])
        assert str(int(day[-2:])) in text and day[2:4] in text
