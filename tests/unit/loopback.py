"""A server of files on the loopback that can do everything wrong which servers do wrong."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from typing import Any


class FileServer(ThreadingHTTPServer):
    """Serves ``files``; honours ranges.

    Attributes:
        files: content by path; a text is the address that the server leads to.
        answers: status and headers in place of the next answers.
        cuts: byte at which each of the next answers breaks off; null: it does not.
        has_ranges: whether a range is honoured, or the whole file sent.
        shift: how far what a ranged answer begins with lies from what was asked for.
        announce: the announced number of bytes for the true one; null: it is not announced.
        piece, pause_s: it sends so many bytes and waits so long, in turn; 0 s: all at once.
        raw: bytes that are sent in place of any answer; null: answers are sent.
        ranges: the range that each request asked for.
        paths: what each request asked for, a whole address if the server is used as a proxy.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Any] = {}
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.cuts: list[int | None] = []
        self.has_ranges, self.shift = True, 0
        self.piece, self.pause_s = 1, 0.0
        self.raw: bytes | None = None
        self.announce = lambda count: count
        self.ranges: list[str | None] = []
        self.paths: list[str] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        server.paths.append(self.path)
        content = server.files.get(self.path)
        if server.raw is not None:
            self.wfile.write(server.raw)
        elif server.answers:
            status, headers = server.answers.pop(0)
            self.begin(status, {"Content-Length": "0", **headers})
        elif isinstance(content, str):
            self.begin(302, {"Location": content})
        elif content is None:
            self.send_error(404)
        else:
            self.serve(content)

    def serve(self, content: bytes) -> None:
        asked = self.headers.get("Range") if self.server.has_ranges else None
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if asked and first >= len(content):
            self.begin(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
            return
        first += self.server.shift if asked else 0
        announced = self.server.announce(len(content) - first)
        headers = {} if announced is None else {"Content-Length": str(announced)}
        if asked:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        self.begin(206 if asked else 200, headers)
        last = self.server.cuts.pop(0) if self.server.cuts else None
        body = content[first:last]
        if self.server.pause_s:
            for begin in range(0, len(body), self.server.piece):
                self.wfile.write(body[begin : begin + self.server.piece])
                sleep(self.server.pause_s)
        else:
            self.wfile.write(body if announced is None else body[:announced])

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def handle(self) -> None:
        # the client has left, as some tests want it
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[FileServer]:
    """A running server."""
    server = FileServer()
    # it looks every so many seconds whether it shall end
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
