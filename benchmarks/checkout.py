"""minidl as of a commit, built in a folder of its own under build/ref."""

from __future__ import annotations

import os
import subprocess
import sys

from .machine import REPOSITORY


def built_tree(reference: str) -> str:
    """The folder that holds the sources of a commit with their modules compiled; made when it is not there."""
    resolved = subprocess.run(["git", "rev-parse", "--verify", f"{reference}^{{commit}}"], cwd=REPOSITORY, capture_output=True, text=True)
    if resolved.returncode:
        raise SystemExit(f"benchmarks: there is no commit {reference!r}: {resolved.stderr.strip()}")
    sha = resolved.stdout.strip()
    tree = os.path.join(REPOSITORY, "build", "ref", sha[:12])
    done = os.path.join(tree, ".built")
    if not os.path.exists(done):
        os.makedirs(tree, exist_ok=True)
        archive = subprocess.run(["git", "archive", sha], cwd=REPOSITORY, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x"], input=archive, cwd=tree, check=True)
        print(f"Building {reference} ({sha[:12]}) in {tree}", flush=True)
        subprocess.run([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], cwd=tree, check=True, stdout=subprocess.DEVNULL)
        with open(done, "w"):
            pass
    return tree
