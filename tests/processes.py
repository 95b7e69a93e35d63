"""Tests that need a fresh interpreter run it here."""

import os
import subprocess
import sys
from pathlib import Path


def run_python(code, *arguments, timeout=240, **environment):
    """Standard output of a new interpreter that runs `code` (text, or the path of a script); its failure is ours."""
    command = [sys.executable, *([str(code)] if isinstance(code, Path) else ["-c", code]), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env={**os.environ, **environment})
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
