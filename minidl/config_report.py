"""What this build is and why it runs the way it does, as text."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from . import config, kernels

__all__ = ["config_report", "show_config"]


_TITLES = {
    "level": "instruction set",
    "why": "chosen because",
    "built": "built for",
    "allowed": "machine allows",
    "openmp": "OpenMP",
    "reference": "reference kernels",
}


def config_report() -> dict[str, str]:
    """Return the facts that `show_config` prints: {what: value}.

    Examples
    --------
    >>> from minidl.config_report import config_report
    >>> config_report()["minidl"]
    '0.1.0'
    """
    facts = {"minidl": _version()}
    info: dict[str, Any] = kernels.info()
    facts |= {_TITLES.get(name, name): _text(value) for name, value in info.items()}
    facts["instruction set"] = f"{info['level']}, {kernels.choice.NAMES[info['level']]}"
    facts["OpenMP"] = _openmp(info["openmp"])
    facts["threads"] = f"{config.get_num_threads()} ({_thread_reason()})"
    facts["numpy"] = np.__version__
    facts["python"] = f"{sys.version.split()[0]} on {_machine()}"
    return facts


def show_config() -> None:
    """Print version, instruction set, OpenMP runtime, threads, and why they are what they are.

    Examples
    --------
    >>> import minidl
    >>> minidl.show_config()  # doctest: +ELLIPSIS
    minidl ...
    """
    facts = config_report()
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")


def _openmp(version: int) -> str:
    """Name the OpenMP specification that the kernels were built for and the runtime in this process."""
    if not version:
        return "no: built without it, one thread"
    names = {201307: "4.0", 201511: "4.5", 201811: "5.0", 202011: "5.1", 202111: "5.2"}
    return f"{names.get(version, version)}, {', '.join(_runtimes()) or 'runtime unknown'}"


def _runtimes() -> list[str]:
    """Return the file names of the OpenMP libraries that this process has loaded, where the system tells."""
    try:
        with open("/proc/self/maps") as maps:
            files = {line.split()[-1].rpartition("/")[2] for line in maps if "/" in line}
    except OSError:
        return []
    return sorted(name for name in files if name.startswith(("libgomp", "libomp", "libiomp")))


def _machine() -> str:
    import platform

    return f"{platform.machine()} {platform.system()}"


def _version() -> str:
    from . import __version__

    return __version__


def _thread_reason() -> str:
    """Say which limit decided the number of threads."""
    limits = config.thread_limits()
    least = min(limits.values(), default=1)
    if config.get_num_threads() != least:
        return "set by set_num_threads"
    reasons = [name for name, count in limits.items() if count == least]
    others = [f"{name} {count}" for name, count in limits.items() if count != least]
    return "limited by " + ", ".join(reasons) + ("; " + ", ".join(others) if others else "")


def _text(value: object) -> str:
    """Return a fact in words."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool) or value is None:
        return "yes" if value else "no"
    return str(value)
