"""Memory: peak of the pool over training steps, what it keeps, and how often it meets a request without the system."""

import minidl

from .common import labels, lenet, normal, same_weights, training_step


class LeNetStep:
    """Twenty training steps on a batch of 64, after the pool was emptied."""

    def setup(self):
        minidl.empty_cache()
        minidl.reset_peak_memory_stats()
        self.before = minidl.memory_stats()
        model = same_weights(minidl, lenet(minidl))
        optimizer = minidl.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
        step = training_step(minidl, model, optimizer, minidl.from_numpy(normal(64, 1, 28, 28)), minidl.from_numpy(labels(64, 10)))
        for _ in range(20):
            step()
        self.after = minidl.memory_stats()

    def track_peak(self):
        return self.after["peak"]

    def track_reserved(self):
        return self.after["reserved"]

    def track_hit_rate(self):
        hits, misses = (self.after[name] - self.before[name] for name in ("hits", "misses"))
        return hits / max(1, hits + misses)

    track_peak.unit = track_reserved.unit = "bytes"
    track_hit_rate.unit = "share"


def peakmem_import():
    """Peak resident memory of a process that only imported minidl."""
