"""What the package itself costs: import time, wheel size, source build time (the last two only without --quick)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time

from ..machine import REPOSITORY
from ..stats import median
from ..workers import ImportWorker
from .outcome import Outcome

WHAT_A_BUILD_NEEDS = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "minidl")


def build_wheel(folder: str) -> tuple[float, int]:
    """Seconds of a build from a copy of the sources without any object files, and the bytes of the wheel."""
    for name in WHAT_A_BUILD_NEEDS:
        source, target = os.path.join(REPOSITORY, name), os.path.join(folder, name)
        if os.path.isdir(source):
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        elif os.path.exists(source):
            shutil.copy(source, target)
    begin = time.perf_counter()
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--wheel-dir", "out", "."]
    subprocess.run(command, cwd=folder, check=True)
    elapsed = time.perf_counter() - begin
    return elapsed, sum(os.path.getsize(entry) for entry in os.scandir(os.path.join(folder, "out")))


def run(quick: bool) -> list[Outcome]:
    """Import, build and wheel."""
    ours, numpy = ImportWorker("minidl"), ImportWorker("numpy")
    samples = [(ours.seconds(), numpy.seconds()) for _ in range(3 if quick else 11)]
    seconds, beside = median([a for a, _ in samples]), median([b for _, b in samples])
    outcomes = [Outcome("import minidl", seconds, 0.15, unit="s", detail=f"import numpy {beside:.3f} s")]
    if not quick:
        with tempfile.TemporaryDirectory() as folder:
            elapsed, size = build_wheel(folder)
        outcomes += [Outcome("source build", elapsed, 90, unit="s"), Outcome("wheel", size / 1e6, 10, unit="MB")]
    return outcomes
