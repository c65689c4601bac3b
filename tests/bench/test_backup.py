"""What the races of pg-backup rest on, without a database."""

import hashlib
import json
import socket
import tempfile
import threading
import time
import unittest
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import catalogue
import counting_proxy
import erp
import shelf
from contest import Run
from counting_proxy import CountingProxy
from dumping import Writing

OWN = "20261124T100000Z-00000000000000ff"


class Echo(BaseHTTPRequestHandler):
    """Gives back what it is sent, and says who it was addressed as."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("addressed", self.headers["host"])
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT

    def log_message(self, *_):
        """Nothing."""


class Proxy(unittest.TestCase):
    """Requests are counted on their way."""

    def setUp(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        self.server.daemon_threads = True
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.proxy = CountingProxy(f"http://127.0.0.1:{self.server.server_port}")

    def test_each_kind_is_counted_and_nothing_is_changed(self):
        body = bytes(range(256)) * 2000
        request = urllib.request.Request(f"{self.proxy.url}/backups/key", data=body, method="PUT")
        with urllib.request.urlopen(request, timeout=10) as answer:
            self.assertEqual(answer.read(), body)
            self.assertEqual(f"http://{answer.headers['addressed']}", self.proxy.url)
        for target in ("/backups?list-type=2&prefix=v1", "/backups/key?partNumber=1"):
            urllib.request.urlopen(f"{self.proxy.url}{target}", timeout=10).close()
        self.assertEqual(self.proxy.requests, {"PUT": 1, "LIST": 1, "GET": 1})

    def test_large_parts_wait_as_often_as_said_and_arrive(self):
        body = bytes(counting_proxy.PART_BYTES)
        self.proxy.stalls = 1
        with mock.patch.object(counting_proxy, "STALL_S", 0.3):
            for size, least in ((10, 0), (len(body), 0.3), (len(body), 0)):
                started = time.monotonic()
                request = urllib.request.Request(f"{self.proxy.url}/backups/key", data=body[:size], method="PUT")
                with urllib.request.urlopen(request, timeout=10) as answer:
                    self.assertEqual(len(answer.read()), size)
                self.assertTrue(least <= time.monotonic() - started, size)
        self.assertEqual(self.proxy.stalls, 0)

    def test_several_requests_of_one_connection_are_counted(self):
        address = self.proxy.url.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1])), timeout=10) as client:
            stream = client.makefile("rb")
            for _ in range(3):
                client.sendall(b"GET /backups/key HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab")
                while (line := stream.readline()) != b"\r\n":
                    self.assertTrue(line)
                self.assertEqual(stream.read(2), b"ab")
        self.assertEqual(self.proxy.requests, {"GET": 3})


class Catalogue(unittest.TestCase):
    """Copies of a backup."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.bucket = SimpleNamespace(files=Path(folder.name))
        series = self.bucket.files / "v1/erp/databases/erp"
        self.write(series / "backups" / OWN / "manifest.json", {"format": 1, "id": OWN, "snapshot_at": "2026-11-24T10:00:01Z", "name": "名"})
        self.write(series / "verify" / OWN / "1.json", {"format": 1, "id": OWN, "manifest_sha256": "of the first", "started_at": "x"})
        (series / "backups" / OWN / "dump.pgc.zst").write_bytes(b"x")

    def write(self, path: Path, document: dict) -> None:
        """A document as the tool stores it."""
        document["sha256"] = hashlib.sha256(catalogue.encoded(document)).hexdigest()
        path.parent.mkdir(parents=True)
        path.write_bytes(catalogue.encoded(document) + b"\n")

    def test_every_copy_is_older_than_the_one_before_and_has_a_right_checksum(self):
        self.assertEqual(catalogue.multiply(self.bucket, 3), 9)
        found = shelf.manifests(self.bucket)
        documents = [json.loads(path.read_bytes()) for path in found]
        self.assertEqual([document["snapshot_at"][11:13] for document in documents], ["08", "09", "10"])
        for path, document in zip(found, documents, strict=True):
            own = document.pop("sha256")
            self.assertEqual(own, hashlib.sha256(catalogue.encoded(document)).hexdigest())
            self.assertEqual(path.parent.name, document["id"])

    def test_what_was_found_is_about_the_copy(self):
        catalogue.multiply(self.bucket, 2)
        (manifest, _) = shelf.manifests(self.bucket)
        (evidence,) = (manifest.parents[2] / "verify" / manifest.parent.name).iterdir()
        found = json.loads(evidence.read_bytes())
        self.assertEqual(found["manifest_sha256"], hashlib.sha256(manifest.read_bytes()).hexdigest())
        self.assertEqual(found["id"], manifest.parent.name)


class Dumps(unittest.TestCase):
    """What is written, and of what."""

    def test_a_dump_of_an_earlier_round_is_not_measured(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "dump")
            file.write_bytes(b"old")
            stage = Writing(file)
            stage.set()
            self.assertFalse(file.exists())
            file.write_bytes(b"newer")
            run = Run({}, b"", 0)
            stage.read(run)
            self.assertEqual(run.figures, {"stored_bytes": 5})

    def test_the_phrases_are_the_same_in_every_run(self):
        self.assertEqual(erp.phrases(), erp.phrases())
        self.assertEqual(len(set(erp.phrases())), erp.PHRASES)


if __name__ == "__main__":
    unittest.main()
