"""What the sessions of a client cost the server: processor time and WAL.

A postmaster waits for its children, so the kernel adds a session's time to its `cutime` and `cstime` (proc(5)) once the
session is over. Checkpointer and walwriter live on and are not in there: they serve everyone.
"""

import os
from pathlib import Path

from cluster import Cluster, wait_until

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Meter:
    """Read before and after a client."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.others: set[int] = set()
        self.cpu_s = 0.0
        self.wal_bytes = 0

    def begin(self) -> None:
        """Before the client connects."""
        self.others = children(self.cluster.postmaster)
        self.cpu_s, self.wal_bytes = self.look()

    def end(self) -> tuple[float, int]:
        """Seconds and bytes since, once every session of the client is over."""
        is_quiet = lambda: children(self.cluster.postmaster) <= self.others  # noqa: E731
        wait_until(is_quiet, "the sessions of the client end")
        cpu_s, wal_bytes = self.look()
        return cpu_s - self.cpu_s, wal_bytes - self.wal_bytes

    def look(self) -> tuple[float, int]:
        """The counters."""
        (wal_bytes,) = self.cluster.administrator.ask("select pg_current_wal_insert_lsn() - '0/0'")
        return seconds_of_ended_children(self.cluster.postmaster), int(wal_bytes)


def children(process: int) -> set[int]:
    """Its living children."""
    return set(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))


def seconds_of_ended_children(process: int) -> float:
    """Processor time of the children that it has waited for, in user and system mode."""
    # The name, in brackets, may hold blanks.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICKS_PER_S
