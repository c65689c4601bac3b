"""precache-hash against workbox-build, @serwist/build, Angular's generators, coreutils and b3sum."""

import json
import re
from pathlib import Path

import trees
from contest import Case, Contestant, Place, Target
from metric import CPU, RSS, WALL

MEGABYTE = 1_000_000
OURS = "precache-hash"
# Everything is listed, so that all hash the same bytes.
EVERYTHING = ["--include", "**/*"]


def cases(place: Place) -> list[Case]:
    """Every case; in a smoke run on a tree of 24 files."""
    large = Tree(place, "large", 24 if place.is_smoke else 10_000, 1_000_000 if place.is_smoke else 1_147_000_000)
    usual = Tree(place, "usual", 24 if place.is_smoke else 300, 1_000_000 if place.is_smoke else 28_000_000)
    return [workbox(large), usual_app(usual), sha256(large), blake3(large), one_pass(large, "sha256"), one_pass(large, "sha384"), ngsw(large)]


class Tree:
    """An input folder and the contestants that read it."""

    def __init__(self, place: Place, name: str, files: int, total_bytes: int) -> None:
        self.place = place
        self.title = f"{files} files, {total_bytes / MEGABYTE:.0f} MB"
        self.path = place.work / "trees" / (f"{name}-smoke" if place.is_smoke else name)
        self.files = files
        self.total_bytes = total_bytes

    def prepare(self) -> None:
        """Generates it once."""
        trees.make(self.path, self.files, self.total_bytes)

    def ours(self, name: str, *flags: str, normalize=None) -> Contestant:
        """The tool, with these flags."""
        return Contestant(name, [str(self.place.binaries / OURS), *flags, *EVERYTHING, str(self.path)], self.path, normalize)

    def shell(self, name: str, program: str, normalize=None) -> Contestant:
        """A checksum program, as one feeds it in a shell."""
        return Contestant(name, ["sh", "-c", f"find . -type f -print0 | xargs -0 {program}"], self.path, normalize)

    def node(self, name: str, script: str, *arguments: str, normalize=None) -> Contestant:
        """A peer's library, called by a few lines; with Node 22, which Angular asks for."""
        node = self.place.node_modules / ".bin/node"
        return Contestant(name, [str(node), str(self.place.peers / script), str(self.path), *arguments], self.path, normalize)


def entries(answer: bytes) -> list[tuple[str, str]]:
    """URL and revision, sorted: the peers list in the order of their walk."""
    return sorted((entry["url"], entry["revision"]) for entry in json.loads(answer))


def checksums(answer: bytes) -> list[str]:
    """Checksum lines, sorted, with the path as from within the folder."""
    lines = answer.decode("utf-8").splitlines()
    return sorted(re.sub(r"^([0-9a-f]+)  (\./)?", r"\1  ", line) for line in lines)


def control(answer: bytes) -> str:
    """The whole ngsw.json but for the time it was made."""
    return re.sub(r'"timestamp": \d+', '"timestamp": 0', answer.decode("utf-8"))


def workbox(tree: Tree) -> Case:
    """The array that Workbox injects."""
    ours = tree.ours(OURS, "--format", "workbox", normalize=entries)
    peers = [
        tree.node("workbox-build", "workbox.mjs", normalize=entries),
        tree.node("@serwist/build", "serwist.mjs", normalize=entries),
        tree.shell("xargs md5sum", "md5sum"),
    ]
    targets = [
        Target(CPU, OURS, ["workbox-build"], 0.70, 0.65),
        Target(WALL, OURS, ["workbox-build"], 0.42, 0.38),
        Target(RSS, OURS, [], 20 * MEGABYTE, 10 * MEGABYTE),
        Target(RSS, OURS, ["workbox-build"], 1 / 9, 1 / 17),
    ]
    return Case(f"workbox array, {tree.title}", tree.prepare, [ours, *peers], targets)


