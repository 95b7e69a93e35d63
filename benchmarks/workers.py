"""The parent's side of a worker: start it, ask, read the reply, notice when it dies or hangs."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import suppress

PATIENCE = 300.0  # seconds for one request


class WorkerError(RuntimeError):
    """A worker raised, died or did not answer."""


class Worker:
    """`library` with `threads` threads in its own process; `tree` is where it is imported from ("" for the installed one)."""

    def __init__(self, library: str, threads: int, tree: str = "", label: str = ""):
        self.library, self.label = library, label or library
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
        command = [sys.executable, script, library, str(threads), tree]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, bufsize=1)
        try:
            self.hello = self.ask("hello")
        except WorkerError:
            self.close()
            raise

    def ask(self, do: str, **arguments) -> dict:
        """Send one request and wait for its reply; raises WorkerError when there is none or when it tells of an error."""
        with suppress(BrokenPipeError):  # the reply, or its absence, says why
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.process.kill()
            raise WorkerError(f"{self.label}: no answer to {do} within {PATIENCE:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise WorkerError(f"{self.label}: the worker ended with status {self.process.wait()} during {do}")
        reply = json.loads(line)
        if "error" in reply:
            raise WorkerError(f"{self.label}: {reply['error']}")
        return reply

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        """End the process and its pipes."""
        with suppress(BrokenPipeError):  # a dead worker reads nothing
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class ImportWorker:
    """Answers the requests of a worker for the row that times `import LIBRARY`: each sample is a fresh process."""

    CODE = "import time; begin = time.perf_counter(); import {}; print(time.perf_counter() - begin)"

    def __init__(self, library: str, tree: str = ""):
        self.library, self.label, self.tree, self.alive = library, library, tree, True

    def ask(self, do: str, **arguments) -> dict:
        if do == "build":
            self.seconds()  # writes the byte code, brings the files into the page cache
            return {"checksums": []}
        if do == "calibrate":
            return {"calls": 1}
        return {"seconds": self.seconds(), "busy": None} if do == "sample" else {}

    def seconds(self) -> float:
        command = [sys.executable, "-c", self.CODE.format(self.library)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.tree or None, timeout=PATIENCE)
        if done.returncode:
            raise WorkerError(f"import {self.library}: {done.stderr.strip().splitlines()[-1]}")
        return float(done.stdout)
