"""The results as a table for people or as JSON Lines; both close with the count of targets met and missed."""

import json
import sys

from contest import RSS
from race import METRICS, Result

MEGABYTE = 1_000_000


class Human:
    """Medians with their spread, ratios beside their limits."""

    def result(self, result: Result) -> None:
        """One case."""
        rounds = max(len(runs) for runs in result.figures.values())
        write(f"\n{result.case.name} (median of {rounds} rounds, least to most)")
        write(f"  {'':<34}{'cpu s':>24}{'wall s':>24}{'peak MB':>24}")
        for name in result.figures:
            cells = [self.cell(result.series(name, metric), metric) for metric in METRICS]
            write(f"  {name:<34}{cells[0]:>24}{cells[1]:>24}{cells[2]:>24}")
        for verdict in result.verdicts:
            target = verdict.target
            scale = MEGABYTE if target.metric == RSS and not target.against else 1
            word = "MISSED" if not verdict.is_met else "met, stretch met" if verdict.is_stretch_met else "met"
            limits = f"hard {target.hard / scale:.3g}, stretch {target.stretch / scale:.3g}"
            write(f"  {target.name}: {verdict.value / scale:.3f} ({limits}): {word}")

    def cell(self, series: list[float], metric: str) -> str:
        """Median (least-most)."""
        scale, digits = (MEGABYTE, 1) if metric == RSS else (1, 3)
        values = sorted(value / scale for value in series)
        middle = values[len(values) // 2] if len(values) % 2 else (values[len(values) // 2 - 1] + values[len(values) // 2]) / 2
        if len(values) == 1:
            return f"{middle:.{digits}f}"
        return f"{middle:.{digits}f} ({values[0]:.{digits}f}-{values[-1]:.{digits}f})"

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
            for metric in METRICS:
                stem, _, unit = metric.partition("_")
                series = result.series(name, metric)
                line |= {metric: result.median(name, metric), f"{stem}_least_{unit}": min(series), f"{stem}_most_{unit}": max(series)}
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
