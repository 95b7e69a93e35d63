"""One processor second per second on a machine of many cores: minidl must be serial and must not spin.

The quota is simulated: the function that reads the cgroup files answers 1.0 before the first use.
"""

from __future__ import annotations

import json
import subprocess
import sys

from ..machine import REPOSITORY
from .outcome import Outcome

CHILD = """
import json, time
from minidl import config
config.cgroup_quota = lambda *ignored: 1.0
import minidl
from benchmarks.common import lenet, normal
from benchmarks.ground.denormals import step
action = step(minidl, lenet, normal(64, 1, 28, 28), 1.0)
action()
wall, busy = time.perf_counter(), time.process_time()
while time.perf_counter() - wall < {seconds}:
    action()
wall, busy = time.perf_counter() - wall, time.process_time() - busy
print(json.dumps({{"threads": minidl.get_num_threads(), "processors": busy / wall}}))
"""


def run(quick: bool) -> list[Outcome]:
    """Processors used by LeNet steps under a quota of one."""
    command = [sys.executable, "-c", CHILD.format(seconds=0.3 if quick else 3.0)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    return [
        Outcome("threads under a quota of 1", seen["threads"], 1, unit=""),
        Outcome("processors used under a quota of 1", seen["processors"], 1.05, unit=""),
    ]
