"""Whether the processors are whole cores at this moment.

Virtual processors can be the two halves of one core for seconds or minutes: a second thread then gains nothing, and the ratio of two
libraries says which of them leaves more of a core unused. Samples taken meanwhile are not of the machine that the row speaks of.
"""

from __future__ import annotations

import math

from .workers import Worker, WorkerError

WHOLE = 0.85  # of the peak of one thread times their number; two halves of one core reach 0.5
PROBES = 60  # after so many without a whole moment there are no whole cores here, and every sample counts


def scaling(kernels, threads: int) -> float:
    """The multiply-add peak of so many threads over that of one times their number."""
    return kernels.peak_flops(threads) / threads / kernels.peak_flops(1)


class Cores:
    """Asks a process of its own for the multiply-add peak of all threads against that of one; `busy` is the time this has cost."""

    def __init__(self, threads: int):
        self.worker, self.busy, self.shared = None, 0.0, 0
        if threads > 1:
            try:
                self.worker = Worker("minidl", threads)
                self.worker.ask("scaling")
            except WorkerError:  # a library without the probe: every sample counts
                self.close()

    def whole(self) -> bool:
        if self.worker is None:
            return True
        try:
            reply = self.worker.ask("scaling")
        except WorkerError:
            self.close()
            return True
        self.busy += reply["busy"]
        if reply["share"] >= WHOLE:
            self.shared = -math.inf
            return True
        self.shared += 1
        if self.shared >= PROBES:
            self.close()
        return False

    def close(self) -> None:
        if self.worker:
            self.worker.close()
            self.worker = None
