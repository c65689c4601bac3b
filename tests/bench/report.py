"""The results as a table for people or as JSON Lines; both close with the count of targets met and missed."""

import json
import statistics
import sys

import metric as metrics
from race import Result

# More columns than this do not fit a line.
COLUMNS = 4


class Human:
    """Medians with their spread, ratios beside their limits."""

    def result(self, result: Result) -> None:
        """One case."""
        rounds = max(len(runs) for runs in result.figures.values())
        write(f"\n{result.case.name} (median of {rounds} rounds, least to most)")
        for first in range(0, len(result.case.metrics), COLUMNS):
            self.table(result, result.case.metrics[first : first + COLUMNS])
        for verdict in result.verdicts:
            target = verdict.target
            scale = 1 if target.against else metrics.shown(target.metric).scale
            word = "MISSED" if not verdict.is_met else "met, stretch met" if verdict.is_stretch_met else "met"
            limits = f"hard {target.hard / scale:.3g}, stretch {target.stretch / scale:.3g}"
            write(f"  {target.name}: {verdict.value / scale:.3f} ({limits}): {word}")

    def table(self, result: Result, chosen: tuple[str, ...]) -> None:
        """A line per contestant that has any of these metrics."""
        write(f"  {'':<34}{''.join(f'{metrics.shown(metric).title:>24}' for metric in chosen)}")
        for name in result.figures:
            cells = [self.cell(result.series(name, metric), metric) for metric in chosen]
            if any(cells):
                write(f"  {name:<34}{''.join(f'{cell:>24}' for cell in cells)}".rstrip())

    def cell(self, series: list[float], metric: str) -> str:
        """Median (least-most)."""
        text = metrics.shown(metric).text
        if len(series) < 2:
            return "".join(map(text, series))
        return f"{text(statistics.median(series))} ({text(min(series))}-{text(max(series))})"

    def summary(self, met: int, missed: int, is_smoke: bool) -> None:
        """The closing line."""
        write(f"\n{'smoke: outputs equal, no targets checked' if is_smoke else f'{met} targets met, {missed} missed'}")


class JsonLines:
    """One object per figure and per target; the last is the summary."""

    def result(self, result: Result) -> None:
        """One case."""
        for name in result.figures:
            line: dict[str, object] = {"type": "measurement", "case": result.case.name, "contestant": name}
            line["rounds"] = len(result.figures[name])
            for metric in result.case.metrics:
                stem, unit = metrics.split(metric)
                series = result.series(name, metric)
                if not series:
                    continue
                line |= {metric: statistics.median(series), f"{stem}_least_{unit}": min(series), f"{stem}_most_{unit}": max(series)}
            write(json.dumps(line))
        for verdict in result.verdicts:
            target = verdict.target
            line = {"type": "target", "case": result.case.name, "name": target.name, "metric": target.metric}
            line |= {"value": verdict.value, "hard": target.hard, "stretch": target.stretch}
            write(json.dumps(line | {"is_met": verdict.is_met, "is_stretch_met": verdict.is_stretch_met}))

    def summary(self, met: int, missed: int, is_smoke: bool) -> None:
        """The closing object."""
        result = "smoke" if is_smoke else "missed" if missed else "met"
        write(json.dumps({"type": "summary", "result": result, "met": met, "missed": missed}))


def write(line: str) -> None:
    """Shown at once: a run takes minutes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
