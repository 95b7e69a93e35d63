"""The table of rows that a paired run measures."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .cost import Cost

Step = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """One workload. `build(xp)` returns a function whose every call does the work once and returns tensors to compare.

    `target` is the least ratio (time of the peer / time of minidl) the project asks for; `same` is False for workloads
    whose results differ between frameworks by design (dropout).
    """

    name: str
    family: str
    build: Callable[[Any], Step]
    target: float
    cost: Cost = ()
    same: bool = True


FAMILIES = ("foundation", "ground", "convolution", "recurrent", "layers")
ON_REQUEST = "layers"  # hundreds of rows, measured only when the pattern names the family
ROWS: dict[str, Row] = {}


def add(row: Row) -> None:
    """Enter a row; names are unique, families known."""
    if row.family not in FAMILIES:
        raise ValueError(f"benchmarks: the family of a row must be one of {', '.join(FAMILIES)}, got {row.family!r}")
    if row.name in ROWS:
        raise ValueError(f"benchmarks: there are two rows named {row.name!r}")
    ROWS[row.name] = row


def row(name: str, family: str, target: float, cost: Cost = (), same: bool = True) -> Callable:
    """Decorator that enters `build(xp)` as a row."""

    def enter(build: Callable[[Any], Step]) -> Callable[[Any], Step]:
        add(Row(name, family, build, target, cost, same))
        return build

    return enter


def named(name: str) -> Row:
    """The row of this name."""
    from . import rows  # noqa: F401  entering the rows is what this import is for

    return ROWS[name]


def select(pattern: str = "") -> list[Row]:
    """The rows whose family or name the regular expression finds, family by family; `layers` only if it says so."""
    from . import rows  # noqa: F401  entering the rows is what this import is for

    rows_asked = [r for r in ROWS.values() if r.family != ON_REQUEST or ON_REQUEST in pattern]
    found = [r for r in rows_asked if re.search(pattern, f"{r.family}: {r.name}")]
    return sorted(found, key=lambda r: FAMILIES.index(r.family))
