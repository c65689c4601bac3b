"""Times a tool against its peers on the same input in the same minutes. Called by scripts/bench.

Each file in cases/ belongs to one tool and says who runs on what, and which ratios must hold (contest.py).
"""

import argparse
import fcntl
import importlib
import os
import subprocess
import sys
from pathlib import Path

import race
from contest import Failed, Place
from report import Human, JsonLines

ROOT = Path(__file__).resolve().parents[2]
# Odd, so that a median is a value that occurred; more rounds change the ratios by less than two percent.
ROUNDS = 5


def main() -> int:
    """0 when every hard target is met, 1 when one is missed, 3 when a contestant fails or answers differ."""
    arguments = parse()
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
    work = target / "bench"
    work.mkdir(parents=True, exist_ok=True)
    alone = (work / "lock").open("w")
    try:
        # Two that measure at one time measure each other, and share this folder.
        fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"error: {work}: another benchmark is under way", file=sys.stderr)
        return 3
    place = Place(ROOT, target / ("debug" if arguments.smoke else "release"), work, arguments.smoke)
    report = JsonLines() if arguments.json else Human()
    verdicts = []
    try:
        with place.at_end:
            for tool in arguments.tools or known_tools():
                file = importlib.import_module(f"cases.{tool.replace('-', '_')}")
                build([tool, *getattr(file, "ALSO_BUILT", [])], arguments.smoke)
                for case in file.cases(place):
                    if arguments.case in case.name:
                        if arguments.smoke:
                            case.targets = []
                        result = race.run(case, 1 if arguments.smoke else arguments.rounds, work)
                        verdicts += result.verdicts
                        report.result(result)
    except Failed as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 3
    missed = sum(not verdict.is_met for verdict in verdicts)
    report.summary(len(verdicts) - missed, missed, arguments.smoke)
    return 1 if missed else 0


def build(packages: list[str], is_smoke: bool) -> None:
    """Optimized programs; for a smoke run what the tests have built, by the very command that built it."""
    optimized = ["--release", *(f"--package={package}" for package in packages), "--bins"]
    command = ["cargo", "build", "--quiet", *(["--workspace", "--all-targets"] if is_smoke else optimized)]
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        raise Failed(f"{' and '.join(packages)}: does not build")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Time a tool against its peers")
    parser.add_argument("tools", metavar="TOOL", nargs="*", help=f"one of {', '.join(known_tools())} (all if unsaid)")
    parser.add_argument("--json", action="store_true", help="print JSON Lines, the summary last")
    parser.add_argument("--smoke", action="store_true", help="one round on tiny input, no targets: does it still run")
    parser.add_argument("--rounds", metavar="N", type=int, default=ROUNDS, help=f"rounds per case (default {ROUNDS})")
    parser.add_argument("--case", metavar="TEXT", default="", help="only the cases whose name holds this")
    arguments = parser.parse_args()
    for tool in arguments.tools:
        if tool not in known_tools():
            parser.error(f"{tool}: no case file; there are {', '.join(known_tools())}")
    if arguments.rounds < 1:
        parser.error("--rounds: at least 1")
    return arguments


def known_tools() -> list[str]:
    """The case files."""
    return sorted(file.stem.replace("_", "-") for file in Path(__file__).with_name("cases").glob("*.py"))


if __name__ == "__main__":
    sys.exit(main())