def usual_app(tree: Tree) -> Case:
    """The same for an application of the usual size: the time to start counts."""
    ours = tree.ours(OURS, "--format", "workbox", normalize=entries)
    peers = [
        tree.node("workbox-build", "workbox.mjs", normalize=entries),
        tree.node("@serwist/build", "serwist.mjs", normalize=entries),
    ]
    targets = [Target(WALL, OURS, ["workbox-build"], 1 / 15, 1 / 25)]
    return Case(f"workbox array, {tree.title}", tree.prepare, [ours, *peers], targets)


def sha256(tree: Tree) -> Case:
    """Checksum lines as `sha256sum` prints them. The limit counts on a processor with SHA extensions."""
    ours = tree.ours(OURS, "--format", "sums", "--hash", "sha256", normalize=checksums)
    peer = tree.shell("xargs sha256sum", "sha256sum", normalize=checksums)
    has_extensions = "sha_ni" in Path("/proc/cpuinfo").read_text() or "sha2" in Path("/proc/cpuinfo").read_text()
    targets = [Target(CPU, OURS, ["xargs sha256sum"], 0.55, 0.45)] if has_extensions else []
    return Case(f"sha256 sums, {tree.title}", tree.prepare, [ours, peer], targets)


def blake3(tree: Tree) -> Case:
    """Checksum lines as `b3sum` prints them."""
    ours = tree.ours(OURS, "--format", "sums", "--hash", "blake3", normalize=checksums)
    peer = tree.shell("xargs b3sum", "b3sum", normalize=checksums)
    return Case(f"blake3 sums, {tree.title}", tree.prepare, [ours, peer], [Target(WALL, OURS, ["xargs b3sum"], 1.25, 1.05)])


def one_pass(tree: Tree, integrity: str) -> Case:
    """Revision and integrity together, against the two passes that give them singly: what is saved is one reading.

    A reading costs about a quarter of a second of CPU here, so the limit can only be kept while both digests together
    cost less than eight readings. SHA-384, for which x86 has no instruction, is at that edge.
    """
    both = tree.ours(f"md5 + {integrity}", "--format", "workbox", "--integrity", integrity)
    md5 = tree.ours("md5", "--format", "workbox")
    single = tree.ours(integrity, "--format", "sums", "--hash", integrity)
    targets = [Target(CPU, both.name, [md5.name, single.name], 0.90, 0.80)]
    return Case(f"{integrity} integrity in one pass, {tree.title}", tree.prepare, [both, md5, single], targets)


def ngsw(tree: Tree) -> Case:
    """Angular's whole ngsw.json, by its slow command line and by its generator as `ng build` calls it."""
    config = tree.path.parent / "ngsw-config.json"

    def prepare() -> None:
        tree.prepare()
        group = {"name": "app", "installMode": "prefetch", "resources": {"files": ["/**"]}}
        config.write_text(json.dumps({"index": "/index.html", "assetGroups": [group]}))

    ours = Contestant(
        OURS,
        [str(tree.place.binaries / OURS), "--format", "ngsw", "--ngsw-config", str(config), "--base-href", "/", str(tree.path)],
        tree.path,
        control,
    )
    native = tree.node("generator of ng build", "angular_generator.mjs", str(config), normalize=control)
    node, script = tree.place.node_modules / ".bin/node", tree.place.node_modules / "@angular/service-worker/ngsw-config.js"
    slow = Contestant(
        "ngsw-config",
        [str(node), str(script), tree.path.name, config.name],
        tree.path.parent,
        control,
        output=tree.path / "ngsw.json",
        is_slow=True,
    )
    targets = [
        Target(CPU, OURS, [slow.name], 1 / 50, 1 / 80),
        Target(CPU, OURS, [native.name], 0.50, 0.40),
        Target(RSS, OURS, [native.name], 1 / 10, 1 / 20),
    ]
    return Case(f"ngsw.json, {tree.title}", prepare, [ours, native, slow], targets)
