"""Run a server on this machine with the part of the Hub's protocol that a download needs."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Files = dict[str, bytes]


class HubServer(ThreadingHTTPServer):
    """It serves the files of one dataset. `requests` lists the requests, `RANGE` with their start.

    For each file in `cut`, half is sent, then the connection breaks; this happens once.
    """

    def __init__(self, repo: str, files: Files, card: dict[str, object]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repo, self.files, self.card = repo, files, card
        self.requests: list[str] = []
        self.cut: set[str] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(has_body=False)

    def do_GET(self) -> None:
        self.answer(has_body=True)

    def answer(self, has_body: bool) -> None:
        server, path = self.server, unquote(urlsplit(self.path).path)
        server.requests.append(f"{self.command} {path}")
        home = re.escape(server.repo)
        if re.fullmatch(f"/api/datasets/{home}/revision/(main|{COMMIT})", path):
            names = [{"rfilename": name} for name in server.files]
            card = {"id": server.repo, "sha": COMMIT, "siblings": names, "cardData": server.card}
            self.send(json.dumps(card).encode(), has_body)
        elif path.startswith(f"/api/datasets/{server.repo}/tree/{COMMIT}"):
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": etag(content)}
                for name, content in server.files.items()
            ]
            self.send(json.dumps(tree).encode(), has_body)
        elif match := re.fullmatch(f"/datasets/{home}/resolve/{COMMIT}/(.+)", path):
            self.send_file(match[1], has_body)
        else:
            self.send(b"{}", has_body, 404, {"X-Error-Code": "RepoNotFound"})

    def send_file(self, name: str, has_body: bool) -> None:
        content = self.server.files[name]
        facts = {"ETag": f'"{etag(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if start:
            self.server.requests.append(f"RANGE {name} {start}")
            facts["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if has_body and name in self.server.cut:
            self.server.cut.discard(name)
            self.close_connection = True
            self.send(content, has_body, 200, facts, len(content) // 2)
        else:
            self.send(content[start:], has_body, 206 if start else 200, facts)

    def send(
        self,
        content: bytes,
        has_body: bool,
        status: int = 200,
        facts: dict[str, str] | None = None,
        num_sent: int | None = None,
    ) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **(facts or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if has_body:
            self.wfile.write(content[:num_sent])


def etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextmanager
def serving(repo: str, files: Files, card: dict[str, object]) -> Iterator[HubServer]:
    """Yield a server that answers until the block ends."""
    server = HubServer(repo, files, card)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
