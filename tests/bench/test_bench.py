"""What the harness promises: answers are compared before anything is timed, and a missed target is seen."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

import metric
import race
import report
import trees
from contest import Case, Contestant, Failed, Stage, Target
from metric import CPU, RSS, WALL


def shell(name: str, script: str, **more) -> Contestant:
    """A contestant written down as a shell line."""
    return Contestant(name, ["sh", "-c", script], Path("/"), **({"normalize": bytes.strip} | more))


class Races(unittest.TestCase):
    """Small cases of shell lines."""

    def setUp(self):
        self.work = tempfile.TemporaryDirectory()
        self.addCleanup(self.work.cleanup)

    def outcome(self, contestants: list[Contestant], targets: list[Target], rounds: int = 3) -> race.Result:
        """Runs them."""
        return self.compete(Case("case", lambda: None, contestants, targets), rounds)

    def compete(self, case: Case, rounds: int) -> race.Result:
        """Runs it."""
        return race.run(case, rounds, Path(self.work.name))

    def test_different_answers_stop_the_race(self):
        with self.assertRaisesRegex(Failed, "peer and ours differ: b'2' against b'1'"):
            self.outcome([shell("ours", "echo 1"), shell("peer", "echo 2")], [])

    def test_a_contestant_that_fails_stops_the_race(self):
        with self.assertRaisesRegex(Failed, "(?s)peer: exit 7.*no such tree"):
            self.outcome([shell("ours", "echo 1"), shell("peer", "echo no such tree >&2; exit 7")], [])

    def test_the_hard_limit_decides(self):
        busy = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"
        targets = [Target(CPU, "ours", ["peer"], 0.5, 0.001), Target(CPU, "peer", ["ours"], 0.5, 0.4)]
        verdicts = self.outcome([shell("ours", "true"), shell("peer", busy)], targets).verdicts
        self.assertEqual([verdict.is_met for verdict in verdicts], [True, False])

    def test_wall_time_and_processor_time_are_told_apart(self):
        result = self.outcome([shell("ours", "sleep 0.2", normalize=None)], [], 1)
        figures = result.figures["ours"][0]
        self.assertGreater(figures[WALL], 0.2)
        self.assertGreater(figures[WALL], figures[CPU])

    def test_peak_memory_is_that_of_the_contestant_alone(self):
        ballast = bytearray(200_000_000)
        lean = self.outcome([shell("ours", "true")], [], 1).figures["ours"][0][RSS]
        self.assertLess(lean, 10_000_000, f"this process holds {len(ballast)}")
        fat = self.outcome([shell("ours", "python3 -c 'held = 60_000_000 * b\"x\"'")], [], 1).figures["ours"][0][RSS]
        self.assertGreater(fat, 60_000_000)

    def test_a_slow_contestant_runs_once_and_its_file_is_removed(self):
        written = Path(self.work.name) / "answer"
        slow = Contestant("slow", ["sh", "-c", f"echo 1 > {written}"], Path("/"), bytes.strip, output=written, is_slow=True)
        result = self.outcome([shell("ours", "echo 1"), slow], [Target(WALL, "ours", ["slow"], 1e9, 1e9)])
        self.assertEqual((len(result.figures["ours"]), len(result.figures["slow"])), (3, 1))
        self.assertFalse(written.exists())

    def test_a_stage_is_set_and_read_around_every_run(self):
        stage = Recorded()
        result = self.outcome([shell("ours", "echo 1", stage=stage)], [], 2)
        self.assertEqual(stage.seen, ["set", "read"] * 3)
        self.assertEqual([figures["seen_ms"] for figures in result.figures["ours"]], [4, 6])

    def test_what_the_stage_reads_is_compared(self):
        with self.assertRaisesRegex(Failed, "peer and ours differ: read against b'1'"):
            self.outcome([shell("ours", "echo 1"), shell("peer", "echo 1", stage=Recorded("read"), normalize=str)], [])

    def test_a_case_limits_its_rounds_and_may_count_the_checked_run(self):
        for is_check_timed, expected in ((False, 2), (True, 2)):
            case = Case("case", lambda: None, [shell("ours", "echo 1")], most_rounds=2, is_check_timed=is_check_timed)
            self.assertEqual(len(self.compete(case, 9).figures["ours"]), expected)

    def test_a_contestant_has_its_environment_and_its_exit_code(self):
        self.outcome([shell("ours", "echo $WORD; exit 75", environment={"WORD": "x"}, exit_code=75), shell("peer", "echo x")], [])
        with self.assertRaisesRegex(Failed, "ours: exit 0"):
            self.outcome([shell("ours", "true", exit_code=75)], [])

    def test_an_allowance_is_taken_off_ours_before_the_ratio(self):
        for ours, expected in ((20, 1.5), (2, 0)):
            result = race.Result(Case("case", lambda: None, []), {"ours": [{"p99_ms": ours}], "idle": [{"p99_ms": 10}]}, [])
            self.assertEqual(race.value(result, Target("p99_ms", "ours", ["idle"], 1.5, 1, allowance=5)), expected)


class Recorded(Stage):
    """Notes each call."""

    def __init__(self, answer=None):
        self.seen = []
        self.answer = answer

    def set(self):
        self.seen.append("set")

    def read(self, run):
        self.seen.append("read")
        run.figures["seen_ms"] = len(self.seen)
        run.answer = self.answer or run.answer


class Metrics(unittest.TestCase):
    """Names and units."""

    def test_the_unit_ends_the_name(self):
        for name, parts in {"cpu_s": ("cpu", "s"), "wal_per_row_bytes": ("wal_per_row", "bytes"), "fill_rows_per_s": ("fill", "rows_per_s")}.items():
            self.assertEqual(metric.split(name), parts)
        with self.assertRaisesRegex(ValueError, "speed: ends with no known unit"):
            metric.split("speed")

    def test_only_memory_is_shown_in_megabytes(self):
        self.assertEqual((metric.shown(RSS).title, metric.shown(RSS).text(12_340_000)), ("peak MB", "12.3"))
        shown = metric.shown("wal_per_row_bytes")
        self.assertEqual((shown.title, shown.text(761.4)), ("wal per row B", "761"))

    def test_a_contestant_without_a_metric_has_an_empty_cell(self):
        case = Case("case", lambda: None, [], metrics=("first_ms", CPU))
        result = race.Result(case, {"ours": [{"first_ms": 1, CPU: 2}], "peer": [{CPU: 3}]}, [])
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            report.Human().result(result)
            report.JsonLines().result(result)
        lines = printed.getvalue().splitlines()
        self.assertEqual([line.split() for line in lines[3:5]], [["ours", "1.0", "2.000"], ["peer", "3.000"]])
        self.assertNotIn("first_ms", json.loads(lines[-1]))


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
