"""A speech server that says what a test wants it to say, and remembers what it was asked."""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from mothertongue.serving import web_page as studio_page

Json = dict[str, Any]
HOLD = "hold"  # in place of an answer: none until the client leaves


def model(name: str, kind: str, language: str | None = None, strategy: str | None = None) -> Json:
    """What /v1/models tells of one."""
    facts = {"kind": kind, "language": language, "strategy": strategy, "base": None}
    return {"id": name, "object": "model", "created": 0, "owned_by": "mothertongue", **facts}


def said(text: str, unsure: str = "", step_s: float = 0.2) -> Json:
    """A verbose_json answer: a word each step_s, one of them unsure."""
    words = [
        {
            "word": word,
            "start": round(i * step_s, 3),
            "end": round((i + 1) * step_s, 3),
            "probability": 0.31 if word == unsure else 0.93,
        }
        for i, word in enumerate(text.split())
    ]
    end = words[-1]["end"] if words else 0.0
    segments = [{"id": 0, "start": 0.0, "end": end, "text": text}] if text else []
    facts = {"task": "transcribe", "language": "swahili", "duration": end, "text": text}
    return {**facts, "segments": segments, "words": words}


def error(status: int, message: str, param: str | None = None, **headers: str) -> Response:
    body = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    return JSONResponse({"error": body}, status, headers)


class Stub:
    """Set `answers` to what each model says next; the last one is said ever after."""

    def __init__(self) -> None:
        self.url = ""
        self.reset()

    def reset(self) -> None:
        self.models = [model("base", "base"), model("sw", "run", "sw", "lora")]
        self.limits: Json = {"upload_bytes": 25 * 2**20, "audio_s": 600.0}
        self.answers: dict[str, list[Any]] = defaultdict(lambda: [said("Habari")])
        self.key = ""
        self.asked: list[Json] = []
        self.left = 0

    async def transcribe(self, request: Request) -> Response:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return error(401, "a key is needed")
        async with request.form() as form:
            file = form["file"]
            assert not isinstance(file, str)
            fields = {name: form.getlist(name) for name in form if name != "file"}
            self.asked.append({**fields, "name": file.filename, "data": await file.read()})
        answers = self.answers[fields["model"][0]]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer != HOLD:
            return answer if isinstance(answer, Response) else JSONResponse(answer)
        while not await request.is_disconnected():
            await asyncio.sleep(0.02)
        self.left += 1
        return Response()

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/")
        async def page() -> HTMLResponse:
            html, policy = studio_page.render()
            return HTMLResponse(html, headers={"Content-Security-Policy": policy})

        @app.get("/health")
        async def health() -> Json:
            return {"status": "ok", "limits": self.limits}

        @app.get("/v1/models")
        async def models(request: Request) -> Response:
            if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
                return error(401, "a key is needed")
            return JSONResponse({"object": "list", "data": self.models})

        @app.post("/v1/audio/transcriptions")
        async def transcriptions(request: Request) -> Response:
            return await self.transcribe(request)

        return app


@contextmanager
def stub_server() -> Iterator[Stub]:
    """The stub, listening on a free port of this machine."""
    stub = Stub()
    server = uvicorn.Server(uvicorn.Config(stub.app(), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive() and time.monotonic() < until
        time.sleep(0.02)
    stub.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield stub
    server.should_exit = True
    thread.join(20)
