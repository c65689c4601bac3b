"""Runs a command once and takes its processor time, wall time and peak memory."""

import os
import subprocess
import time
from pathlib import Path

from contest import Contestant, Failed, Run
from metric import CPU, RSS, WALL


def run(contestant: Contestant, scratch: Path) -> Run:
    """Runs it on its stage."""
    contestant.stage.set()
    run = execute(contestant, scratch)
    contestant.stage.read(run)
    return run


def execute(contestant: Contestant, scratch: Path) -> Run:
    """Runs it with stdout in a file, as in real use, and its children counted.

    Peak memory comes from GNU time: a child of this process would begin with this process's own peak, because Linux
    carries it over exec (getrusage(2)); a child of GNU time begins with next to nothing.
    """
    peak, stdout, stderr = scratch / "peak", scratch / "stdout", scratch / "stderr"
    command = ["/usr/bin/time", "--quiet", "--format=%M", f"--output={peak}", *contestant.command]
    environment = os.environ | contestant.environment
    with stdout.open("wb") as out, stderr.open("wb") as err:
        started_at, started = time.time(), time.monotonic()
        process = subprocess.Popen(
            command, cwd=contestant.folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != contestant.exit_code:
        text = stderr.read_text("utf-8", "replace")[-2000:]
        raise Failed(f"{contestant.name}: exit {process.returncode}: {' '.join(contestant.command)}\n{text}")
    written = contestant.output or stdout
    answer = written.read_bytes()
    if contestant.output:
        # It lies in the input, where the next contestant would take it for a part of it.
        contestant.output.unlink()
    figures = {CPU: usage.ru_utime + usage.ru_stime, WALL: wall, RSS: int(peak.read_text()) * 1024}
    return Run(figures, answer, started_at)
