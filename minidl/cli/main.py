"""The command line: `minidl info`, `minidl demo lenet`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..errors import MinidlError
from . import demo, info

__all__ = ["build_parser", "main"]

_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; each subcommand sets `run`, a function of the parsed arguments."""
    parser = argparse.ArgumentParser(prog="minidl", description="A deep-learning framework for the CPU.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (info, demo):
        command.add_to(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 after an error, 130 after Ctrl-C."""
    arguments = build_parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (MinidlError, OSError) as error:
        print(f"minidl: {error}", file=sys.stderr)
        return 1
    return 0
