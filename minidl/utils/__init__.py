"""Names that PyTorch keeps under `utils`: `minidl.utils.data` is `minidl.data`."""

import sys

from .. import data

sys.modules[f"{__name__}.data"] = data

__all__ = ["data"]
