"""Runs a command once and takes its processor time, wall time and peak memory."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from contest import CPU, RSS, WALL, Contestant


class Failed(Exception):
    """A contestant did not do its work."""


@dataclass
class Run:
    """One run: its figures and its answer."""

    figures: dict[str, float]
    answer: bytes


def run(contestant: Contestant, scratch: Path) -> Run:
    """Runs it with stdout in a file, as in real use, and its children counted.

    Peak memory comes from GNU time: a child of this process would begin with this process's own peak, because Linux
    carries it over exec (getrusage(2)); a child of GNU time begins with next to nothing.
    """
    peak, stdout, stderr = scratch / "peak", scratch / "stdout", scratch / "stderr"
    command = ["/usr/bin/time", "--quiet", "--format=%M", f"--output={peak}", *contestant.command]
    with stdout.open("wb") as out, stderr.open("wb") as err:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=contestant.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        text = stderr.read_text("utf-8", "replace")[-2000:]
        raise Failed(f"{contestant.name}: exit {process.returncode}: {' '.join(contestant.command)}\n{text}")
    written = contestant.output or stdout
    answer = written.read_bytes()
    if contestant.output:
        # It lies in the input, where the next contestant would take it for a part of it.
        contestant.output.unlink()
    figures = {CPU: usage.ru_utime + usage.ru_stime, WALL: wall, RSS: int(peak.read_text()) * 1024}
    return Run(figures, answer)
