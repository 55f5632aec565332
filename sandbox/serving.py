"""
A small HTTP/1.1 server for one WSGI application: a thread per connection, connections that stay open.

Werkzeug's own server closes the connection after each answer, while the SDK keeps one open as it would with
the real Stripe; and only a server of our own can hang up in the middle of a call when a test asks for it.
"""

from __future__ import annotations

import io
import logging
import socket
import struct
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import unquote
from wsgiref.types import WSGIApplication

log = logging.getLogger("sandbox")

LARGEST = 10_000_000
"""Bytes of a request's body that are read; a longer one is refused with 413."""


class Server(ThreadingHTTPServer):
    """Serves ``app`` on an address; port 0 takes any free one."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        super().__init__((host, port), Handler)
        self.app = app

    def server_bind(self) -> None:
        """Bind without asking a name server what this address is called."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.port

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is."""
        log.debug("A connection ended early", exc_info=True)


class Handler(BaseHTTPRequestHandler):
    """One connection: reads a request, lets the application answer, and writes the answer in one piece."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "Sandbox"
    sys_version = ""
    timeout = 60
    wbufsize = -1  # headers and body leave together

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            return
        answer: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            answer.update(status=status, headers=headers)
            return io.BytesIO().write

        try:
            parts = self.server.app(self._environ(body), start_response)
            content = b"".join(parts)
        except ConnectionResetError:
            # Without lingering, the last close is heard as a reset instead of an end. The server's own farewell then
            # finds the socket closed already.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        except ConnectionError:
            self.close_connection = True  # hang up, as was asked for
            return
        except Exception:
            log.exception("%s %s failed", self.command, self.path)
            self.send_error(500)
            return
        code, _, reason = answer["status"].partition(" ")
        self.send_response(int(code), reason)
        sized = False
        for name, value in answer["headers"]:
            sized = sized or name.lower() == "content-length"
            self.send_header(name, value)
        if not sized:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_DELETE = do_PUT = do_PATCH = do_OPTIONS = _serve

    def _body(self) -> bytes | None:
        """The whole body, or None after an error was answered."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit():
            self.send_error(411)
        elif int(length) > LARGEST:
            self.send_error(413)
        else:
            return self.rfile.read(int(length))
        self.close_connection = True
        return None

    def _environ(self, body: bytes) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        host, port = self.server.server_address[:2]
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            key = "HTTP_" + name.upper().replace("-", "_")
            if key not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
                environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a line for each request would drown what a person wants to read."""
