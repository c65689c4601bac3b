"""How metrics are named and shown: a stem, then the unit, as in `wal_per_row_bytes`."""

import re
from dataclasses import dataclass

CPU = "cpu_s"
WALL = "wall_s"
RSS = "rss_bytes"


@dataclass(frozen=True)
class Unit:
    """The end of a metric's name, and its form for people."""

    suffix: str
    label: str
    digits: int


# Of two that fit, the longer stands first.
UNITS = [
    Unit("rows_per_s", "rows/s", 0),
    Unit("requests", "requests", 0),
    Unit("bytes", "B", 0),
    Unit("ratio", "x", 3),
    Unit("us", "us", 3),
    Unit("ms", "ms", 1),
    Unit("s", "s", 3),
]
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Shown:
    """A metric for people."""

    title: str
    scale: float
    digits: int

    def text(self, value: float) -> str:
        """The number alone."""
        return f"{value / self.scale:.{self.digits}f}"


def split(metric: str) -> tuple[str, str]:
    """Stem and unit: `wal_per_row` and `bytes`."""
    for unit in UNITS:
        if metric.endswith(f"_{unit.suffix}"):
            return metric.removesuffix(f"_{unit.suffix}"), unit.suffix
    raise ValueError(f"{metric}: ends with no known unit")


def shown(metric: str) -> Shown:
    """Memory in megabytes, all else as it is measured."""
    if metric == RSS:
        return Shown("peak MB", MEGABYTE, 1)
    stem, suffix = split(metric)
    unit = next(unit for unit in UNITS if unit.suffix == suffix)
    return Shown(f"{words(stem)} {unit.label}", 1, unit.digits)


def words(stem: str) -> str:
    """`wal per row`, `p99.9`."""
    return re.sub(r"(?<=\d)_(?=\d)", ".", stem).replace("_", " ")
