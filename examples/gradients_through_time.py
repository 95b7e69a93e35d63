"""Vanishing and exploding gradients, seen step by step: how much of a loss at the end reaches each step before it.

    python examples/gradients_through_time.py [folder] [--quick]

A recurrent layer hands out what happens inside it (`trace=nn.RecurrentTrace()`): gates, states, and after the backward pass the norm of
the loss's gradient at every step. Left: a plain RNN whose recurrent matrix is g times a rotation, on faint input; theory says
g^(T - t), dotted (Bengio, Simard, Frasconi 1994; Pascanu, Mikolov, Bengio 2013). Middle: the three cells, untrained, on ordinary
input. Right: the forget gates of an LSTM that has learned to hold one bit until it is asked, and the share of new sequences in which
it does. It learns from sequences of mixed lengths: the short ones, whose gradient reaches the bit, show it what the long ones want.
"""

import argparse
from pathlib import Path

import numpy as np

import minidl
from minidl import nn, optim
from minidl.train import ProgressBar, Trainer, new_figure, save_figure

GAINS = {0.8: "#1f4e79", 0.95: "#5b8cc0", 1.0: "#555555", 1.05: "#d98c4a", 1.2: "#c0392b"}


def norms_at_the_end(layer, x):
    """Norm of the gradient of a random weighting of the last state, at each step (T,); x (T, N, D)."""
    trace = nn.RecurrentTrace()
    last = layer(x, trace=trace)[0][-1]
    weights = minidl.from_numpy(np.random.default_rng(3).standard_normal(tuple(last.shape)).astype(np.float32))
    (last * weights).sum().backward()
    return trace[0].grad_norms[0].numpy()


def rotated(gain, units=48):
    """A tanh RNN with gain times a rotation as its recurrent matrix."""
    layer = nn.RNN(4, units)
    rotation, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((units, units)))
    with minidl.no_grad():
        layer.weight_hh_l0[:] = minidl.tensor((gain * rotation).astype(np.float32))
    return layer


def cells(units=48):
    """The three cells as they start, and an LSTM whose forget gates start open."""
    remembering = nn.LSTM(4, units)
    with minidl.no_grad():
        remembering.bias_ih_l0[units : 2 * units] = 3
    return {"RNN": nn.RNN(4, units), "GRU": nn.GRU(4, units), "LSTM": nn.LSTM(4, units), "LSTM, forget bias 3": remembering}


class HoldABit:
    """A loader: at step 5 comes a bit (+1 or -1 on the first input), at the end the second input asks for it, the third is noise.

    The length of each batch is drawn from `shortest` to `longest`.
    """

    def __init__(self, shortest, longest, batches, seed):
        self.shortest, self.longest, self.batches, self.rng = shortest, longest, batches, np.random.default_rng(seed)

    def __len__(self):
        return self.batches

    def __iter__(self):
        for _ in range(self.batches):
            steps = self.rng.integers(self.shortest, self.longest, endpoint=True)
            x = np.zeros((steps, 64, 3))
            bits = self.rng.choice([-1.0, 1.0], 64)
            x[5, :, 0], x[-1, :, 1], x[:, :, 2] = bits, 1, self.rng.standard_normal((steps, 64))
            yield minidl.tensor(x.astype(np.float32)), minidl.tensor((bits > 0).astype(np.int64))


class Holder(nn.Module):
    """An LSTM of 16 units, forget gates at sigmoid(2) at first, and two scores read off its last state."""

    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.LSTM(3, 16), nn.Linear(16, 2)
        with minidl.no_grad():
            self.rnn.bias_ih_l0[16:32] = 2

    def forward(self, x, trace=None):
        """Scores (N, 2); x (T, N, 3)."""
        return self.out(self.rnn(x, trace=trace)[0][-1])


def learn_to_hold(steps=40):
    """Train a Holder; return the share of new sequences of `steps` steps it is right about, and its forget gates in one (T, units)."""
    model, lessons = Holder(), HoldABit(7, steps, 40, seed=0)
    trainer = Trainer(model, optim.Adam(model.parameters(), lr=1e-2), nn.CrossEntropyLoss(), callbacks=[ProgressBar()], clip_norm=1.0)
    trainer.fit(lessons, 20)
    unseen, trace = HoldABit(steps, steps, 20, seed=1), nn.RecurrentTrace()
    accuracy = trainer.evaluate(unseen)["accuracy"]
    with minidl.no_grad():
        model(next(iter(unseen))[0], trace=trace)
    return accuracy, trace[0].gates["f"][0, :, 0].numpy()


def draw(rotations, starts, gates, accuracy, path):
    """The three panels."""
    figure = new_figure(14, 4.6)
    left, middle, right = figure.subplots(1, 3)
    steps = len(next(iter(rotations.values())))
    back = np.arange(steps - 1, -1, -1)
    for gain, norms in rotations.items():
        left.plot(back, norms / norms[-1], color=GAINS[gain], lw=2, label=f"g = {gain}")
        left.plot(back, gain**back, color="black", ls=":", lw=1)
    left.set(yscale="log", xlabel="steps before the loss", ylabel="norm of the gradient", title="plain RNN, g times a rotation")
    for name, norms in starts.items():
        middle.plot(np.arange(len(norms))[::-1], norms / norms[-1], lw=2, label=name)
    middle.set(yscale="log", xlabel="steps before the loss", title="cells as they start")
    for axes in (left, middle):
        axes.grid(alpha=0.25, which="major", lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    shown = right.imshow(gates.T, cmap="viridis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    right.set(xlabel="step (the bit comes at 5)", ylabel="unit", title=f"an LSTM that holds its bit in {accuracy:.1%}")
    figure.colorbar(shown, ax=right, label="forget gate: 1 keeps")
    save_figure(figure, path)


def main(folder, quick=False):
    """Measure and draw; return the measured decay per step for each gain, and how often the LSTM has held its bit."""
    folder.mkdir(parents=True, exist_ok=True)
    minidl.manual_seed(0)
    steps = 40 if quick else 100
    faint, ordinary = 1e-12 * minidl.randn(steps, 8, 4), minidl.randn(steps, 8, 4)
    rotations = {}
    for gain in GAINS:
        layer = rotated(gain)
        with minidl.no_grad():
            for bias in (layer.bias_ih_l0, layer.bias_hh_l0):
                bias[:] = 0
        rotations[gain] = norms_at_the_end(layer, faint)
    starts = {name: norms_at_the_end(layer, ordinary) for name, layer in cells().items()}

    accuracy, gates = learn_to_hold()
    draw(rotations, starts, gates, accuracy, folder / "gradients_through_time.png")
    decay = {gain: float((norms[0] / norms[-1]) ** (1 / (steps - 1))) for gain, norms in rotations.items()}
    print("gradient per step back, for g of " + ", ".join(f"{gain}: {found:.3f}" for gain, found in decay.items()))
    print(f"the LSTM holds its bit for {len(gates) - 6} steps in {accuracy:.1%} of new sequences, pictures in {folder}")
    return decay, accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/gradients_through_time"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
