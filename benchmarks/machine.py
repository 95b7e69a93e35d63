"""What a measurement has to say about the machine, and how much of it other processes used meanwhile."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(path: str) -> str:
    """The text of a small file, or nothing."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def cpu_model() -> str:
    for line in read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def vector_flags() -> list[str]:
    """The vector extensions the processor reports, those that decide speed only."""
    flags = set()
    for line in read("/proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            flags = set(line.split(":", 1)[1].split())
            break
    return sorted(f for f in flags if f in {"avx", "avx2", "fma", "avx512f", "avx512_bf16"} or f.startswith("amx"))


def processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def commit() -> str:
    """The commit of this repository, with a plus sign when files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except OSError:
        return ""


def describe() -> dict:
    """Everything about the machine and the software that a reader of the figures needs."""
    return {
        "cpu": cpu_model(),
        "flags": vector_flags(),
        "processors": processors(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "commit": commit(),
        "command": sys.argv[1:],
    }


def busy_seconds() -> float | None:
    """Processor seconds that the whole machine has spent working since it started (None where the system does not say)."""
    first = read("/proc/stat").partition("\n")[0].split()
    if not first or first[0] != "cpu":
        return None
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, first[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
