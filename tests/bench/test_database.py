"""What the measuring of a database rests on, without a database."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

import backends
import cluster
import foreground
import latency_plot
import offset_loop
import percentiles
from contest import Failed, Run


class Percentiles(unittest.TestCase):
    """Of what pgbench logs."""

    def test_threads_are_read_together_and_in_milliseconds(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "latency.7").write_text("0 0 4500 0 1780000000 1 100\n1 0 500 0 1780000000 2 0\n")
            Path(folder, "latency.7.1").write_text("2 0 1250 0 1780000000 3 7\n")
            Path(folder, "other.7").write_text("2 0 9000 0 1780000000 3 7\n")
            self.assertEqual(percentiles.read(Path(folder), "latency"), [0.5, 1.25, 4.5])

    def test_a_percentile_is_a_value_that_occurred(self):
        thousand = [float(number) for number in range(1, 1001)]
        expected = {"p50_ms": 500, "p95_ms": 950, "p99_ms": 990, "p99_9_ms": 999, "max_ms": 1000}
        self.assertEqual(percentiles.figures(thousand), expected)
        self.assertEqual(set(percentiles.figures([3.0]).values()), {3.0})


class Background(unittest.TestCase):
    """What goes on behind the application."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def background(self, script: str) -> foreground.Background:
        """At work, with a log of one transaction."""
        stage = foreground.Background(Server(), self.folder, ["sh", "-c", script], {})
        stage.set()
        (self.folder / "latency.1").write_text("0 0 4500 0 1780000000 1 100\n")
        return stage

    def test_what_does_not_end_by_itself_is_stopped(self):
        stage = self.background("exec sleep 1000")
        run = Run({"wall_s": 2.0}, b"", 0)
        stage.read(run)
        self.assertEqual((run.figures["p99_ms"], stage.process.returncode), (4.5, -15))
        self.assertEqual(run.figures["fill_rows_per_s"], 600)

    def test_a_filling_that_fails_stops_the_race(self):
        stage = self.background("echo no such table >&2; exit 3")
        stage.process.wait()
        with self.assertRaisesRegex(Failed, "(?s)exit 3: no such table"):
            stage.read(Run({}, b"", 0))

    def test_every_round_begins_with_an_empty_log(self):
        (self.folder / "latency.1").write_text("0 0 4500 0 1780000000 1 100\n")
        stage = foreground.Background(Server(), self.folder, [], {})
        stage.set()
        with self.assertRaisesRegex(Failed, "pgbench has logged nothing"):
            stage.read(Run({}, b"", 0))


class Server:
    """Stands for a cluster."""

    def copy(self, template: str, database: str) -> None:
        """Nothing."""

    def sql(self, database: str, statement: str) -> list[str]:
        """How many rows are filled."""
        return ["1200"]


class Processes(unittest.TestCase):
    """What the kernel counts."""

    def test_a_childs_time_counts_once_it_is_waited_for(self):
        before = backends.seconds_of_ended_children(os.getpid())
        busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); input()"
        child = subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdout.readline()
        self.assertIn(child.pid, backends.children(os.getpid()))
        self.assertLess(backends.seconds_of_ended_children(os.getpid()) - before, 0.1)
        child.communicate(b"\n")
        self.assertNotIn(child.pid, backends.children(os.getpid()))
        self.assertGreater(backends.seconds_of_ended_children(os.getpid()) - before, 0.25)

    def test_a_folder_that_others_cannot_reach_is_known(self):
        with tempfile.TemporaryDirectory() as folder:
            inner = Path(folder, "inner")
            inner.mkdir()
            for mode, expected in ((0o700, False), (0o711, True)):
                Path(folder).chmod(mode)
                self.assertEqual(cluster.is_open_to_all(inner), expected)


class OffsetLoop(unittest.TestCase):
    """Its stretches."""

    def test_a_small_table_has_short_stretches(self):
        self.assertIn("for batch in 1..20 loop", offset_loop.loop(2_000_000))
        self.assertIn("for batch in 1..1 loop", offset_loop.loop(5_000))


class Plot(unittest.TestCase):
    """The percentile curves."""

    def curves(self, *curves: list[float]) -> list[list[tuple[float, float]]]:
        """The places of each curve's points."""
        named = [latency_plot.Curve(f"a & b {number}", rising) for number, rising in enumerate(curves)]
        root = ElementTree.fromstring(latency_plot.draw("title <1>", "subtitle", named))
        lines = root.iter("{http://www.w3.org/2000/svg}polyline")
        return [[tuple(map(float, point.split(","))) for point in line.get("points").split()] for line in lines]

    def test_a_curve_rises_from_left_to_right_and_stays_in_the_frame(self):
        thousand = [float(number) for number in range(1, 1001)]
        for points in self.curves(thousand, [value / 7 for value in thousand], [0.0, 5.0]):
            self.assertEqual(points, sorted(points, key=lambda point: (point[0], -point[1])))
            for x, y in points:
                self.assertTrue(latency_plot.LEFT <= x <= latency_plot.WIDTH - latency_plot.RIGHT)
                self.assertTrue(latency_plot.TOP <= y <= latency_plot.HEIGHT - latency_plot.BOTTOM)

    def test_who_waits_longer_is_drawn_higher(self):
        slow, fast = self.curves([10.0, 20.0], [1.0, 2.0])
        self.assertTrue(all(one[1] < other[1] for one, other in zip(slow, fast, strict=True)))


if __name__ == "__main__":
    unittest.main()
