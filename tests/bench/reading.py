"""Every stored byte of a backup read again: by verify, and by checksum programs straight from the disk."""

import json
from pathlib import Path
from shlex import quote

from contest import Contestant, Failed
from shelf import Shelf, manifests, objects


def verify(name: str, binary: Path, shelf: Shelf) -> Contestant:
    """The tool. It tells that all checksums are as recorded, so the recorded ones are its answer."""

    def recorded(answer: bytes) -> list[str]:
        if json.loads(answer.splitlines()[-1])["result"] != "good":
            raise Failed(f"verify: {answer.decode()}")
        (manifest,) = manifests(shelf)
        return sorted(stored["sha256"] for stored in json.loads(manifest.read_bytes())["objects"])

    command = [str(binary), "verify", "--newest", "--level", "checksum", "--json"]
    return Contestant(name, command, Path("/"), recorded, environment=shelf.environment)


def sums(program: str, shelf: Shelf) -> Contestant:
    """A checksum program on the same files."""

    def printed(answer: bytes) -> list[str]:
        found = sorted(line.split()[0] for line in answer.decode().splitlines())
        if len(found) != len(objects(shelf)):
            raise Failed(f"{program}: {len(found)} lines")
        return found

    line = f"find {quote(str(shelf.files))} -path '*/backups/*' -name '*.zst' -print0 | xargs -0 {program}"
    return Contestant(program, ["sh", "-c", line], Path("/"), printed)
