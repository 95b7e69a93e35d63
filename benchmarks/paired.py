"""One row on two workers in turns: only one process computes at any time, and the order alternates from round to round."""

from __future__ import annotations

import math
import time

from . import cost, machine, stats
from .cores import Cores
from .registry import Row
from .workers import ImportWorker, Worker, WorkerError

PAUSE = 0.02  # seconds between turns, in which the threads of the last worker stop spinning and go to sleep
RETAKEN = 2  # times as many rounds are taken again, at most, when the processors were not whole cores
ATTEMPTS = 3  # a row with a wide spread is measured so often, and the quietest attempt counts
AGREE = 1e-2  # relative difference up to which two checksums are the same work

Pair = tuple[Worker | ImportWorker, Worker | ImportWorker]


def rounds_of(pair: Pair, calls: list[int], rounds: int, cores: Cores) -> dict:
    """The samples of both workers over some rounds, and the share of the machine that other processes used meanwhile.

    A round that began or ended while the processors were not whole cores is taken again; those that remain so count after all.
    """
    good: list[list[float]] = []
    bad: list[list[float]] = []
    begin, machine_busy, own_busy = time.perf_counter(), machine.busy_seconds(), -cores.busy
    whole = cores.whole()
    for turn in range(rounds * (1 + RETAKEN)):
        samples = [0.0, 0.0]
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            time.sleep(PAUSE)
            reply = pair[side].ask("sample", calls=calls[side])
            samples[side] = reply["seconds"]
            own_busy += reply["busy"] or math.nan
        whole_before, whole = whole, cores.whole()
        (good if whole_before and whole else bad).append(samples)
        if len(good) == rounds:
            break
    counted = good + bad[: rounds - len(good)]
    elapsed, own_busy = time.perf_counter() - begin, own_busy + cores.busy
    others = math.nan if machine_busy is None else (machine.busy_seconds() - machine_busy - own_busy) / elapsed / machine.processors()
    ours, theirs = map(list, zip(*counted, strict=True))
    return {
        "samples": [ours, theirs],
        "whole": len(good) / rounds,
        "taken_again": len(bad),
        "others": None if math.isnan(others) else max(0.0, others),
        **stats.compare(ours, theirs),
    }


def disagreement(row: Row, replies: list[dict]) -> str:
    """What is wrong with the results of the first calls, or nothing."""
    ours, theirs = (reply["checksums"] for reply in replies)
    if not row.same or (len(ours) == len(theirs) and all(math.isclose(a, b, rel_tol=AGREE) for a, b in zip(ours, theirs, strict=True))):
        return ""
    return f"the results differ: mean absolute values {ours} and {theirs}"


def measure(row: Row, pair: Pair, rounds: int, seconds: float, cores: Cores) -> dict:
    """Everything known about one row: status, and where it ran the medians, ratio, spread and samples."""
    try:
        replies = [worker.ask("build", row=row.name) for worker in pair]
        absent = [f"{w.label}: {r['missing']}" for w, r in zip(pair, replies, strict=True) if "missing" in r]
        if absent:
            return {"status": "not there yet", "message": "; ".join(absent)}
        wrong = disagreement(row, replies)
        if wrong:
            return {"status": "failed", "message": wrong}
        calls = [worker.ask("calibrate", seconds=seconds)["calls"] for worker in pair]
        attempts = [rounds_of(pair, calls, rounds, cores)]
        while (attempts[-1]["spread"] > stats.NOISY or attempts[-1]["whole"] < 1) and len(attempts) < ATTEMPTS:
            attempts.append(rounds_of(pair, calls, rounds, cores))
        quietest = min(attempts, key=lambda attempt: (1 - attempt["whole"], attempt["spread"]))
        return {
            "status": "measured",
            "calls": calls,
            "attempts": len(attempts),
            "noisy": quietest["spread"] > stats.NOISY or quietest["whole"] < 1,
            **quietest,
        }
    except WorkerError as error:
        return {"status": "failed", "message": str(error)}
    finally:
        for worker in pair:
            if worker.alive:
                worker.ask("drop")


def with_roof(row: Row, threads: int, result: dict, roof: dict) -> dict:
    """The result with the row's name, target and work, and each side's share of the roof."""
    full = {"name": row.name, "family": row.family, "threads": threads, "target": row.target, **result}
    if row.cost:
        full |= {"flops": sum(part.flops for part in row.cost), "bytes": sum(part.bytes for part in row.cost)}
        full["roof"] = cost.roof_seconds(row.cost, roof["flops"], roof["bandwidth"])
    if "roof" in full and result["status"] == "measured":
        full |= {"our_share": full["roof"] / result["ours"], "their_share": full["roof"] / result["theirs"]}
    return full
