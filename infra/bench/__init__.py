"""Benchmarks of the pipeline beside a bare client and its peers, all measured in turns within one run.

Each module of `infra.bench.suites` is one benchmark: its `SUITE` has cases, and each case brings those who run.
"""
