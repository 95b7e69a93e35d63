"""AlexNet of 2012 layer by layer: the volumes that flow through it, where its parameters are and where its work is.

    python examples/alexnet_volumes.py [folder] [--quick]

Sends a photograph through the network and notes the shape behind each layer. A volume's height and width follow from
floor((size + 2 padding - kernel) / stride) + 1, its depth is the number of filters.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

import minidl
from minidl import nn
from minidl.data import resize_images
from minidl.models import AlexNet
from minidl.train import new_figure, save_figure


def photograph():
    """The picture of a temple that scikit-learn ships, as (1, 3, 227, 227), mean 0."""
    from sklearn.datasets import load_sample_image

    square = load_sample_image("china.jpg")[:, 100:527].transpose(2, 0, 1).astype(np.float32) / 255
    return minidl.tensor(np.clip(resize_images(square, 227, 227), 0, 1)[None] - np.float32(0.5))


def walk(model, x, repeats):
    """One row per layer that changes the volume: name, what it is, shape, parameters, multiplications, milliseconds."""
    rows, count = [("input", "photograph", (3, 227, 227), 0, 0, 0.0)], {"conv": 0, "pool": 0, "fc": 0}
    layers = [*model.features, nn.Flatten(), *model.classifier]
    for layer in tqdm(layers, unit="layer"):
        before, times = x, []
        for _ in range(repeats):
            start = time.perf_counter()
            x = layer(before)
            times.append(time.perf_counter() - start)
        if isinstance(layer, (nn.ReLU, nn.Dropout, nn.Flatten)):
            continue  # the shape stays, or only its form changes
        kind = {nn.Conv2d: "conv", nn.MaxPool2d: "pool", nn.Linear: "fc"}[type(layer)]
        count[kind] += 1
        if kind == "fc":
            what = f"{layer.in_features:,} -> {layer.out_features:,}"
        else:
            filters = f"{layer.out_channels} filters " if kind == "conv" else ""
            size, stride, padding = (np.ravel(each)[0] for each in (layer.kernel_size, layer.stride, layer.padding))
            what = f"{filters}{size}x{size}, stride {stride}" + (f", padding {padding}" if padding else "")
        weights = sum(p.numel() for p in layer.parameters())
        places = x.numel() // x.shape[1]
        work = (weights - x.shape[1]) * places if weights else 0
        rows.append((f"{kind}{count[kind]}", what, tuple(x.shape[1:]), weights, work, 1e3 * min(times)))
    return rows


def by_size(shape):
    """A volume as it is usually written: height x width x depth."""
    return "x".join(map(str, (*shape[1:], shape[0])))


def table(rows):
    """The rows as text, with sums."""
    lines = [f"{'layer':7}{'what':36}{'volume':>12}{'numbers':>10}{'parameters':>13}{'multiplications':>17}{'ms':>8}"]
    for name, what, shape, weights, work, ms in rows:
        lines.append(f"{name:7}{what:36}{by_size(shape):>12}{np.prod(shape):>10,}{weights:>13,}{work:>17,}{ms:>8.2f}")
    sums = [sum(row[i] for row in rows) for i in (3, 4, 5)]
    return "\n".join([*lines, f"{'sum':65}{sums[0]:>13,}{sums[1]:>17,}{sums[2]:>8.2f}"])


def box(axes, x, height, depth, colour):
    """A volume as a box seen from the side; return where its right side ends."""
    slant = 0.35 * height
    low, high, right = -height / 2, height / 2, x + depth
    faces = (
        [(x, low), (right, low), (right, high), (x, high)],
        [(x, high), (right, high), (right + slant, high + slant), (x + slant, high + slant)],
        [(right, low), (right + slant, low + slant), (right + slant, high + slant), (right, high)],
    )
    for face, alpha in zip(faces, (1, 0.75, 0.55), strict=True):
        axes.fill(*zip(*face, strict=True), color=colour, alpha=alpha, ec="white", lw=1)
    return x + depth + slant


def draw(rows, picture, path):
    """The volumes as boxes; below, parameters and work of each layer."""
    figure = new_figure(14, 7.5)
    upper, *lower = figure.subplot_mosaic([["volumes"] * 2, ["parameters", "work"]], height_ratios=(1.2, 1)).values()
    colours, x = {"c": "#1f4e79", "p": "#8fb4d9", "f": "#c0392b"}, 0.0
    for name, _, shape, *_ in rows:
        height = 8 * np.sqrt(shape[1]) if len(shape) == 3 else 80 * shape[0] / 4096
        depth = shape[0] / 6 if len(shape) == 3 else 8
        if name == "input":
            depth = end = height
            upper.imshow(picture, extent=(0, depth, -height / 2, height / 2))
        else:
            end = box(upper, x, height, depth, colours[name[0]])
        volume = by_size(shape).replace("x", "\n") if len(shape) == 3 else f"{shape[0]:,}"
        upper.text(x + depth / 2, -66, name, ha="center", va="top", fontsize=11, fontweight="bold")
        upper.text(x + depth / 2, -77, volume, ha="center", va="top", fontsize=10)
        x = end + 18
    upper.set(xlim=(-5, x), ylim=(-115, 75), aspect="equal")
    upper.set_title("AlexNet's volumes: height, width, depth (drawn: the root of the height, a sixth of the depth)", fontsize=12)
    upper.axis("off")
    layers = [row for row in rows if row[3]]
    for axes, place, title in zip(lower, (3, 4), ("parameters", "multiplications for one picture"), strict=True):
        values, names = [row[place] for row in layers], [row[0] for row in layers]
        bars = axes.bar(names, values, color=[colours[name[0]] for name in names])
        axes.bar_label(bars, [f"{value / 1e6:,.2g} M" if value < 1e8 else f"{value / 1e6:,.0f} M" for value in values], fontsize=9)
        linear = sum(value for value, name in zip(values, names, strict=True) if name[0] == "f") / sum(values)
        axes.set_title(f"{title}: {sum(values) / 1e6:,.0f} M, {linear:.0%} of them in the linear layers", fontsize=11)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_yticks([])
    save_figure(figure, path)


def main(folder, quick=False):
    """Walk through the network, print the table, draw; return the volumes by layer."""
    folder.mkdir(parents=True, exist_ok=True)
    minidl.manual_seed(0)
    model = AlexNet(original=True, hidden=256 if quick else 4096).eval()
    with minidl.no_grad():
        rows = walk(model, picture := photograph(), 1 if quick else 5)
    print(table(rows))
    draw(rows, picture.numpy()[0].transpose(1, 2, 0) + 0.5, folder / "volumes.png")
    print(f"picture in {folder}")
    return {name: shape for name, _, shape, *_ in rows}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/alexnet_volumes"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
