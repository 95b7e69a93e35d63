"""The sequence examples at full size against their known answers: some minutes, so by `make test-learning` and not with the others."""

import pathlib
import runpy

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture
def run(tmp_path):
    """Run an example at full size and return what its main returns."""
    return lambda name: runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](tmp_path)


def test_the_five_shapes(run):
    shares = run("sequence_shapes")
    assert len(shares) == 5 and min(shares.values()) > 0.95


def test_every_tune_is_played_without_a_mistake(run):
    assert run("melody_generator") == 1


def test_digits_read_row_by_row(run):
    assert run("digits_row_by_row") >= 0.97


def test_bits_per_character(run):
    assert run("character_model") < 1.8


def test_dates(run):
    assert run("date_translation") >= 0.99


def test_the_adding_problem_needs_gates(run):
    errors = run("adding_problem")
    assert max(errors["GRU"], errors["LSTM"]) < 1 / 6 / 20
    assert errors["RNN"] > 1 / 6 / 2


def test_copy_memory_needs_gates(run):
    shares = run("copy_memory")
    assert min(shares["GRU"], shares["LSTM"]) > 0.98
    assert shares["RNN"] < 0.2


def test_gradients_decay_as_theory_says_and_an_lstm_holds_its_bit(run):
    decay, accuracy = run("gradients_through_time")
    assert accuracy >= 0.99
    for gain, found in decay.items():
        assert found == pytest.approx(gain, rel=2e-3)
