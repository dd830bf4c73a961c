"""A web server on this machine alone, that answers as a test tells it to."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable, Generator


class Server(http.server.ThreadingHTTPServer):
    """Serves `answers`: path -> bytes (status 200), an int (that status), or a function of the request handler.

    Attributes:
        answers: what to answer to each path; 404 for a path that is not there.
        requests: the paths asked, in order.
        url: address of the server, with a final slash.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, bytes | int | Callable] = {}
        self.requests: list[str] = []
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        self.server.requests.append(path)
        answer = self.server.answers.get(path, 404)
        if callable(answer):
            answer(self)
        elif isinstance(answer, int):
            self.send_error(answer)
        else:
            send(self, answer)

    def log_message(self, *args: object) -> None:
        """Keeps the tests' output clean."""


def send(handler: http.server.BaseHTTPRequestHandler, body: bytes, length: int | None = None) -> None:
    """Sends `body`, announced as `length` bytes."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def cut(body: bytes) -> Callable:
    """Returns an answer that announces all of `body`, sends half of it and hangs up."""
    return lambda handler: send(handler, body[: len(body) // 2], len(body))


def hang_up(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Closes the connection without a word."""
    handler.close_connection = True


def say_nothing(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Keeps the connection open and never answers, until the server is closed."""
    handler.server.released.wait(30)
    handler.close_connection = True


@contextlib.contextmanager
def running() -> Generator[Server, None, None]:
    """Gives a server that listens until the block ends."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
