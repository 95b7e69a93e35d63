"""Convolutions of real nets."""

from itertools import product

import numpy as np

import minidl

from .asv_base import THREADS, OpBenchmark
from .common import CONVOLUTIONS, DEPTHWISE, TRANSPOSED, Conv, leaf, normal

WINOGRAD = ("resnet50.conv2_3x3", "resnet50.conv4_3x3", "resnet50.conv5_3x3", "alexnet.conv2", "alexnet.conv3")
FEW_PIXELS = {  # many weights for 49 pixels
    "resnet50.conv5_3x3_s2": Conv(1, 512, (14, 14), 512, 3, 2, 1),
    "resnet50.conv5_shortcut": Conv(1, 1024, (14, 14), 2048, 1, 2),
    "resnet50.conv5_expand": Conv(1, 512, (7, 7), 2048, 1),
}


def conv2d_float64(x: np.ndarray, weight: np.ndarray, layer: Conv) -> np.ndarray:
    """The definition, tap by tap: each kernel position adds its own matrix product."""
    oh, ow = layer.output
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (layer.padding,) * 2, (layer.padding,) * 2))
    out = np.zeros(layer.output_shape)
    for i, j in product(range(layer.kernel), repeat=2):
        window = padded[:, :, i : i + layer.stride * oh : layer.stride, j : j + layer.stride * ow : layer.stride]
        out += np.einsum("ncyx,fc->nfyx", window, weight[:, :, i, j], optimize=True)
    return out


class Conv2d(OpBenchmark):
    layers = CONVOLUTIONS
    params = (list(layers), THREADS)

    def make(self, case):
        layer = self.layers[case]
        x, weight = leaf(minidl, normal(*layer.input_shape)), leaf(minidl, normal(*layer.weight_shape))
        return lambda: minidl.nn.functional.conv2d(x, weight, stride=layer.stride, padding=layer.padding), (x, weight)

    def oracle(self, case):
        layer = self.layers[case]
        return conv2d_float64(normal(*layer.input_shape), normal(*layer.weight_shape).astype(np.float64), layer)


class FewPixelsConv2d(Conv2d):
    layers = FEW_PIXELS
    params = (list(layers), THREADS)


class WinogradConv2d(Conv2d):
    """3x3 and 5x5 filters with many channels, with Winograd's tiles and without."""

    params = ([f"{name} {mode}" for name in WINOGRAD for mode in ("auto", "off")], THREADS)

    def make(self, case):
        name, mode = case.split()
        minidl.set_winograd(mode)
        return super().make(name)

    def oracle(self, case):
        return super().oracle(case.split()[0])

    def teardown(self, case, threads):
        minidl.set_winograd("auto")


class DepthwiseConv2d(OpBenchmark):
    params = (list(DEPTHWISE), THREADS)

    def make(self, case):
        layer = DEPTHWISE[case]
        x, weight = leaf(minidl, normal(*layer.input_shape)), leaf(minidl, normal(*layer.weight_shape))
        options = {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups}
        return lambda: minidl.nn.functional.conv2d(x, weight, **options), (x, weight)

    def oracle(self, case):
        layer = DEPTHWISE[case]
        x, weight = normal(*layer.input_shape).astype(np.float64), normal(*layer.weight_shape)
        padded = np.pad(x, ((0, 0), (0, 0), (layer.padding,) * 2, (layer.padding,) * 2))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (layer.kernel,) * 2, (2, 3))[:, :, :: layer.stride, :: layer.stride]
        return np.einsum("ncyxij,cij->ncyx", windows, weight[:, 0], optimize=True)


class DepthwiseGradX(DepthwiseConv2d):
    """Backward alone: the gradient of the image without that of the weights."""

    def make(self, case):
        op, (x, weight) = super().make(case)
        weight.requires_grad_(False)
        return op, (x,)


class DepthwiseGradWeight(DepthwiseConv2d):
    """Backward alone: the gradient of the weights without that of the image."""

    def make(self, case):
        op, (x, weight) = super().make(case)
        x.requires_grad_(False)
        return op, (weight,)


def conv_transpose2d_float64(x: np.ndarray, weight: np.ndarray, layer: Conv) -> np.ndarray:
    """The definition, tap by tap: each kernel position adds its multiple of all inputs, a stride apart."""
    height, width = layer.size
    out = np.zeros((layer.batch, layer.filters, *(size + 2 * layer.padding for size in layer.output)))
    for i, j in product(range(layer.kernel), repeat=2):
        window = out[:, :, i : i + layer.stride * height : layer.stride, j : j + layer.stride * width : layer.stride]
        window += np.einsum("ncyx,cf->nfyx", x.astype(np.float64), weight[:, :, i, j], optimize=True)
    inside = slice(layer.padding, -layer.padding or None)
    return out[:, :, inside, inside]


class ConvTranspose2d(OpBenchmark):
    params = (list(TRANSPOSED), THREADS)

    def make(self, case):
        layer = TRANSPOSED[case]
        x, weight = leaf(minidl, normal(*layer.input_shape)), leaf(minidl, normal(*layer.weight_shape))
        return lambda: minidl.nn.functional.conv_transpose2d(x, weight, stride=layer.stride, padding=layer.padding), (x, weight)

    def oracle(self, case):
        layer = TRANSPOSED[case]
        return conv_transpose2d_float64(normal(*layer.input_shape), normal(*layer.weight_shape).astype(np.float64), layer)


class Pad(OpBenchmark):
    params = (("constant", "reflect", "replicate", "circular"), THREADS)

    def make(self, case):
        x = leaf(minidl, normal(16, 64, 56, 56))
        return lambda: minidl.nn.functional.pad(x, (1, 1, 1, 1), case), (x,)

    def oracle(self, case):
        mode = {"replicate": "edge", "circular": "wrap"}.get(case, case)
        return np.pad(normal(16, 64, 56, 56).astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)), mode)


class Unfold(OpBenchmark):
    params = (("resnet50.conv2_3x3", "alexnet.conv1"), THREADS)

    def make(self, case):
        layer = CONVOLUTIONS[case]
        x = leaf(minidl, normal(*layer.input_shape))
        return lambda: minidl.nn.functional.unfold(x, layer.kernel, padding=layer.padding, stride=layer.stride), (x,)

    def oracle(self, case):
        layer = CONVOLUTIONS[case]
        padded = np.pad(normal(*layer.input_shape), ((0, 0), (0, 0), (layer.padding,) * 2, (layer.padding,) * 2))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (layer.kernel,) * 2, (2, 3))[:, :, :: layer.stride, :: layer.stride]
        return windows.transpose(0, 1, 4, 5, 2, 3).reshape(layer.batch, -1, int(np.prod(layer.output))).astype(np.float64)
