"""Runs the tests that drive a browser (tests/browser) with Node's own test runner."""

import json
from pathlib import Path

import process
from outcome import Outcome, Test

# A browser test waits for events with deadlines of its own; a whole file is done long before.
FILE_SECONDS = 600


def run(root: Path, words: list[str], outcome: Outcome) -> None:
    """Runs each file by itself; with words, only the files and tests that hold one of them."""
    reporter = Path(__file__).with_name("node_reporter.mjs")
    for file in sorted((root / "tests/browser").glob("*.test.mjs")):
        group = f"browser {file.name.removesuffix('.test.mjs')}"
        command = ["node", "--test", f"--test-reporter={reporter}", "--test-reporter-destination=stdout"]
        if words and not any(word in group for word in words):
            command += [f"--test-name-pattern={word}" for word in words]
        ended = process.run([*command, str(file)], root, {}, FILE_SECONDS)
        if read_events(group, ended.stdout, outcome) == 0 and not words or ended.timed_out:
            reason = "is not done in time" if ended.timed_out else f"ended with {ended.code} and ran no test"
            outcome.add(Test(group, file.name, False, 0, f"{file.name} {reason}\n{ended.stdout}{ended.stderr}"))
        if any(test.group == group for test in outcome.tests):
            outcome.show_group(group)
            if any(test.group == group and not test.passed for test in outcome.tests):
                print(ended.stderr)


def read_events(group: str, output: str, outcome: Outcome) -> int:
    """Counts the tests in the reporter's lines."""
    count = 0
    for line in output.splitlines():
        if not line.startswith('{"name"'):
            continue
        event = json.loads(line)
        if event["skipped"]:
            outcome.ignored.append(f"{group}: {event['name']}")
            continue
        count += 1
        outcome.add(Test(group, event["name"], event["passed"], event["seconds"], event["output"]))
    return count
