"""Between a client and an S3 server: counts what is asked for, and may be slow. Bytes pass unchanged, so signatures hold."""

import asyncio
import re
import threading
from collections import Counter
from urllib.parse import urlsplit


# A part of a large object; less is the last one of it, or a document.
PART_BYTES = 8 << 20
STALL_S = 3


class CountingProxy:
    """At work until this process ends."""

    def __init__(self, server: str) -> None:
        self.server = urlsplit(server)
        # By kind: LIST, GET, HEAD, PUT and so on.
        self.requests: Counter[str] = Counter()
        # So many parts wait before the server takes them.
        self.stalls = 0
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        started = asyncio.run_coroutine_threadsafe(asyncio.start_server(self.serve, "127.0.0.1", 0), self.loop)
        self.url = f"http://127.0.0.1:{started.result().sockets[0].getsockname()[1]}"

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """One connection, and its own to the server."""
        server, to_server = await asyncio.open_connection(self.server.hostname, self.server.port)
        answers = asyncio.ensure_future(self.answer(server, to_client))
        try:
            while head := await self.head(client):
                self.requests[kind(head)] += 1
                left = body_bytes(head)
                if left >= PART_BYTES and self.stalls:
                    self.stalls -= 1
                    await asyncio.sleep(STALL_S)
                to_server.write(head)
                while left and (piece := await client.read(min(left, 1 << 16))):
                    to_server.write(piece)
                    left -= len(piece)
                    await to_server.drain()
        except ConnectionError:
            pass
        finally:
            to_server.close()
            await answers

    async def head(self, client: asyncio.StreamReader) -> bytes:
        """The next request up to its blank line; empty when the client has gone."""
        try:
            return await client.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""

    async def answer(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Passes on what the server says."""
        try:
            while piece := await server.read(1 << 16):
                to_client.write(piece)
                await to_client.drain()
        except ConnectionError:
            pass
        finally:
            to_client.close()


def kind(head: bytes) -> str:
    """A listing is a GET of the bucket with this parameter (ListObjectsV2)."""
    method, target = head.decode("latin-1").split(" ", 2)[:2]
    return "LIST" if method == "GET" and "list-type=2" in target else method


def body_bytes(head: bytes) -> int:
    """How long the body is."""
    found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return int(found.group(1)) if found else 0
