"""minidl's threads as threadpoolctl sees them: `threadpool_info()` lists them, `threadpool_limits` bounds them."""

from __future__ import annotations

import sys

from . import config
from .errors import optional

__all__ = ["register_threadpoolctl"]


def register_threadpoolctl() -> None:
    """Tell threadpoolctl of minidl's threads. Done at import of minidl where threadpoolctl was imported before it.

    Raises MissingExtraError when threadpoolctl is not installed.

    >>> import minidl
    >>> minidl.register_threadpoolctl()
    >>> import threadpoolctl
    >>> [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "minidl"] == [minidl.get_num_threads()]
    True
    """
    threadpoolctl = optional("threadpoolctl", "test")
    if getattr(threadpoolctl, "_minidl_registered", False):
        return

    class MinidlController(threadpoolctl.LibController):  # type: ignore[misc, name-defined]
        """The pool of the compiled kernels, found by the one library that is always loaded."""

        user_api = "minidl"
        internal_api = "minidl"
        filename_prefixes = ("machine.",)
        check_symbols = ("PyInit_machine",)

        def get_num_threads(self) -> int:
            return config.get_num_threads()

        def set_num_threads(self, num_threads: int) -> None:
            config.set_num_threads(num_threads)

        def get_version(self) -> str:
            return str(getattr(sys.modules["minidl"], "__version__", ""))

        def set_additional_attributes(self) -> None:
            self.threading_layer = "openmp"

    threadpoolctl.register(MinidlController)
    threadpoolctl._minidl_registered = True


def register_if_imported() -> None:
    """Register with a threadpoolctl that is there already; importing it here would cost time that few need."""
    if "threadpoolctl" in sys.modules:
        register_threadpoolctl()
