"""What the harness promises: answers are compared before anything is timed, and a missed target is seen."""

import tempfile
import unittest
from pathlib import Path

import measure
import race
import trees
from contest import CPU, RSS, WALL, Case, Contestant, Target


def shell(name: str, script: str, **more) -> Contestant:
    """A contestant written down as a shell line."""
    return Contestant(name, ["sh", "-c", script], Path("/"), **({"normalize": bytes.strip} | more))


class Races(unittest.TestCase):
    """Small cases of shell lines."""

    def setUp(self):
        self.work = tempfile.TemporaryDirectory()
        self.addCleanup(self.work.cleanup)

    def race(self, contestants: list[Contestant], targets: list[Target], rounds: int = 3) -> race.Result:
        """Runs them."""
        return race.run(Case("case", lambda: None, contestants, targets), rounds, Path(self.work.name))

    def test_different_answers_stop_the_race(self):
        with self.assertRaisesRegex(measure.Failed, "peer and ours differ: b'2' against b'1'"):
            self.race([shell("ours", "echo 1"), shell("peer", "echo 2")], [])

    def test_a_contestant_that_fails_stops_the_race(self):
        with self.assertRaisesRegex(measure.Failed, "(?s)peer: exit 7.*no such tree"):
            self.race([shell("ours", "echo 1"), shell("peer", "echo no such tree >&2; exit 7")], [])

    def test_the_hard_limit_decides(self):
        busy = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"
        targets = [Target(CPU, "ours", ["peer"], 0.5, 0.001), Target(CPU, "peer", ["ours"], 0.5, 0.4)]
        verdicts = self.race([shell("ours", "true"), shell("peer", busy)], targets).verdicts
        self.assertEqual([verdict.is_met for verdict in verdicts], [True, False])

    def test_wall_time_and_processor_time_are_told_apart(self):
        result = self.race([shell("ours", "sleep 0.2", normalize=None)], [], 1)
        figures = result.figures["ours"][0]
        self.assertGreater(figures[WALL], 0.2)
        self.assertGreater(figures[WALL], figures[CPU])

    def test_peak_memory_is_that_of_the_contestant_alone(self):
        ballast = bytearray(200_000_000)
        lean = self.race([shell("ours", "true")], [], 1).figures["ours"][0][RSS]
        self.assertLess(lean, 10_000_000, f"this process holds {len(ballast)}")
        fat = self.race([shell("ours", "python3 -c 'held = 60_000_000 * b\"x\"'")], [], 1).figures["ours"][0][RSS]
        self.assertGreater(fat, 60_000_000)

    def test_a_slow_contestant_runs_once_and_its_file_is_removed(self):
        written = Path(self.work.name) / "answer"
        slow = Contestant("slow", ["sh", "-c", f"echo 1 > {written}"], Path("/"), bytes.strip, output=written, is_slow=True)
        result = self.race([shell("ours", "echo 1"), slow], [Target(WALL, "ours", ["slow"], 1e9, 1e9)])
        self.assertEqual((len(result.figures["ours"]), len(result.figures["slow"])), (3, 1))
        self.assertFalse(written.exists())


class Trees(unittest.TestCase):
    """Generated input."""

    def test_the_same_name_gives_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            made = []
            for name in ("one", "two"):
                tree = Path(folder) / name
                trees.make(tree, 30, 1_000_000)
                made.append({path.relative_to(tree): path.read_bytes() for path in tree.rglob("*") if path.is_file()})
        self.assertEqual(made[0], made[1])
        self.assertEqual(len(made[0]), 30)
        self.assertAlmostEqual(sum(map(len, made[0].values())), 1_000_000, delta=50_000)


if __name__ == "__main__":
    unittest.main()
