"""`python -m benchmarks.ground [NAME ...]`: measure, print value, target and verdict, each figure in its own process."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys

NAMES = ("fresh", "flat", "auto_threads", "denormals", "neighbours", "quota", "bits", "package")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ground", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="few rounds: shows that the script works, not how fast minidl is")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"no such figure: {', '.join(unknown)}")
    if len(options.names) == 1:
        outcomes = importlib.import_module(f".{options.names[0]}", __package__).run(options.quick)
        print(*outcomes, sep="\n", flush=True)
        return int(not all(outcome.reached for outcome in outcomes))
    flags = ["--quick"] if options.quick else []
    statuses = [subprocess.run([sys.executable, "-m", __package__, name, *flags]).returncode for name in options.names or NAMES]
    return int(any(statuses))


if __name__ == "__main__":
    sys.exit(main())
