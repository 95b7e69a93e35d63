"""One measured figure against its target."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """`value` should be at most `target`; `detail` says what else was seen."""

    name: str
    value: float
    target: float
    unit: str = "x"
    detail: str = ""

    @property
    def reached(self) -> bool:
        return self.value <= self.target

    def __str__(self) -> str:
        verdict = "ok" if self.reached else "MISSED"
        return f"{self.name:<48} {self.value:>9.3g} {self.unit:<4} at most {self.target:<6g} {verdict:<7} {self.detail}".rstrip()
