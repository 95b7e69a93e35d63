"""Convolutions over p4 and p4m: one convolution with 4 or 8 times the filters, and making those filters."""

import numpy as np

import minidl

from .asv_base import THREADS, OpBenchmark
from .bench_conv import conv2d_float64
from .common import Conv, leaf, normal

CASES = {  # group, input, weight
    "lift digits, p4": ("p4", (64, 1, 28, 28), (16, 1, 3, 3)),
    "digits, p4": ("p4", (64, 16, 4, 14, 14), (16, 16, 4, 3, 3)),
    "stage of 32x32, p4m": ("p4m", (16, 8, 8, 32, 32), (8, 8, 8, 3, 3)),
}


class GroupConv2d(OpBenchmark):
    params = (list(CASES), THREADS)

    def make(self, case):
        group, shape, weight_shape = CASES[case]
        x, weight = leaf(minidl, normal(*shape)), leaf(minidl, normal(*weight_shape))
        return lambda: minidl.nn.functional.group_conv2d(x, weight, padding=1, group=group), (x, weight)

    def oracle(self, case):
        """Pose by pose: the input is brought into the inverse pose, filtered by the filters as they are, and turned back."""
        group, shape, weight_shape = CASES[case]
        pose = minidl.nn.functional.pose_transform
        weight = normal(*weight_shape).astype(np.float64).reshape(weight_shape[0], -1, 3, 3)
        layer = Conv(shape[0], weight.shape[1], shape[-2:], weight.shape[0], 3, padding=1)
        outs = []
        for g in range(4 if group == "p4" else 8):
            turns, mirrored = (-g % 4, False) if g < 4 else (g % 4, True)  # the pose that undoes g
            laid = pose(minidl.from_numpy(normal(*shape)), turns, mirrored).numpy().reshape(layer.input_shape)
            out = minidl.from_numpy(conv2d_float64(laid, weight, layer))
            outs.append(pose(out, g % 4, g >= 4).numpy())
        return np.stack(outs, axis=2)
