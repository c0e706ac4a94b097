"""Measurements that every change is held against. `python -m benchmarks.run --help` says how."""
