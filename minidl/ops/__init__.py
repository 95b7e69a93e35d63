"""Differentiable functions, one family a file, forward and backward side by side."""

from .arithmetic import *
from .compare import *
from .conv import *
from .cross_entropy import *
from .einsum import *
from .exponential import *
from .extrema import *
from .indexing import *
from .join import *
from .matmul import *
from .ordering import *
from .pool import *
from .promotion import *
from .reduce import *
from .regression import *
from .relu import *
from .selection import *
from .shape import *
from .softmax import *
from .statistics import *
from .trigonometric import *
