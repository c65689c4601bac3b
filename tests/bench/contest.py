"""What a case file says: who runs on which input, how outputs are compared, and which ratios must hold."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# Metrics as they are named in reports; the unit ends the name.
CPU = "cpu_s"
WALL = "wall_s"
RSS = "rss_bytes"


@dataclass
class Contestant:
    """A command on the case's input; ours and the peers alike."""

    name: str
    command: list[str]
    folder: Path
    # Turns what it wrote into a value that is equal for equal answers; None where it answers another question.
    normalize: Callable[[bytes], object] | None = None
    # Where it writes its answer, if not to stdout.
    output: Path | None = None
    # So slow that its checked run is also its only timed one.
    is_slow: bool = False


@dataclass
class Target:
    """`metric` of `ours`, divided by the sum of `against` (or absolute if there is none), is at most `hard`."""

    metric: str
    ours: str
    against: list[str]
    hard: float
    stretch: float

    @property
    def name(self) -> str:
        """For people: `cpu precache-hash / workbox-build`."""
        metric = self.metric.partition("_")[0]
        peers = " + ".join(self.against)
        return f"{metric} {self.ours} / {peers}" if peers else f"{metric} {self.ours}"


@dataclass
class Case:
    """One input, everyone who answers the same question about it, and the targets."""

    name: str
    prepare: Callable[[], None]
    contestants: list[Contestant]
    targets: list[Target] = field(default_factory=list)


@dataclass
class Place:
    """Where things lie, handed to each case file."""

    root: Path
    binaries: Path
    work: Path
    is_smoke: bool

    @property
    def node_modules(self) -> Path:
        """The pinned peers."""
        return self.root / "tests/npm/node_modules"

    @property
    def peers(self) -> Path:
        """Small programs that call the peers' libraries."""
        return self.root / "tests/bench/peers"
