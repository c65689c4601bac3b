"""Latencies as others feel them, from the log that pgbench writes with --log and --rate.

With a rate, pgbench counts from the moment a transaction was due, not from when it could begin, so that a stall counts for
everyone who had to wait behind it (pgbench(1), --rate; G. Tene, "How NOT to Measure Latency", on coordinated omission).
"""

import math
from pathlib import Path

# Percent by metric.
FIGURES = {"p50_ms": 50.0, "p95_ms": 95.0, "p99_ms": 99.0, "p99_9_ms": 99.9, "max_ms": 100.0}


def read(folder: Path, prefix: str) -> list[float]:
    """Milliseconds, rising; pgbench writes one file per thread."""
    return sorted(
        milliseconds(line) for path in folder.glob(f"{prefix}.*") for line in path.read_text("ascii").splitlines()
    )


def milliseconds(line: str) -> float:
    """`client transaction time script second microsecond lag`, the time in microseconds."""
    return int(line.split()[2]) / 1000


def percentile(rising: list[float], percent: float) -> float:
    """The value that this share of all does not exceed (nearest rank)."""
    return rising[max(math.ceil(len(rising) * percent / 100), 1) - 1]


def figures(rising: list[float]) -> dict[str, float]:
    """All of FIGURES."""
    return {metric: percentile(rising, percent) for metric, percent in FIGURES.items()}
