"""Runs a program with a deadline, in a group of its own, so that a hung test cannot hang the run."""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Ended:
    """How a program ended."""

    code: int
    stdout: str
    stderr: str
    timed_out: bool


def run(command: list[str], folder: Path, environment: dict[str, str], seconds: float) -> Ended:
    """Runs it without standard input and captures what it prints."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    )
    timed_out = False
    try:
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
    except BaseException:
        # Ctrl-C reaches only this process: the group must not live on without it.
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return Ended(process.returncode, decode(stdout), decode(stderr), timed_out)


def decode(output: bytes) -> str:
    """Tests may print anything."""
    return output.decode("utf-8", "replace")
