"""`minidl info`: what this build is and how it runs here."""

from __future__ import annotations

from typing import Any

from ..config_report import show_config


def add_to(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("info", help="show version, instruction set, threads, and why")
    parser.set_defaults(run=lambda arguments: show_config())
