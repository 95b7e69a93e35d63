"""Peak memory of rows, each in fresh processes: `python -m benchmarks.peak --rows resnet20` compares minidl with PyTorch.

What counts is the most that was resident during twenty calls, less what the imported library took before the row was built.
"""

from __future__ import annotations

import argparse
import sys

from . import machine
from .registry import select
from .workers import Worker, WorkerError

CALLS = 20


def peak_bytes(library: str, row: str, threads: int) -> int | str:
    """Bytes that the row needs on top of the import, or why it did not run."""
    worker = Worker(library, threads)
    try:
        reply = worker.ask("memory", row=row, calls=CALLS)
    except WorkerError as error:
        return str(error).strip().splitlines()[-1]
    finally:
        worker.close()
    return reply.get("missing") or reply["peak"] - reply["before"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peak", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="step of", metavar="REGEX", help="rows by family and name (default: training steps)")
    parser.add_argument("--threads", type=int, default=machine.processors())
    parser.add_argument("--peer", default="torch")
    options = parser.parse_args()
    print(f"{'row':<40} {'minidl MB':>10} {options.peer + ' MB':>10}  peer / minidl")
    for row in select(options.rows):
        peaks = [peak_bytes(library, row.name, options.threads) for library in ("minidl", options.peer)]
        if all(isinstance(peak, int) for peak in peaks):
            print(f"{row.name:<40} {peaks[0] / 1e6:>10.1f} {peaks[1] / 1e6:>10.1f}  {peaks[1] / peaks[0]:.2f}", flush=True)
        else:
            print(f"{row.name:<40} {'; '.join(str(peak) for peak in peaks if not isinstance(peak, int))}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
