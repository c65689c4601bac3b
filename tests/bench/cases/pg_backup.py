"""pg-backup against pg_dump, the shell pipe, sha256sum, pg_restore, zstd and pgBackRest; its memory, and its requests."""

import os
import subprocess

import catalogue
import erp
import growth
import physical
import reading
import restoring
import segments
from cluster import Cluster
from contest import Case, Failed, Place, Target
from counting_proxy import CountingProxy
from dumping import Dumpers
from erp import Size
from metric import CPU, RSS, WALL
from shelf import Bucket, Folder, Shelf

MEBIBYTE = 1 << 20
OURS = "pg-backup"
ALSO_BUILT = ["testbed"]
# Each run takes seconds, and begins with the same files.
MOST_ROUNDS = 3


def cases(place: Place) -> list[Case]:
    """Every case, on one server and one bucket."""
    bench = Bench(place)
    return [create(bench), memory(bench), checksum(bench), restore(bench), archive(bench), many(bench), base(bench)]


class Bench:
    """The tool, a server with the database, and a bucket."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.binary = place.binaries / OURS
        self.work = place.work / "pg-backup"
        self.work.mkdir(exist_ok=True)
        self.bulk_rows = 1000 if place.is_smoke else 500_000
        self.backups = 20 if place.is_smoke else 10_000
        self.size = Size(1, 500) if place.is_smoke else Size(20, 400_000)
        # What is compared is programs, not the disk.
        self.cluster = Cluster(place.binaries / "testbed", place.work, is_durable=False)
        place.at_end.callback(self.cluster.close)
        segments.keep(self.cluster)
        self.bucket = Bucket(place.binaries / "testbed", self.work / "s3")
        place.at_end.callback(self.bucket.close)
        self.folder = Folder(self.work / "folder")
        self.dumpers = Dumpers(self.binary, self.cluster, self.work)
        self.is_filled = False

    def run(self, *arguments: str, shelf: Shelf, database: str) -> None:
        """A command of the tool that prepares something."""
        where = {"DATABASE_URL": self.cluster.url(database), "PG_BACKUP_PG_BIN": str(self.cluster.programs)}
        command = [str(self.binary), *arguments]
        done = subprocess.run(command, env=os.environ | shelf.environment | where, capture_output=True, check=False, text=True)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}: exit {done.returncode}: {done.stderr}")

    def fill(self) -> None:
        """Makes the database for the first case that wants it."""
        if not self.is_filled:
            erp.make(self.cluster, self.size)
            self.is_filled = True


def create(bench: Bench) -> Case:
    """A dump from the server to where it is kept."""
    dumpers = bench.dumpers
    ours = dumpers.ours(f"{OURS} create, S3", erp.DATABASE, bench.bucket)
    folder = dumpers.ours(f"{OURS} create, folder", erp.DATABASE, bench.folder)
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


def memory(bench: Bench) -> Case:
    """Four times the data must not take more of it. What pg_dump holds is less, and the larger of both counts."""
    proxy = CountingProxy(bench.bucket.url)
    ours = bench.dumpers.stalled("once", growth.ONCE, bench.bucket, proxy)
    more = bench.dumpers.stalled("four times", growth.FOUR_TIMES, bench.bucket, proxy)
    for contestant in (ours, more):
        # One database is not the other, and neither has a peer.
        contestant.normalize = None
    targets = [
        Target(RSS, more.name, [ours.name], 1.1, 1.03),
        Target(RSS, more.name, [], 96 * MEBIBYTE, 64 * MEBIBYTE),
    ]
    title = f"memory of create, {bench.bulk_rows * growth.ROW_BYTES / 1e9:.3g} GB and four times as much"
    metrics = (CPU, WALL, RSS, "stored_bytes", "dump_bytes")

    def prepare() -> None:
        growth.make_once(bench.cluster, bench.bulk_rows)
        growth.make_four_times(bench.cluster)

    finish = lambda: growth.drop(bench.cluster, growth.FOUR_TIMES)  # noqa: E731
    return Case(title, prepare, [ours, more], targets, metrics, 1, is_check_timed=True, finish=finish)


def checksum(bench: Bench) -> Case:
    """Every stored byte read again. Of a bucket on loopback the server takes longer to give it than anybody to read it."""
    folder = bench.folder

    def prepare() -> None:
        growth.make_once(bench.cluster, bench.bulk_rows)
        for shelf in (bench.bucket, folder):
            shelf.empty()
            bench.run("create", shelf=shelf, database=growth.ONCE)
        growth.drop(bench.cluster, growth.ONCE)

    far = reading.verify(f"{OURS} verify, S3", bench.binary, bench.bucket)
    ours = reading.verify(f"{OURS} verify, folder", bench.binary, folder)
    # Dumps of one table differ in nothing but their times; the answers of a shelf are its own.
    far.normalize = None
    peer, quick_peer = (reading.sums(program, folder) for program in ("sha256sum", "openssl sha256 -r"))
    targets = [
        # Four fifths of its speed.
        Target(WALL, ours.name, [peer.name], 1 / 0.8, 0.8),
        Target(CPU, ours.name, [peer.name], 1 / 0.8, 0.8),
        Target(CPU, far.name, [peer.name], 1 / 0.8, 1.0),
        Target(RSS, far.name, [], 96 * MEBIBYTE, 64 * MEBIBYTE),
        Target(RSS, ours.name, [], 96 * MEBIBYTE, 64 * MEBIBYTE),
    ]
    title = f"verify --level checksum, {bench.bulk_rows * growth.ROW_BYTES / 1e9:.3g} GB dumped"
    return Case(title, prepare, [ours, far, peer, quick_peer], targets)


def restore(bench: Bench) -> Case:
    """Back into an empty database; the answer is what is in the tables."""
    restorers = restoring.Restorers(bench.dumpers)
    files, spool = bench.bucket.beside("directory"), f"--spool={bench.work}"

    def prepare() -> None:
        bench.fill()
        bench.bucket.empty()
        bench.run("create", shelf=bench.bucket, database=erp.DATABASE)
        bench.run("create", "--layout=directory", "-j2", spool, shelf=files, database=erp.DATABASE)
        for dump in (restorers.pipe, restorers.pg_dump):
            subprocess.run(dump.command, stdout=subprocess.DEVNULL, check=True)

    ours = restorers.ours(f"{OURS} restore", bench.bucket)
    directory = restorers.ours(f"{OURS} restore -j2, directory", files, "-j2", spool)
    parallel = restorers.ours(f"{OURS} restore -j2, archive", bench.bucket, "-j2", spool)
    peer, parallel_peer, unpacking = restorers.zstd(), restorers.parallel(2), restorers.unpacking(2)
    targets = [
        Target(WALL, ours.name, [peer.name], 1.1, 1.0),
        Target(WALL, directory.name, [parallel_peer.name], 1.15, 1.0),
        # An archive that was streamed tells no job where its tables begin, so each job looks for them.
        Target(WALL, parallel.name, [unpacking.name], 1.15, 1.0),
        Target(RSS, ours.name, [], 96 * MEBIBYTE, 64 * MEBIBYTE),
    ]
    contestants = [ours, peer, directory, parallel_peer, parallel, unpacking]
    finish = lambda: restoring.drop(bench.cluster)  # noqa: E731
    return Case(f"restore, {bench.size.title}", prepare, contestants, targets, (WALL, CPU, RSS), MOST_ROUNDS, True, finish)


def archive(bench: Bench) -> Case:
    """What archive_command does all day."""
    folder, count = bench.work / "segments", 1 if bench.place.is_smoke else 10

    def prepare() -> None:
        bench.fill()
        segments.take(bench.cluster, folder, count)

    ours = segments.push(f"{OURS} wal-push, S3", bench.binary, bench.bucket, folder, count)
    peer = segments.zstd(folder, count)
    targets = [Target(CPU, ours.name, [peer.name], 2.0, 1.5), Target(WALL, ours.name, [peer.name], 2.0, 1.5)]
    metrics = (CPU, WALL, RSS, "per_segment_ms")
    return Case(f"archive {count} segments of WAL", prepare, [ours, peer], targets, metrics)


def many(bench: Bench) -> Case:
    """What is asked of a store with years of backups."""
    bucket, proxy = bench.bucket, CountingProxy(bench.bucket.url)

    def prepare() -> None:
        bucket.empty()
        bench.cluster.sql("postgres", "drop database if exists small", "create database small")
        bench.cluster.sql("small", "create table nothing (id int primary key)")
        bench.run("create", shelf=bucket, database="small")
        bench.run("verify", "--newest", "--level", "restore", shelf=bucket, database="small")
        catalogue.multiply(bucket, bench.backups)

    commands = {name: [str(bench.binary), *words, "--json"] for name, words in (("list", ["list"]), ("rpo", ["rpo", "--max", "1h"]))}
    near = [catalogue.near(name, command, bucket) for name, command in commands.items()]
    far = [catalogue.far(name, command, bucket, proxy) for name, command in commands.items()]
    # Two objects and one finding for each backup. What asks for a page more than is full, and for what the bucket is,
    # asks for a few more, however many backups there are.
    few, pages = 10, 3 * bench.backups / catalogue.PAGE_KEYS
    targets = [
        Target("list_requests", "list, S3", [], pages + few, pages + few / 2),
        Target("get_requests", "list, S3", [], 2 * bench.backups + few, 2 * bench.backups + few / 2),
        Target("list_requests", "rpo, S3", [], pages + few, pages + few / 2),
        Target("get_requests", "rpo, S3", [], few, few / 2),
    ]
    metrics = (CPU, WALL, RSS, "list_requests", "get_requests", "other_requests")
    return Case(f"a store of {bench.backups} backups", prepare, [*near, *far], targets, metrics, MOST_ROUNDS)


def base(bench: Bench) -> Case:
    """The whole cluster as files."""
    ours = physical.base(f"{OURS} base, S3", bench.binary, bench.cluster, bench.bucket)
    peer = physical.pgbackrest("pgbackrest", bench.cluster, bench.work / "pgbackrest")
    # Small files go together into larger ones, without which it waits for the disk a thousand times.
    bundling = physical.pgbackrest("pgbackrest --repo-bundle", bench.cluster, bench.work / "bundles", "--repo1-bundle")
    targets = [
        Target(CPU, ours.name, [peer.name], 1.0, 0.8),
        # It opens the files; ours has them from a walsender by way of pg_basebackup, and a second hash.
        Target(CPU, ours.name, [bundling.name], 1.5, 1.0),
        Target(WALL, ours.name, [bundling.name], 1.0, 0.8),
    ]
    contestants = [ours, bundling] if bench.place.is_smoke else [ours, peer, bundling]
    metrics = (CPU, "with_backends_s", WALL, RSS, "stored_bytes", "cluster_bytes")
    return Case("a base backup of the cluster", bench.fill, contestants, targets, metrics, MOST_ROUNDS, is_check_timed=True)
