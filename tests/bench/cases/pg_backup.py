"""pg-backup against pg_dump, the shell pipe, sha256sum, pg_restore, zstd and pgBackRest; its memory, and its requests."""

from pathlib import Path

import erp
from cluster import Cluster
from contest import Case, Contestant, Place, Target
from dumping import Dumpers
from erp import Size
from metric import CPU, RSS, WALL
from shelf import Bucket, Folder

MEBIBYTE = 1 << 20
OURS = "pg-backup"
ALSO_BUILT = ["testbed"]
# Each run takes seconds, and begins with the same files.
MOST_ROUNDS = 3


def cases(place: Place) -> list[Case]:
    """Every case, on one server and one bucket."""
    bench = Bench(place)
    return [create(bench)]


class Bench:
    """The tool, a server with the database, and a bucket."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.binary = place.binaries / OURS
        self.work = place.work / "pg-backup"
        self.work.mkdir(exist_ok=True)
        self.size = Size(1, 500) if place.is_smoke else Size(20, 400_000)
        # What is compared is programs, not the disk.
        self.cluster = Cluster(place.binaries / "testbed", place.work, is_durable=False)
        place.at_end.callback(self.cluster.close)
        self.bucket = Bucket(place.binaries / "testbed", self.work / "s3")
        place.at_end.callback(self.bucket.close)
        self.dumpers = Dumpers(self.binary, self.cluster, self.work)
        self.is_filled = False

    def fill(self) -> None:
        """Makes the database for the first case that wants it."""
        if not self.is_filled:
            erp.make(self.cluster, self.size)
            self.is_filled = True


def create(bench: Bench) -> Case:
    """A dump from the server to where it is kept."""
    dumpers = bench.dumpers
    ours = dumpers.ours(f"{OURS} create, S3", erp.DATABASE, bench.bucket)
    folder = dumpers.ours(f"{OURS} create, folder", erp.DATABASE, Folder(bench.work / "folder"))
    pg_dump = dumpers.pg_dump(erp.DATABASE)
    pipe, quick_pipe = (dumpers.pipe(program, erp.DATABASE) for program in ("sha256sum", "openssl sha256"))
    targets = [
        Target(CPU, ours.name, [pipe.name], 1.15, 1.0),
        # Its hash costs a quarter of the other's.
        Target(CPU, ours.name, [quick_pipe.name], 1.25, 1.15),
        Target(CPU, ours.name, [pg_dump.name], 0.75, 0.65),
        Target(WALL, ours.name, [pg_dump.name], 0.6, 0.5),
        Target("stored_bytes", ours.name, [pg_dump.name], 0.9, 0.83),
        Target(RSS, ours.name, [], 96 * MEBIBYTE, 64 * MEBIBYTE),
    ]
    contestants = [ours, folder, pg_dump, pipe, quick_pipe]
    metrics = (CPU, WALL, RSS, "stored_bytes", "dump_bytes")
    return Case(f"create, {bench.size.title}", bench.fill, contestants, targets, metrics, MOST_ROUNDS, is_check_timed=True)
