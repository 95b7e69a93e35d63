"""minidl against a peer, row by row: the instrument behind every claim of speed.

`python -m benchmarks.peers` runs the rows of `benchmarks/rows` in one process per framework, which take turns; it prints medians,
the ratio of medians and its spread, the target, and the time at the machine's roof (FMA peak, bandwidth) with the share each side
reached. `--against-ref REF` takes minidl as of a commit as the peer. `--json FILE` keeps all samples.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from contextlib import contextmanager

from . import machine, paired, report, roof
from .checkout import built_tree
from .cores import Cores
from .registry import Row, select
from .workers import ImportWorker, Worker, WorkerError

IMPORT_ROW = Row("import", "foundation", build=None, target=8.0, cost=())


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="", metavar="REGEX", help="only rows whose 'family: name' the expression finds")
    parser.add_argument("--draw", type=int, metavar="N", help="a random draw of N of these rows")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    parser.add_argument("--threads", default=str(machine.processors()), help="one count or several, '1,2' (default: all processors)")
    parser.add_argument("--rounds", type=int, default=11, help="samples of each side (default: 11)")
    parser.add_argument("--seconds", type=float, default=0.07, help="length of a sample (default: 0.07)")
    parser.add_argument("--json", metavar="FILE", help="write machine, versions and all samples to FILE")
    parser.add_argument("--library", default="minidl", help=argparse.SUPPRESS)  # the instrument measures itself with --library torch
    parser.add_argument("--peer", default="torch", help="module to compare with (default: torch)")
    parser.add_argument("--against-ref", metavar="REF", help="compare with minidl as of this commit, tag or branch instead")
    parser.add_argument("--list", action="store_true", help="name the rows and stop")
    return parser.parse_args(words)


class Duel:
    """The two workers for one number of threads, started when first needed and again when one has died."""

    def __init__(self, options: argparse.Namespace, threads: int):
        self.threads = threads
        tree = built_tree(options.against_ref) if options.against_ref else ""
        name, label = (options.library, options.against_ref) if options.against_ref else (options.peer, options.peer)
        self.sides = ((options.library, "", options.library), (name, tree, label))
        self.workers: list[Worker | None] = [None, None]
        self.cores = Cores(threads)

    def pair(self, row: Row) -> paired.Pair:
        if row is IMPORT_ROW:
            return tuple(ImportWorker(library, tree) for library, tree, _ in self.sides)
        for side, worker in enumerate(self.workers):
            if worker is None or not worker.alive:
                if worker:
                    worker.close()
                library, tree, label = self.sides[side]
                self.workers[side] = Worker(library, self.threads, tree, label)
        return tuple(self.workers)

    def versions(self) -> dict:
        return {worker.label: worker.hello for worker in self.workers if worker}

    def close(self) -> None:
        for worker in self.workers:
            if worker:
                worker.close()
        self.cores.close()


@contextmanager
def closing(duel: Duel):
    try:
        yield duel
    finally:
        duel.close()


def chosen(options: argparse.Namespace) -> list[Row]:
    """The rows asked for, or a draw of them in their order."""
    rows = select(options.rows)
    if options.draw is None or options.draw >= len(rows):
        return rows
    return [rows[i] for i in sorted(random.Random(options.seed).sample(range(len(rows)), options.draw))]


def run(options: argparse.Namespace) -> dict:
    """Measure and print every chosen row; returns what `--json` writes."""
    rows = chosen(options)
    if not options.rows or "import" in options.rows:
        rows = [*rows, IMPORT_ROW]
    document = {"machine": machine.describe(), "rounds": options.rounds, "roofs": {}, "versions": {}, "rows": []}
    ours, theirs = options.library, options.against_ref or options.peer
    document["sides"] = [ours, theirs]
    width = max((len(row.name) for row in rows), default=0)
    for threads in map(int, options.threads.split(",")):
        limit = roof.in_own_process(threads)
        document["roofs"][threads] = limit
        print(f"{document['machine']['cpu']}, {threads} threads: {limit['flops'] / 1e9:.0f} GFLOP/s, "
              f"{limit['bandwidth'] / 1e9:.1f} GB/s ({limit['source']})")  # fmt: skip
        print(report.header(width, ours, theirs), flush=True)
        with closing(Duel(options, threads)) as duel:
            for row in rows:
                result = paired.measure(row, duel.pair(row), options.rounds, options.seconds, duel.cores)
                document["rows"].append(paired.with_roof(row, threads, result, limit))
                print(report.line(document["rows"][-1], width, ours, theirs), flush=True)
            document["versions"] |= duel.versions()
    print(report.summary(document["rows"]))
    return document


def main(words: list[str] | None = None) -> int:
    """Command line; the exit status is 1 when a row failed (not when one is slow)."""
    options = arguments(words)
    if options.list:
        print(*(f"{row.family}: {row.name}" for row in [*chosen(options), IMPORT_ROW]), sep="\n")
        return 0
    try:
        document = run(options)
    except WorkerError as error:
        print(f"benchmarks.peers: {error}", file=sys.stderr)
        return 1
    if options.json:
        with open(options.json, "w") as file:
            json.dump(document, file, indent=1)
        print(f"written to {options.json}")
    for result in document["rows"]:
        if result["status"] == "failed":
            print(f"\n{result['name']} failed:\n{result['message']}", file=sys.stderr)
    return int(any(result["status"] == "failed" for result in document["rows"]))


if __name__ == "__main__":
    sys.exit(main())
