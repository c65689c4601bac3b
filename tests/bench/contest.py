"""What a case file says: who runs on which input, how outputs are compared, and which ratios must hold."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import metric
from metric import CPU, RSS, WALL

METRICS = (CPU, WALL, RSS)


class Failed(Exception):
    """A contestant did not do its work."""


@dataclass
class Run:
    """One run: its figures, its answer, and when it began (seconds of the epoch)."""

    figures: dict[str, float]
    answer: bytes
    started_at: float


class Stage:
    """What surrounds each run of a contestant and is not timed."""

    def set(self) -> None:
        """Before: puts everything in its place."""

    def read(self, run: Run) -> None:
        """After: adds figures, and the answer if the command does not write it."""


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
    stage: Stage = field(default_factory=Stage)
    # On top of this process's own.
    environment: dict[str, str] = field(default_factory=dict)
    # How it ends when it has done its work.
    exit_code: int = 0


@dataclass
class Target:
    """`metric` of `ours`, divided by the sum of `against` (or absolute if there is none), is at most `hard`.

    `allowance` is taken off ours first: what it may cost on top of its share of the peers'.
    """

    metric: str
    ours: str
    against: list[str]
    hard: float
    stretch: float
    allowance: float = 0

    @property
    def name(self) -> str:
        """For people: `cpu precache-hash / workbox-build`."""
        stem, unit = metric.split(self.metric)
        ours = f"{metric.words(stem)} {self.ours}"
        if self.allowance:
            ours = f"({ours} - {self.allowance:g} {unit})"
        return f"{ours} / {' + '.join(self.against)}" if self.against else ours


@dataclass
class Case:
    """One input, everyone who answers the same question about it, and the targets."""

    name: str
    prepare: Callable[[], None]
    contestants: list[Contestant]
    targets: list[Target] = field(default_factory=list)
    metrics: tuple[str, ...] = METRICS
    # At most so many rounds, for a case of minutes.
    most_rounds: int | None = None
    # Its stages make every run begin alike, so that the checked run is as good as a timed one.
    is_check_timed: bool = False
    # Called when all have run.
    finish: Callable[[], None] = lambda: None


@dataclass
class Place:
    """Where things lie, handed to each case file."""

    root: Path
    binaries: Path
    work: Path
    is_smoke: bool
    # Ends what a case has started, when everything has run.
    at_end: ExitStack = field(default_factory=ExitStack)

    @property
    def node_modules(self) -> Path:
        """The pinned peers."""
        return self.root / "tests/npm/node_modules"

    @property
    def peers(self) -> Path:
        """Small programs that call the peers' libraries."""
        return self.root / "tests/bench/peers"
