"""One convolution climbed in four rungs: loops, shifted pictures, patches, packed kernel. The same numbers, four speeds.

    python examples/convolution_ladder.py [folder] [--quick]

Filters a piece of a photograph that scikit-learn ships with eight turned edge and colour filters.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

import minidl
from minidl.train import new_figure, save_figure


def by_loops(x, w):
    """The definition: one product after the other; x (C, H, W), w (F, C, KH, KW)."""
    (channels, height, width), (filters, _, kh, kw) = x.shape, w.shape
    out = np.zeros((filters, height - kh + 1, width - kw + 1), x.dtype)
    for f in range(filters):
        for i in range(height - kh + 1):
            for j in range(width - kw + 1):
                for c in range(channels):
                    for a in range(kh):
                        for b in range(kw):
                            out[f, i, j] += w[f, c, a, b] * x[c, i + a, j + b]
    return out


def by_taps(x, w):
    """Whole images at a time: each tap of a filter weighs a shifted copy of the picture."""
    (channels, height, width), (filters, _, kh, kw) = x.shape, w.shape
    out = np.zeros((filters, height - kh + 1, width - kw + 1), x.dtype)
    for f in range(filters):
        for c in range(channels):
            for a in range(kh):
                for b in range(kw):
                    out[f] += w[f, c, a, b] * x[c, a : height - kh + 1 + a, b : width - kw + 1 + b]
    return out


def patches(x, kh, kw):
    """All windows as the columns of a matrix (C KH KW, OH OW): k k times larger than the picture."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), (1, 2))  # (C, OH, OW, KH, KW)
    return windows.transpose(0, 3, 4, 1, 2).reshape(x.shape[0] * kh * kw, -1)


def by_patches(x, w):
    """One matrix product: filters as rows times windows as columns."""
    filters, _, kh, kw = w.shape
    return (w.reshape(filters, -1) @ patches(x, kh, kw)).reshape(filters, x.shape[1] - kh + 1, x.shape[2] - kw + 1)


def by_kernel(x, w):
    """minidl's kernel: the same product, but windows are packed piece by piece as the processor needs them."""
    return minidl.nn.functional.conv2d(minidl.from_numpy(x), minidl.from_numpy(w)).numpy()


RUNGS = [("six loops", by_loops), ("shifted pictures", by_taps), ("patches, one product", by_patches), ("packed kernel", by_kernel)]


def edge_filters(count, size):
    """Turned Gabor filters, half of them on brightness and half on the difference of red and blue."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    rows = []
    for i in range(count):
        angle = np.pi * (i % (count // 2)) / (count // 2)
        wave = np.cos(2 * np.pi / size * (x * np.cos(angle) + y * np.sin(angle)) + np.pi / 2)
        colours = (1, 1, 1) if i < count // 2 else (1, 0, -1)
        rows.append(np.multiply.outer(colours, wave * np.exp(-(x**2 + y**2) / size)))
    return np.array(rows, np.float32)


def photograph(size):
    """A square of the picture of a temple, (3, size, size) in 0 to 1."""
    from sklearn.datasets import load_sample_image

    picture = load_sample_image("china.jpg")[110 : 110 + size, 240 : 240 + size]
    return np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32) / 255


def fastest(function, x, w, seconds):
    """Result and least time of a few runs."""
    times = []
    while not times or sum(times) < seconds:
        start = time.perf_counter()
        out = function(x, w)
        times.append(time.perf_counter() - start)
    return out, min(times)


def draw(x, w, out, times, path):
    """The picture with a window, the filters, what they find, the patch matrix, and the times."""
    figure = new_figure(13, 7.2)
    grid = figure.add_gridspec(2, 1, height_ratios=(1.1, 1))
    upper, lower = (row.subgridspec(1, 2, width_ratios=(1, ratio)).subplots() for row, ratio in zip(grid, (2.1, 1.2), strict=True))
    upper[0].imshow(x.transpose(1, 2, 0))
    upper[0].set_title(f"the picture, {x.shape[1]}x{x.shape[2]}x3", fontsize=11)
    size, k = len(out) // 2, w.shape[-1]
    maps = np.abs(out) / np.abs(out).max(axis=(1, 2), keepdims=True)
    tiles = np.pad(maps, ((0, 0), (2, 2), (2, 2)), constant_values=0.5)
    for f in range(len(w)):  # the filter itself, magnified, in the corner of what it finds
        weight = w[f].sum(0) if f < size else w[f, 0]
        shown = np.kron(weight / np.abs(weight).max() / 2 + 0.5, np.ones((max(1, 18 // k),) * 2))
        tiles[f, 2 : 2 + len(shown), 2 : 2 + len(shown)] = shown
    mosaic = np.concatenate([np.concatenate(list(half), axis=1) for half in (tiles[:size], tiles[size:])])
    upper[1].imshow(mosaic, cmap="gray", vmin=0, vmax=1)
    upper[1].set_title(f"what {len(w)} filters find: edges of brightness above, of red against blue below", fontsize=11)
    columns = patches(x, k, k)
    lower[0].imshow(columns[:, :300], cmap="gray", aspect="auto", interpolation="nearest")
    lower[0].set_title(f"the patch matrix, {columns.shape[0]} x {columns.shape[1]:,} (the first 300 windows)", fontsize=11)
    for axes in (*upper, lower[0]):
        axes.set(xticks=[], yticks=[])
    names, milliseconds = [name for name, _ in RUNGS], [1e3 * t for t in times]
    bars, flops = lower[1].barh(names, milliseconds, color=["#c0392b", "#d98880", "#8fb4d9", "#1f4e79"], log=True), 2 * out.size * w[0].size
    digits = [max(0, 1 - int(np.floor(np.log10(ms)))) for ms in milliseconds]
    labels = [f" {ms:,.{d}f} ms, {flops / ms / 1e6:.3g} GFLOP/s" for ms, d in zip(milliseconds, digits, strict=True)]
    lower[1].bar_label(bars, labels, fontsize=10)
    lower[1].invert_yaxis()
    lower[1].set_xlim(min(milliseconds) / 2, max(milliseconds) * 60)
    lower[1].set_title("the same numbers: time for one picture (logarithmic)", fontsize=11)
    lower[1].spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def main(folder, quick=False):
    """Climb, compare the numbers, draw; return the times in seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    x, w = photograph(24 if quick else 96), edge_filters(8, 5)
    seconds = 0.0 if quick else 0.5
    outs, times = zip(*(fastest(function, x, w, seconds) for _, function in tqdm(RUNGS, unit="rung")), strict=True)
    for (name, _), out, seconds in zip(RUNGS, outs, times, strict=True):
        difference = np.abs(out - outs[0]).max()
        print(f"{name:20} {1e3 * seconds:10.3f} ms   {times[0] / seconds:9,.0f} times faster   largest difference {difference:.1e}")
        if difference > 1e-5:
            raise SystemExit(f"{name} does not compute the same numbers")
    draw(x, w, outs[-1], times, folder / "ladder.png")
    print(f"picture in {folder}")
    return times


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/convolution_ladder"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
