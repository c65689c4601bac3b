"""What the tests came to: counted, timed and shown at the end of a run."""

import sys
from dataclasses import dataclass, field


@dataclass
class Test:
    """One test that ended."""

    group: str
    name: str
    passed: bool
    seconds: float
    output: str = ""


@dataclass
class Outcome:
    """All tests and stages of a run."""

    tests: list[Test] = field(default_factory=list)
    stages: list[tuple[str, float]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def add(self, test: Test) -> None:
        """Counts a test; a failing one is shown at once."""
        self.tests.append(test)
        if not test.passed:
            say(f"\nFAILED {test.group}: {test.name}\n{test.output.rstrip()}\n")

    def failed(self) -> list[Test]:
        """The tests that failed."""
        return [test for test in self.tests if not test.passed]

    def show_group(self, group: str) -> None:
        """One line about a group of tests that has just run."""
        tests = [test for test in self.tests if test.group == group]
        failed = sum(not test.passed for test in tests)
        seconds = sum(test.seconds for test in tests)
        note = f", {failed} failed" if failed else ""
        say(f"  {group:<44} {len(tests) - failed:>4} passed{note}  {seconds:6.1f} s")

    def show(self) -> None:
        """The closing lines; the last one alone tells the result."""
        say("\nStages")
        for stage, seconds in self.stages:
            say(f"  {seconds:7.1f} s  {stage}")
        slowest = sorted(self.tests, key=lambda test: -test.seconds)[:10]
        if slowest:
            say("\nSlowest tests")
        for test in slowest:
            say(f"  {test.seconds:7.2f} s  {test.group}: {test.name}")
        for name in self.ignored:
            say(f"ignored: {name}")
        for test in self.failed():
            say(f"FAILED {test.group}: {test.name}")
        failed = len(self.failed())
        say(f"\n{len(self.tests) - failed} passed, {failed} failed")


def say(text: str) -> None:
    """Prints at once, so that a log shows where a run stands."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
