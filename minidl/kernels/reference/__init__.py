"""The NumPy twin of every kernel: the same name, arguments and results, slow and readable. It is the oracle of the tests.

Where a sum has a fixed order in the compiled kernel, the twin may round differently; nothing else differs.
"""

from .activations import activate, activate_grad, add_rows, glu, glu_grad, pick_rows, pieces, prelu, prelu_grad, relu, relu_grad
from .convolution import conv, conv_grad_weight, conv_grad_x, conv_grads, sum_channels
from .matmul import affine_grads, gemm
from .normalisation import batch_norm, batch_norm_grad, row_norm, row_norm_grad
from .optimisers import adam_step, sgd_step
from .pooling import max_pool, max_pool_grad
from .recurrences import recurrent, recurrent_cell, recurrent_cell_grad, recurrent_grad
from .resampling import resample
from .softmaxes import cross_entropy, cross_entropy_grad, log_softmax, softmax, softmax_grad, softmax_planes, softmax_planes_grad
from .windows import add_at_places, window_max, window_mean, window_mean_grad

__all__ = [
    "activate",
    "activate_grad",
    "adam_step",
    "add_at_places",
    "add_rows",
    "affine_grads",
    "batch_norm",
    "batch_norm_grad",
    "conv",
    "conv_grad_weight",
    "conv_grad_x",
    "conv_grads",
    "cross_entropy",
    "cross_entropy_grad",
    "gemm",
    "glu",
    "glu_grad",
    "log_softmax",
    "max_pool",
    "max_pool_grad",
    "pick_rows",
    "pieces",
    "prelu",
    "prelu_grad",
    "recurrent",
    "recurrent_cell",
    "recurrent_cell_grad",
    "recurrent_grad",
    "relu",
    "relu_grad",
    "resample",
    "row_norm",
    "row_norm_grad",
    "sgd_step",
    "softmax",
    "softmax_grad",
    "softmax_planes",
    "softmax_planes_grad",
    "sum_channels",
    "window_max",
    "window_mean",
    "window_mean_grad",
]
