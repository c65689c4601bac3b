"""Folders as a web build leaves them, generated: the same name always gives the same bytes."""

import random
import shutil
from pathlib import Path

KIB = 1024
# How many of a hundred files, and their sizes: small chunks, larger chunks, media. The largest stays within the
# 2 MiB that Workbox lists by default.
SIZES = [(72, 1 * KIB, 64 * KIB), (24, 64 * KIB, 512 * KIB), (4, 512 * KIB, 2048 * KIB)]
EXTENSIONS = ["js", "js", "js", "css", "html", "json", "svg", "png", "woff2", "wasm"]
FILES_PER_FOLDER = 40


def make(tree: Path, files: int, total_bytes: int) -> None:
    """Makes the folder unless it is there, whole, from an earlier run."""
    stamp = tree.with_suffix(".stamp")
    wanted = f"{files} {total_bytes} {SIZES} {EXTENSIONS}"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)
    shutil.rmtree(tree, ignore_errors=True)
    source = random.Random(wanted)
    sizes = scaled([size(source) for _ in range(files)], total_bytes)
    for number, length in enumerate(sizes):
        path = tree / name(number, source)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.randbytes(length))
    stamp.write_text(wanted)


def size(source: random.Random) -> int:
    """One draw from SIZES."""
    draw = source.uniform(0, 100)
    for share, least, most in SIZES:
        draw -= share
        if draw <= 0:
            return source.randint(least, most)
    return SIZES[0][1]


def scaled(sizes: list[int], total_bytes: int) -> list[int]:
    """The same shape with the wanted sum, none above the largest."""
    factor = total_bytes / sum(sizes)
    return [min(int(size * factor), SIZES[-1][2]) for size in sizes]


def name(number: int, source: random.Random) -> str:
    """`assets/f012/chunk-0481-9f3c2b1a.js`; the first file is the page."""
    if number == 0:
        return "index.html"
    extension = source.choice(EXTENSIONS)
    return f"assets/f{number // FILES_PER_FOLDER:03}/chunk-{number:05}-{source.randbytes(4).hex()}.{extension}"
