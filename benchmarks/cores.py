"""Whether the processors are whole cores at this moment.

Virtual processors can be the two halves of one core for seconds or minutes: a second thread then gains nothing, and the ratio of two
libraries says which of them leaves more of a core unused. Samples taken meanwhile are not of the machine that the row speaks of.
"""

from __future__ import annotations

from .workers import Worker, WorkerError

WHOLE = 0.85  # of the peak of one thread times their number; two halves of one core reach 0.5


class Cores:
    """Asks a process of its own for the multiply-add peak of all threads against that of one; `busy` is the time this has cost."""

    def __init__(self, threads: int):
        self.worker, self.busy = None, 0.0
        if threads > 1:
            try:
                self.worker = Worker("minidl", threads)
                self.worker.ask("scaling")
            except WorkerError:  # a library without the probe: every sample counts
                self.close()

    def whole(self) -> bool:
        if self.worker is None:
            return True
        reply = self.worker.ask("scaling")
        self.busy += reply["busy"]
        return reply["share"] >= WHOLE

    def close(self) -> None:
        if self.worker:
            self.worker.close()
            self.worker = None
