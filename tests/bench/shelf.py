"""Where backups go in a race: a bucket of an S3 server on loopback, whose work is nobody's, or a folder."""

import json
import shutil
import subprocess
from copy import copy
from pathlib import Path

from contest import Failed

PREFIX = "pg-backup"


class Bucket:
    """A bucket, for as long as this process lives. Each object is a file in its folder."""

    def __init__(self, testbed: Path, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.testbed = subprocess.Popen([str(testbed), "s3", str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.testbed.stdout.readline()
        if not line:
            raise Failed("testbed s3 does not start")
        ready = json.loads(line)
        self.url: str = ready["url"]
        self.bucket = folder / ready["bucket"]
        self.files = self.bucket / PREFIX
        self.environment = ready["environment"] | {"PG_BACKUP_STORE": f"s3://{ready['bucket']}/{PREFIX}"}

    def beside(self, prefix: str) -> "Bucket":
        """The same bucket under another prefix, where nothing of this one is seen."""
        other = copy(self)
        other.files = self.bucket / prefix
        other.environment = self.environment | {"PG_BACKUP_STORE": f"s3://{self.bucket.name}/{prefix}"}
        return other

    def empty(self) -> None:
        """As it was in the beginning, whatever the prefix."""
        # The server keeps notes beside the objects, under names with a dot.
        for path in self.bucket.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def close(self) -> None:
        """Stops the server and removes its files."""
        self.testbed.stdin.close()
        self.testbed.wait()
        shutil.rmtree(self.bucket.parent)


class Folder:
    """A local folder."""

    def __init__(self, folder: Path) -> None:
        self.files = folder
        self.environment = {"PG_BACKUP_STORE": str(folder)}
        self.empty()

    def empty(self) -> None:
        """As it was in the beginning."""
        shutil.rmtree(self.files, ignore_errors=True)
        self.files.mkdir(parents=True)


Shelf = Bucket | Folder


def manifests(shelf: Shelf) -> list[Path]:
    """The documents that make backups exist."""
    return sorted(shelf.files.glob("v1/**/backups/*/manifest.json"))


def objects(shelf: Shelf) -> list[Path]:
    """What the only backup consists of."""
    (manifest,) = manifests(shelf)
    return sorted(path for path in manifest.parent.rglob("*") if path.is_file() and path != manifest)
