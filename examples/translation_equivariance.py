"""Move the picture, and the feature map moves along. Where that is exact, where it ends at the border, and what a stride does to it.

    python examples/translation_equivariance.py [folder] [--quick]

For a layer f and a shift T, f(T x) and T f(x) are compared pixel by pixel, for two ways to treat the border, for strides and for
pooling. Shifting here wraps around, so that nothing is lost. A convolution of a picture that wraps around commutes with every shift,
to the last bit; zeros around the picture break that in a frame as wide as half the kernel, wherever the frame is moved to; with a
stride s only shifts by multiples of s survive.
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

import minidl
from minidl.train import new_figure, save_figure

F = minidl.nn.functional
KERNEL, SHIFT = 9, 12


def photograph(size):
    """A square of the picture of a flower that scikit-learn ships, (1, 3, size, size) in 0 to 1."""
    from sklearn.datasets import load_sample_image

    picture = load_sample_image("flower.jpg")[60:380:4, 180:500:4][:size, :size]
    return minidl.tensor(np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / 255)


def edges():
    """One filter (1, 3, KERNEL, KERNEL): slanting edges of brightness."""
    y, x = np.mgrid[:KERNEL, :KERNEL] - (KERNEL - 1) / 2
    wave = np.sin(2 * np.pi / KERNEL * (x + y)) * np.exp(-(x**2 + y**2) / KERNEL)
    return minidl.tensor(np.broadcast_to(wave / np.abs(wave).sum(), (1, 3, KERNEL, KERNEL)).astype(np.float32).copy())


def wrapped(x, weight, stride=1):
    """Convolution of a picture that continues on the other side, as on a torus."""
    p = KERNEL // 2
    rows = minidl.cat([x[:, :, -p:], x, x[:, :, :p]], 2)
    return F.conv2d(minidl.cat([rows[:, :, :, -p:], rows, rows[:, :, :, :p]], 3), weight, stride=stride)


def zeros(x, weight):
    """Convolution with zeros around the picture, the usual "same"."""
    return F.conv2d(x, weight, padding="same")


def pooled(x, weight):
    """The wrapped convolution, then the largest of every two by two."""
    return F.max_pool2d(wrapped(x, weight), 2)


def disagreement(layer, x, weight, shift, step=1):
    """T f(x) - f(T x) for a shift to the right; a layer of stride `step` moves by shift / step, rounded."""
    here = minidl.roll(layer(x, weight), round(shift / step), 3)
    return (here - layer(minidl.roll(x, shift, 3), weight)).numpy()[0, 0], here.numpy()[0, 0]


LAYERS = {
    "wrapped around": (wrapped, 1),
    "zeros around": (zeros, 1),
    "stride 2": (lambda x, w: wrapped(x, w, 2), 2),
    "max pool 2": (pooled, 2),
    "stride 4": (lambda x, w: wrapped(x, w, 4), 4),
}


def draw(x, weight, errors, path):
    """Above: pictures, maps and where they disagree; below: disagreement for each shift."""
    figure = new_figure(13, 9)
    grid = figure.add_gridspec(3, 1, height_ratios=(1, 1, 0.9))
    upper, middle = (grid[i].subgridspec(1, 4).subplots() for i in range(2))
    moved = minidl.roll(x, SHIFT, 3)
    maps = wrapped(x, weight).numpy()[0, 0], wrapped(moved, weight).numpy()[0, 0]
    limit = float(np.abs(maps[0]).max())
    for axes, picture, title in zip(upper[:2], (x, moved), ("picture x", f"T x: moved by {SHIFT}"), strict=True):
        axes.imshow(picture.numpy()[0].transpose(1, 2, 0))
        axes.set_title(title, fontsize=11)
    for axes, each, title in zip(upper[2:], maps, ("its edges f(x)", "f(T x), the edges moved along"), strict=True):
        axes.imshow(each, cmap="RdBu", vmin=-limit, vmax=limit)
        axes.set_title(title, fontsize=11)
    cases = ("wrapped around", SHIFT), ("zeros around", SHIFT), ("stride 2", 4), ("stride 2", 5)
    for axes, (name, shift) in zip(middle, cases, strict=True):
        layer, step = LAYERS[name]
        difference = np.abs(disagreement(layer, x, weight, shift, step)[0])
        axes.imshow(difference, cmap="magma", vmin=0, vmax=limit / 2)
        axes.set_title(f"{name}, shift {shift}: |T f(x) - f(T x)|\n" + ("0 to the last bit" if not difference.any() else
                       f"up to {difference.max() / limit:.0%} of the largest edge"), fontsize=11)  # fmt: skip
    for axes in (*upper, *middle):
        axes.set(xticks=[], yticks=[])
    axes = figure.add_subplot(grid[2])
    for (name, values), colour in zip(errors.items(), ("#2e7d32", "#c0392b", "#8fb4d9", "#e59866", "#1f4e79"), strict=True):
        axes.plot(range(len(values)), values, "o-", ms=4, color=colour, label=name)
    axes.set(xlabel="shift, pixels", ylabel="relative error", ylim=(-0.05, None), title="how much f(T x) differs from T f(x)")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(ncols=5, fontsize=9, loc="upper center")
    axes.set_ylim(-0.05, 1.25 * axes.get_ylim()[1])
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def main(folder, quick=False):
    """Measure all shifts, draw; return the relative errors by layer."""
    folder.mkdir(parents=True, exist_ok=True)
    x, weight = photograph(48 if quick else 80), edges()
    errors = {name: [] for name in LAYERS}
    for shift in tqdm(range(5 if quick else 17), unit="shift"):
        for name, (layer, step) in LAYERS.items():
            difference, value = disagreement(layer, x, weight, shift, step)
            errors[name].append(float(np.linalg.norm(difference) / np.linalg.norm(value)))
    for name, values in errors.items():
        print(f"{name:15} relative error at shifts 0, 1, 2, ...: " + " ".join(f"{value:.2f}" for value in values))
    draw(x, weight, errors, folder / "equivariance.png")
    print(f"picture in {folder}")
    return errors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/translation_equivariance"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
