"""Sequence to sequence: an encoder, decoders that look back at it with attention, and the search for the best output.

    source (N, S) -> Encoder -> memory (N, S, H), states -> Bridge -> Decoder: step by step logits (N, V) and alignment (N, S)

`Seq2Seq` puts the parts together; each is a module of its own. Sequences of tokens are (N, steps) everywhere here.
"""

from .attention import AdditiveAttention, DotAttention, GeneralAttention, padding_mask
from .bahdanau import BahdanauDecoder
from .encoder import Bridge, Encoder
from .luong import LuongDecoder
from .model import Seq2Seq
from .search import Found, beam_search, greedy_search, length_penalty
from .state import DecoderState

__all__ = [
    "AdditiveAttention",
    "BahdanauDecoder",
    "Bridge",
    "DecoderState",
    "DotAttention",
    "Encoder",
    "Found",
    "GeneralAttention",
    "LuongDecoder",
    "Seq2Seq",
    "beam_search",
    "greedy_search",
    "length_penalty",
    "padding_mask",
]
