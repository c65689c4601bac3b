"""Runs a case: first the answers are compared, then everyone is timed, turn by turn."""

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import measure
from contest import Case, Contestant, Failed, Target


@dataclass
class Verdict:
    """A target and what came out."""

    target: Target
    value: float

    @property
    def is_met(self) -> bool:
        """Only the hard limit decides."""
        return self.value <= self.target.hard

    @property
    def is_stretch_met(self) -> bool:
        """The aim, shown only."""
        return self.value <= self.target.stretch


@dataclass
class Result:
    """The figures of every round by contestant, and the verdicts."""

    case: Case
    figures: dict[str, list[dict[str, float]]]
    verdicts: list[Verdict]

    def series(self, contestant: str, metric: str) -> list[float]:
        """One value per round; none where the contestant does not have this metric."""
        return [figures[metric] for figures in self.figures[contestant] if metric in figures]


def run(case: Case, rounds: int, work: Path) -> Result:
    """Checks, warms up (the checked run is the warm-up), and times round by round, everyone in each."""
    case.prepare()
    figures: dict[str, list[dict[str, float]]] = {contestant.name: [] for contestant in case.contestants}
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        for contestant, checked in zip(case.contestants, check(case, Path(scratch)), strict=True):
            if contestant.is_slow or case.is_check_timed:
                figures[contestant.name].append(checked)
        rounds = min(rounds, case.most_rounds or rounds)
        for _ in range(rounds - 1 if case.is_check_timed else rounds):
            for contestant in case.contestants:
                if not contestant.is_slow:
                    figures[contestant.name].append(measure.run(contestant, Path(scratch)).figures)
    case.finish()
    result = Result(case, figures, [])
    result.verdicts = [Verdict(target, value(result, target)) for target in case.targets]
    return result


def check(case: Case, scratch: Path) -> list[dict[str, float]]:
    """Fails unless all who answer the question give one answer; the figures of the checked runs."""
    figures = []
    first: tuple[Contestant, object] | None = None
    for contestant in case.contestants:
        run = measure.run(contestant, scratch)
        figures.append(run.figures)
        if contestant.normalize is None:
            continue
        answer = contestant.normalize(run.answer)
        if first is None:
            first = (contestant, answer)
        elif answer != first[1]:
            raise Failed(f"{case.name}: {contestant.name} and {first[0].name} differ: {difference(answer, first[1])}")
    return figures


def difference(one: object, other: object) -> str:
    """The first place where two answers part."""
    if not isinstance(one, list) or not isinstance(other, list):
        one, other = str(one).splitlines(), str(other).splitlines()
    for left, right in zip(one, other, strict=False):
        if left != right:
            return f"{left} against {right}"
    return f"{len(one)} against {len(other)} entries"


def value(result: Result, target: Target) -> float:
    """Ours to the peers' sum: round by round where both ran in each, so that a busy minute hurts both alike."""
    ours = [max(value - target.allowance, 0) for value in result.series(target.ours, target.metric)]
    if not target.against:
        return statistics.median(ours)
    peers = [result.series(name, target.metric) for name in target.against]
    if any(len(series) != len(ours) for series in peers):
        return statistics.median(ours) / sum(statistics.median(series) for series in peers)
    return statistics.median(mine / sum(theirs) for mine, *theirs in zip(ours, *peers, strict=True))
