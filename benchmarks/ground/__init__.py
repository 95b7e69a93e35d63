"""The figures of the ground under the kernels: memory, threads, denormals, neighbours. `python -m benchmarks.ground` runs them all."""
