"""How soon a red signal stops the work: two sessions wait for a lock, and no batch may begin once that was seen.

The database is looked at once a second. So that the answer is the longest and not the mean, the sessions begin to wait
right after a look, which leaves a sample with its time.
"""

import json
import os
import subprocess
import threading
import time

import items
from cluster import Cluster, Session, wait_until
from contest import Failed, Run, Stage

DATABASE = "red_signal"
LOCK = "select pg_advisory_lock(1)"
# `lock_waiters` is red from this on.
WAITERS = 2
LOOKS_EVERY_S = 1.0
# After a look: what it needs to be over.
MARGIN_S = 0.1
# Long enough to see batches that should not be.
WATCHED_S = 2.5
LATEST = """
select extract(epoch from max(pg_xact_commit_timestamp(batch)))
from (select distinct xmin::text::xid as batch from items where total is not null) as batches"""
IS_RECORDED = "select to_regclass('backfill.sample') is not null"
IS_WORKING = "select exists (select from backfill.sample) and exists (select from backfill.chunk where seq > 1)"
SINCE_LOOK = "select extract(epoch from clock_timestamp() - min(at)) from backfill.sample"
WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


class RedSignal(Stage):
    """Watches from the side, and pauses the job at the end so that the run is over."""

    def __init__(self, cluster: Cluster, pause: list[str], environment: dict[str, str]) -> None:
        self.cluster = cluster
        self.pause = pause
        self.environment = environment
        self.watcher: threading.Thread | None = None
        self.failure: Exception | None = None
        self.red_at = 0.0

    def set(self) -> None:
        """A fresh copy."""
        self.cluster.copy(items.TEMPLATE, DATABASE)
        self.failure = None
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self) -> None:
        """Beside the run."""
        sessions = [self.cluster.session(DATABASE) for _ in range(WAITERS + 2)]
        try:
            self.disturb(*sessions)
        except (Failed, OSError) as failure:
            self.failure = failure
        finally:
            for session in sessions:
                session.close()
            subprocess.run(self.pause, env=os.environ | self.environment, stdout=subprocess.DEVNULL, check=False)

    def disturb(self, onlooker: Session, holder: Session, *waiters: Session) -> None:
        """Turns a signal red and keeps it."""
        wait_until(lambda: onlooker.ask(IS_RECORDED) == ["t"], "the job is recorded")
        wait_until(lambda: onlooker.ask(IS_WORKING) == ["t"], "the first look and the first batches")
        passed_s = float(onlooker.ask(SINCE_LOOK)[0])
        holder.ask(LOCK)
        time.sleep(LOOKS_EVERY_S + MARGIN_S - passed_s % LOOKS_EVERY_S)
        for waiter in waiters:
            waiter.send(LOCK)
        wait_until(lambda: int(onlooker.ask(WAITING)[0]) >= WAITERS, "sessions wait for a lock")
        self.red_at = time.time()
        time.sleep(WATCHED_S)

    def read(self, run: Run) -> None:
        """From red to the commit of the last batch, less the batch itself, which may have begun just before."""
        self.watcher.join()
        if self.failure:
            raise self.failure
        summary = json.loads(run.answer.splitlines()[-1])
        batch_ms = summary["worked_s"] / summary["batches"] * 1000
        stopped_at = float(self.cluster.sql(DATABASE, LATEST)[0])
        run.figures |= {"batch_ms": batch_ms, "stopped_after_ms": (stopped_at - self.red_at) * 1000 - batch_ms}
