"""The `web` component: shows page.txt, and says on /healthz whether there is anything to show."""

import os
import signal
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = Path(__file__).with_name("page.txt")


class Page(BaseHTTPRequestHandler):
    """Answers every path with the page, and /healthz with the page's health."""

    def do_GET(self) -> None:
        text = PAGE.read_text() if PAGE.is_file() else ""
        if self.path == "/healthz":
            healthy = bool(text.strip())
            status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, "ok\n" if healthy else "page.txt is empty\n")
        else:
            self._answer(HTTPStatus.OK, text)

    def _answer(self, status: HTTPStatus, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve on $PORT until the signal to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(os.environ.get("PORT", "8000"))
    with ThreadingHTTPServer(("", port), Page) as server:
        print(f"serving {PAGE.name} on port {server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
