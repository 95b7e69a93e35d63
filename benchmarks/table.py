"""The speed table of the README, made from the JSON of a paired run.

`python -m benchmarks.table results.json` prints it; `--write README.md` puts it between the two `speed table` marks of that file.
"""

from __future__ import annotations

import argparse
import json
import re
import sys

from .report import milliseconds, share

MARKS = ("<!-- speed table: begin -->", "<!-- speed table: end -->")


def caption(document: dict) -> str:
    """One sentence that names the machine, the versions and the method."""
    box, versions = document["machine"], document["versions"]
    libraries = " and ".join(f"{name} {about['version']}" for name, about in versions.items())
    roofs = "; ".join(
        f"{threads} threads: {limit['flops'] / 1e9:.0f} GFLOP/s and {limit['bandwidth'] / 1e9:.0f} GB/s"
        for threads, limit in document["roofs"].items()
    )
    return (
        f"{box['cpu']}, {box['processors']} processors ({', '.join(box['flags'])}), {box['system']}, Python {box['python']}; {libraries}; "
        f"commit {box['commit']}. Roof, measured: {roofs}. Medians of {document['rounds']} paired rounds, one process each, taking turns."
    )


def markdown(document: dict) -> str:
    """The caption and a table with one line per measured row."""
    ours, theirs = document["sides"]
    lines = [caption(document), ""]
    lines += [f"| row | threads | {ours}, ms | {theirs}, ms | times faster | spread | share of the roof | {theirs}'s share |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for r in document["rows"]:
        if r["status"] == "measured":
            mark = " (noisy)" if r["noisy"] else ""
            cells = [r["name"], str(r["threads"]), milliseconds(r["ours"]), milliseconds(r["theirs"]), f"{r['ratio']:.2f}{mark}"]
            cells += [f"{r['spread']:.0%}", share(r.get("our_share")), share(r.get("their_share"))]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write_between_marks(path: str, text: str) -> None:
    """Replace what stands between the marks of a file."""
    with open(path) as file:
        before = file.read()
    pattern = re.escape(MARKS[0]) + ".*?" + re.escape(MARKS[1])
    after, count = re.subn(pattern, lambda _: f"{MARKS[0]}\n{text}\n{MARKS[1]}", before, flags=re.S)
    if count != 1:
        raise SystemExit(f"benchmarks.table: {path} must hold the marks {MARKS[0]} and {MARKS[1]} once, found {count}")
    with open(path, "w") as file:
        file.write(after)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__.splitlines()[0])
    parser.add_argument("results", help="JSON written by benchmarks.peers --json")
    parser.add_argument("--write", metavar="FILE", help="put the table between the marks of FILE instead of printing it")
    options = parser.parse_args(words)
    with open(options.results) as file:
        text = markdown(json.load(file))
    if options.write:
        write_between_marks(options.write, text)
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
