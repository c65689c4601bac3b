"""Builds the workspace once and runs its test programs, timing each test.

`cargo test` would do, but tells no times on stable. So the programs are built by cargo and run here, as cargo runs them
(in the folder of their package), with libtest's JSON events. RUSTC_BOOTSTRAP allows those; set for the programs only,
it changes no build.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import process
from outcome import Outcome, Test

# A test program that is not done by then hangs; the slowest needs about a minute.
PROGRAM_SECONDS = 600
# Most tests wait for servers and children more than they compute.
THREADS_PER_CORE = 2


@dataclass
class Program:
    """One test program that cargo has built."""

    package: str
    target: str
    executable: str
    folder: Path

    @property
    def group(self) -> str:
        """Package and target; the unit tests of a library are known by their package."""
        return self.package if self.target == self.package.replace("-", "_") else f"{self.package} {self.target}"


def build(root: Path, outcome: Outcome) -> list[Program]:
    """Builds everything once, dev profile; the test programs, or none and a failure."""
    command = ["cargo", "build", "--workspace", "--all-targets", "--message-format=json-render-diagnostics"]
    if os.environ.get("CI"):
        command.append("--locked")
    built = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        outcome.add(Test("build", "the workspace builds", False, 0, "see the compiler's messages above"))
        return []
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    programs = [
        Program(
            package=package_of(message),
            target=message["target"]["name"],
            executable=message["executable"],
            folder=Path(message["manifest_path"]).parent,
        )
        for message in messages
        if message["reason"] == "compiler-artifact" and message["profile"]["test"] and message["executable"]
    ]
    return sorted(programs, key=lambda program: (program.package, program.target))


def has_examples(root: Path) -> bool:
    """Whether any doc comment shows code; cargo takes half a minute to find out that none does."""
    command = ["git", "grep", "--quiet", "-E", r"^\s*//[/!] ```", "--", "tools/*.rs", "wasm/*.rs", "tests/*.rs"]
    return subprocess.run(command, cwd=root, check=False).returncode == 0


def package_of(message: dict) -> str:
    """`path+file:///x/tools/precache-hash#0.1.0` or `...#name@0.1.0`."""
    path, _, fragment = message["package_id"].partition("#")
    return fragment.partition("@")[0] if "@" in fragment else path.rpartition("/")[2]


def run(program: Program, words: list[str], outcome: Outcome) -> None:
    """Runs one program; with words, only the tests whose group or name holds one of them."""
    command = [program.executable, "-Zunstable-options", "--format=json", "--report-time"]
    if words and not any(word in program.group for word in words):
        command += words
    environment = {
        "RUSTC_BOOTSTRAP": "1",
        "RUST_TEST_THREADS": str(THREADS_PER_CORE * (os.cpu_count() or 1)),
        "CARGO": "cargo",
        "CARGO_MANIFEST_DIR": str(program.folder),
        "CARGO_PKG_NAME": program.package,
    }
    ended = process.run(command, program.folder, environment, PROGRAM_SECONDS)
    running = read_events(program, ended.stdout, outcome)
    if running or ended.code not in (0, 101):
        reason = "is not done in time" if ended.timed_out else f"ended with {ended.code}"
        names = ", ".join(sorted(running)) or "the test program"
        outcome.add(Test(program.group, names, False, 0, f"{program.executable} {reason}\n{ended.stdout[-4000:]}\n{ended.stderr}"))
    if any(test.group == program.group for test in outcome.tests):
        outcome.show_group(program.group)


def read_events(program: Program, output: str, outcome: Outcome) -> set[str]:
    """Counts what ended; returns what started and never did."""
    running: set[str] = set()
    for line in output.splitlines():
        event = event_of(line)
        if event.get("type") != "test":
            continue
        if event["event"] == "started":
            running.add(event["name"])
        elif event["event"] in ("ok", "failed", "ignored"):
            running.discard(event["name"])
            if event["event"] == "ignored":
                outcome.ignored.append(f"{program.group}: {event['name']}")
                continue
            passed = event["event"] == "ok"
            outcome.add(Test(program.group, event["name"], passed, event.get("exec_time", 0), event.get("stdout", "")))
    return running


def event_of(line: str) -> dict:
    """A line of libtest; what a test printed past its capture is no event."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
