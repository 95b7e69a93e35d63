"""Benchmarks: asv modules (bench_*.py), paired runs against a peer (peers.py), the figures of the ground (ground/), stress.py."""
