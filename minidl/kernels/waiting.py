"""How long the threads of OpenMP wait busily: short, so that waiting does not burn the time of others.

GNU's runtime lets an idle thread spin for milliseconds before it sleeps. With a busy neighbour on the machine that time is
taken from the very thread that is waited for. The runtime reads its setting once, when it is loaded, so it is put into the
environment just for that moment, and only where the user has not chosen a policy. `python -m benchmarks.ground neighbours` measures it.
"""

import importlib
import os

SPINS = "20000"  # about half a millisecond: longer than the pauses between the kernels of a step, shorter than a turn of the scheduler

_chosen_by_user = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ)
if not _chosen_by_user:
    os.environ["GOMP_SPINCOUNT"] = SPINS
try:
    machine = importlib.import_module(f"{__package__}.machine")  # loads OpenMP, unless some other package did before
finally:
    if not _chosen_by_user:
        del os.environ["GOMP_SPINCOUNT"]

__all__ = ["machine"]
