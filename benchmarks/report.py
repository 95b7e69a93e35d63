"""Lines of text for the terminal: one per measured row, aligned."""

from __future__ import annotations

import math
from collections.abc import Sequence


def milliseconds(seconds: float | None) -> str:
    """Three significant digits, in milliseconds.

    >>> milliseconds(0.00012345), milliseconds(0.0321), milliseconds(None)
    ('0.123', '32.1', '-')
    """
    if seconds is None:
        return "-"
    value = seconds * 1e3
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def verdict(result: dict) -> str:
    """'ok' when the ratio reaches the target, else 'below'; a tilde marks a noisy row."""
    return ("ok" if result["ratio"] >= result["target"] else "below") + ("~" if result["noisy"] else "")


def header(width: int, ours: str, theirs: str) -> str:
    return f"{'row':<{width}}  " + aligned(titles(ours, theirs), ours, theirs)


def titles(ours: str, theirs: str) -> tuple[str, ...]:
    return ("threads", f"{ours} ms", f"{theirs} ms", "ratio", "spread", "target", "verdict", "roof ms", "share", "peer's")


def aligned(cells: Sequence[str], ours: str, theirs: str) -> str:
    """The cells right-aligned under their titles."""
    return "  ".join(f"{cell:>{max(len(title), 6)}}" for cell, title in zip(cells, titles(ours, theirs), strict=True))


def line(result: dict, width: int, ours: str, theirs: str) -> str:
    """One row of the table, or why there is none."""
    start = f"{result['name']:<{width}}  "
    if result["status"] != "measured":
        return f"{start}{result['threads']:>7}  {result['status']}: {result['message'].strip().splitlines()[-1][:200]}"
    cells = (
        str(result["threads"]),
        milliseconds(result["ours"]),
        milliseconds(result["theirs"]),
        f"{result['ratio']:.2f}",
        f"{result['spread']:.0%}",
        f"{result['target']:.2f}",
        verdict(result),
        milliseconds(result.get("roof")),
        share(result.get("our_share")),
        share(result.get("their_share")),
    )
    return start + aligned(cells, ours, theirs)


def summary(results: list[dict]) -> str:
    """How many rows reached their target, and whether the machine was quiet enough to quote them."""
    measured = [r for r in results if r["status"] == "measured"]
    reached = sum(r["ratio"] >= r["target"] for r in measured)
    text = [f"{reached} of {len(measured)} measured rows reach their target"]
    if len(measured) > 1:
        worst = min(measured, key=lambda r: r["ratio"])
        mean = math.exp(sum(math.log(r["ratio"]) for r in measured) / len(measured))
        text.append(f"geometric mean of the ratios {mean:.2f}, least {worst['ratio']:.2f} ({worst['name']})")
    for status in ("not there yet", "failed"):
        count = sum(r["status"] == status for r in results)
        if count:
            text.append(f"{count} {status}")
    noisy = sum(r["noisy"] for r in measured)
    if noisy:
        text.append(f"{noisy} noisy (~)")
    again = sum(r.get("taken_again", 0) for r in measured)
    if again:
        text.append(f"{again} rounds taken again, because the processors were not whole cores")
    busy = [r["others"] for r in measured if r.get("others") is not None]
    if noisy * 3 > len(measured) or (busy and sorted(busy)[len(busy) // 2] > 0.1):
        text.append("this machine was busy with other things: do not quote these figures")
    return "; ".join(text)
