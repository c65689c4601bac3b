"""What the runner promises: every test is counted, and a failure, a crash or a hang is never a success."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

import cargo_tests
import node_tests
from outcome import Outcome


def silently(work, *arguments) -> str:
    """Runs it; what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        work(*arguments)
    return printed.getvalue()


class TestPrograms(unittest.TestCase):
    """A stand-in for a test program prints libtest's events."""

    def run_program(self, script: str, words: list[str] | None = None) -> tuple[Outcome, str]:
        """Runs a shell script as a test program."""
        outcome = Outcome()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "program"
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
            program = cargo_tests.Program("tool", "cases", str(path), Path(folder))
            printed = silently(cargo_tests.run, program, words or [], outcome)
        return outcome, printed

    def event(self, name: str, event: str, more: str = "") -> str:
        """A line of libtest."""
        return f"""echo '{{"type":"test","event":"{event}","name":"{name}"{more}}}'"""

    def test_counts_what_passed_and_failed(self):
        lines = [self.event("a", "started"), self.event("b", "started"), self.event("a", "ok", ',"exec_time":1.5')]
        lines += [self.event("b", "failed", ',"stdout":"left: 1"'), "exit 101"]
        outcome, printed = self.run_program("\n".join(lines))
        self.assertEqual([(test.name, test.passed) for test in outcome.tests], [("a", True), ("b", False)])
        self.assertIn("FAILED tool cases: b\nleft: 1", printed)
        self.assertTrue(silently(outcome.show).endswith("\n1 passed, 1 failed\n"))

    def test_a_test_that_never_ended_has_failed(self):
        outcome, _ = self.run_program(self.event("a", "started") + "\nkill -9 $$")
        self.assertEqual([(test.name, test.passed) for test in outcome.tests], [("a", False)])

    def test_a_program_that_fails_without_a_test_has_failed(self):
        outcome, _ = self.run_program("echo broken >&2; exit 127")
        self.assertEqual([test.passed for test in outcome.tests], [False])
        self.assertIn("broken", outcome.tests[0].output)

    def test_words_select_tests_unless_the_program_is_meant(self):
        show = """printf '{"type":"test","event":"ok","name":"%s"}\\n' "$*" """
        self.assertTrue(self.run_program(show, ["diff"])[0].tests[0].name.endswith(" diff"))
        self.assertTrue(self.run_program(show, ["tool"])[0].tests[0].name.endswith("--report-time"))

    def test_ignored_tests_are_named(self):
        outcome, _ = self.run_program(self.event("a", "ignored"))
        self.assertIn("ignored: tool cases: a", silently(outcome.show))


class TestBrowserFiles(unittest.TestCase):
    """Node's runner, on small files."""

    def run_file(self, text: str) -> Outcome:
        """Runs one test file."""
        outcome = Outcome()
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "tests/browser").mkdir(parents=True)
            (Path(folder) / "tests/browser/page.test.mjs").write_text(text)
            silently(node_tests.run, Path(folder), [], outcome)
        return outcome

    def test_counts_tests_and_not_their_groups(self):
        outcome = self.run_file("""
            import { describe, test } from "node:test";
            describe("group", () => { test("good", () => {}); test("bad", () => { throw new Error("left open"); }); });
        """)
        self.assertEqual([(test.name, test.passed) for test in outcome.tests], [("good", True), ("bad", False)])
        self.assertIn("left open", outcome.tests[1].output)

    def test_a_file_that_does_not_load_has_failed(self):
        outcome = self.run_file("import 'no-such-package';")
        self.assertEqual([test.passed for test in outcome.tests], [False])


class TestPackageNames(unittest.TestCase):
    """Cargo leaves the name out of an id when it is that of the folder."""

    def test_reads_both_forms(self):
        for spelled, name in [("path+file:///x/tools/tool#0.1.0", "tool"), ("path+file:///x/tests#pipelines@0.1.0", "pipelines")]:
            self.assertEqual(cargo_tests.package_of({"package_id": spelled}), name)


if __name__ == "__main__":
    unittest.main()
