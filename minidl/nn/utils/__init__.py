"""Helpers for models: clipping gradients, parameters as one vector, nested states, and sequences of different lengths in `rnn`."""

from . import parametrizations, parametrize, rnn
from .clip_grad import clip_grad_norm_, clip_grad_value_, get_total_norm
from .convert_parameters import parameters_to_vector, vector_to_parameters
from .fusion import fuse_conv_bn_eval, fuse_conv_bn_weights, fuse_linear_bn_eval, fuse_linear_bn_weights
from .parametrizations import spectral_norm, weight_norm
from .states import detach_states, map_states, select_sequences

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "detach_states",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "get_total_norm",
    "map_states",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "rnn",
    "select_sequences",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]
