"""Builds the workspace, runs every test, and says how long each stage took. Called by scripts/test.

With words, only tests whose program or name holds one of them run: scripts/test precache
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cargo_tests
import node_tests
from outcome import Outcome, Test, say

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """0 when all passed, else 1."""
    words = sys.argv[1:]
    outcome = Outcome()
    with stage(outcome, "setup"):
        setup = subprocess.run(["scripts/setup", "build", "demo", "test"], cwd=ROOT, check=False)
    if setup.returncode != 0:
        return setup.returncode
    with stage(outcome, "build"):
        programs = cargo_tests.build(ROOT, outcome)
    with stage(outcome, "tests"):
        for program in programs:
            cargo_tests.run(program, words, outcome)
    if programs:
        with stage(outcome, "browser"):
            node_tests.run(ROOT, words, outcome)
    if programs and not words:
        if cargo_tests.has_examples(ROOT):
            with stage(outcome, "examples in the code"):
                script(outcome, ["cargo", "test", "--workspace", "--doc", "--quiet"])
        with stage(outcome, "harness"):
            for folder in ("tests/runner", "tests/bench"):
                script(outcome, ["python3", "-B", "-m", "unittest", "discover", "--start-directory", folder])
        with stage(outcome, "bench --smoke"):
            script(outcome, ["scripts/bench", "--smoke"])
    outcome.show()
    if not outcome.tests:
        say(f"error: no test matches {' '.join(words)}")
    return 1 if outcome.failed() or not outcome.tests else 0


@contextmanager
def stage(outcome: Outcome, name: str) -> Iterator[None]:
    """Names a stage and takes its time."""
    say(f"== {name}")
    started = time.monotonic()
    yield
    outcome.stages.append((name, time.monotonic() - started))


def script(outcome: Outcome, command: list[str]) -> None:
    """A whole command as one test; its output is shown when it fails."""
    started = time.monotonic()
    ended = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    output = ended.stdout.decode("utf-8", "replace")
    name = " ".join(command)
    outcome.add(Test("scripts", name, ended.returncode == 0, time.monotonic() - started, output))


if __name__ == "__main__":
    sys.exit(main())
