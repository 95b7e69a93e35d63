"""Process-wide settings: how many threads kernels may use.

The default count is min(OMP_NUM_THREADS, CPU affinity, cgroup quota rounded down, physical cores), at least 1.
"""

from __future__ import annotations

import os

from .errors import ArgumentError

__all__ = ["get_num_threads", "set_num_threads", "thread_limits", "threads"]


def _from_environment() -> int | None:
    """First number of OMP_NUM_THREADS (a list names one count per nesting level), or None."""
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(text) if text.isdigit() and int(text) > 0 else None


def _affinity() -> int | None:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def _cgroup_folders(root: str, process: str) -> list[str]:
    """The folders of this process's cgroup and of all its parents, v2 and v1, most specific first."""
    folders = []
    for line in _read(process).splitlines():
        _, controllers, path = line.split(":", 2)
        base = root if controllers == "" else ""
        if "cpu" in controllers.split(","):
            base = next((f"{root}/{name}" for name in (controllers, "cpu") if os.path.isdir(f"{root}/{name}")), "")
        while base:
            folders.append(f"{base}/{path.strip('/')}".rstrip("/"))
            if path in ("", "/"):
                break
            path = os.path.dirname(path.rstrip("/"))
    return folders or [root]


def cgroup_quota(root: str = "/sys/fs/cgroup", process: str = "/proc/self/cgroup") -> float | None:
    """The smallest CPU quota, in processors, on the way from this process's cgroup to the root; None without a quota."""
    quotas = []
    for folder in _cgroup_folders(root, process):
        quota, _, period = _read(f"{folder}/cpu.max").partition(" ")  # v2: "max 100000" or "150000 100000"
        if not quota:
            quota, period = _read(f"{folder}/cpu.cfs_quota_us"), _read(f"{folder}/cpu.cfs_period_us")  # v1: -1 is no quota
        if quota.isdigit() and period.isdigit() and int(period) > 0:
            quotas.append(int(quota) / int(period))
    return min(quotas) if quotas else None


def _physical_cores() -> int | None:
    """Physical cores among the processors this process may use (hyper-threads of one core count once)."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    folder = "/sys/devices/system/cpu/cpu{}/topology/{}"
    cores = set()
    for cpu in os.sched_getaffinity(0):
        core = _read(folder.format(cpu, "core_id"))
        if core == "":
            return None
        cores.add((_read(folder.format(cpu, "physical_package_id")), core))
    return len(cores)


def thread_limits() -> dict[str, int]:
    """What bounds the default number of threads: {reason: count}, the smallest of which is used.

    >>> import minidl
    >>> min(minidl.config.thread_limits().values()) >= 1
    True
    """
    quota = cgroup_quota()
    found = {
        "OMP_NUM_THREADS": _from_environment(),
        "affinity": _affinity(),
        "cgroup quota": None if quota is None else max(1, int(quota)),
        "physical cores": _physical_cores(),
    }
    return {reason: count for reason, count in found.items() if count}


_count = 0


def get_num_threads() -> int:
    """The number of threads that a kernel may use.

    >>> import minidl
    >>> minidl.get_num_threads() >= 1
    True
    """
    global _count
    if _count == 0:
        _count = max(1, min(thread_limits().values(), default=1))
    return _count


def set_num_threads(n: int) -> None:
    """Let kernels use up to `n` threads from now on, in the whole process. Results do not depend on it.

    Raises ArgumentError when `n` is not a positive integer.

    >>> import minidl
    >>> before = minidl.get_num_threads()
    >>> minidl.set_num_threads(1)
    >>> minidl.get_num_threads()
    1
    >>> minidl.set_num_threads(before)
    """
    global _count
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 1024:
        raise ArgumentError(f"set_num_threads: n must be an integer from 1 to 1024, got {n!r}")
    _count = n


def serial_in_child() -> None:
    """After a fork: the child uses one thread until `set_num_threads` says otherwise, since its siblings have the cores."""
    global _count
    _count = 1


class threads:
    """Context manager: kernels inside use up to `n` threads, then the former count returns.

    >>> import minidl
    >>> with minidl.threads(1):
    ...     minidl.get_num_threads()
    1
    """

    def __init__(self, n: int) -> None:
        self.n = n

    def __enter__(self) -> threads:
        self.before = get_num_threads()
        set_num_threads(self.n)
        return self

    def __exit__(self, *exception: object) -> None:
        set_num_threads(self.before)
