"""A bucket with ten thousand backups, all made from one: with the times of its own, each an hour before the next."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contest import Contestant, Run, Stage
from counting_proxy import CountingProxy
from shelf import Bucket, manifests

# Keys that a listing brings at most (ListObjectsV2).
PAGE_KEYS = 1000


def multiply(bucket: Bucket, count: int) -> int:
    """Puts copies of the only backup and of what was found about it beside them; how many keys there are then."""
    (manifest,) = manifests(bucket)
    series, own = manifest.parents[2], manifest.parent.name
    evidence = sorted((series / "verify" / own).glob("*.json"))
    newest = datetime.strptime(own[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    for number in range(1, count):
        then = newest - timedelta(hours=number)
        id_ = f"{then:%Y%m%dT%H%M%SZ}-{number:016x}"
        times = {name: f"{then:%Y-%m-%dT%H:%M:%SZ}" for name in ("snapshot_at", "started_at", "finished_at")}
        sha256 = write(manifest, series / "backups" / id_, {"id": id_} | times)
        (series / "backups" / id_ / "dump.pgc.zst").write_bytes(b"nobody reads it")
        for document in evidence:
            write(document, series / "verify" / id_, {"id": id_, "manifest_sha256": sha256, "started_at": times["started_at"]})
    return sum(1 for path in series.rglob("*") if path.is_file())


def write(pattern: Path, folder: Path, changes: dict[str, str]) -> str:
    """A document like another, with a checksum that is right; its own SHA-256."""
    document = json.loads(pattern.read_bytes())
    del document["sha256"]
    document |= {name: value for name, value in changes.items() if name in document}
    document["sha256"] = hashlib.sha256(encoded(document)).hexdigest()
    line = encoded(document) + b"\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / pattern.name).write_bytes(line)
    return hashlib.sha256(line).hexdigest()


def encoded(document: dict) -> bytes:
    """Compact, in the order of the fields."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


class Counted(Stage):
    """What a run asks the server for."""

    def __init__(self, proxy: CountingProxy) -> None:
        self.proxy = proxy

    def set(self) -> None:
        """From nothing."""
        self.proxy.requests.clear()

    def read(self, run: Run) -> None:
        """By kind; what is neither is a look at the size of an object or a write."""
        requests = self.proxy.requests
        run.figures |= {"list_requests": requests["LIST"], "get_requests": requests["GET"]}
        run.figures["other_requests"] = requests.total() - requests["LIST"] - requests["GET"]


def far(name: str, command: list[str], bucket: Bucket, proxy: CountingProxy) -> Contestant:
    """A command on the bucket. The server takes a second for each page that it lists, whoever asks."""
    environment = bucket.environment | {"AWS_ENDPOINT": proxy.url}
    return Contestant(f"{name}, S3", command, Path("/"), stage=Counted(proxy), environment=environment, is_slow=True)


def near(name: str, command: list[str], bucket: Bucket) -> Contestant:
    """The same, with the bucket's files as a local folder: what the tool itself takes."""
    return Contestant(f"{name}, folder", command, Path("/"), environment={"PG_BACKUP_STORE": str(bucket.files)})
