"""The HTTP routes: OpenAI's audio API, the models, health, metrics, and the web page."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, File, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse

from mothertongue import __version__
from mothertongue.data.languages import language_code
from mothertongue.decoding.transcript import Task
from mothertongue.errors import ConfigError
from mothertongue.inference.subtitles import (
    Recording,
    Segment,
    joined_text,
    segments_of,
    space_before,
)
from mothertongue.model.tokenizer import MAX_PROMPT_TOKENS
from mothertongue.serving import errors
from mothertongue.serving import web_page as studio_page
from mothertongue.serving.errors import ApiError
from mothertongue.serving.models import ServedModel
from mothertongue.serving.replies import Granularity, ResponseFormat, event, reply
from mothertongue.serving.request_limits import RequestLimits, State, client_of
from mothertongue.serving.service import Service, TranscriptionRequest

log = logging.getLogger(__name__)
Json = dict[str, Any]
FIELDS = {"file", "model", "prompt", "response_format", "temperature"}
TRANSCRIPTION_FIELDS = FIELDS | {"language", "timestamp_granularities[]", "stream"}
TIMED = ("srt", "vtt", "verbose_json")
"""The formats with segments, which end where words do; clients want `no_speech_prob` in each."""

File_ = Annotated[UploadFile, File(description="The recording, in any format.")]
Model_ = Annotated[str, Form(description="One of /v1/models.", max_length=200)]
Prompt = Annotated[str, Form(description="An earlier transcript.", max_length=10_000)]
Format = Annotated[ResponseFormat, Form()]
Temperature = Annotated[
    float, Form(ge=0, le=0, description="Decoding is deterministic: 0 is all there is.")
]


def make_app(
    service: Service, models: dict[str, ServedModel], state: State, key: str | None
) -> FastAPI:
    """Return the FastAPI application."""
    app = FastAPI(title="mothertongue", version=__version__, docs_url=None, redoc_url=None)
    errors.install(app)
    _add_facts(app, service, models, state)
    _add_audio(app, service, models)
    app.add_middleware(
        RequestLimits, limits=service.limits, key=key, state=state, metrics=service.metrics
    )
    return app


def _add_facts(
    app: FastAPI, service: Service, models: dict[str, ServedModel], state: State
) -> None:
    html, policy = studio_page.render()

    @app.get("/", include_in_schema=False)
    async def try_it() -> HTMLResponse:
        return HTMLResponse(html, headers={"Content-Security-Policy": policy})

    @app.get("/health")
    async def health() -> JSONResponse:
        """Return whether the server takes requests, and their limits."""
        limits = {"upload_bytes": service.limits.upload_bytes, "audio_s": service.limits.audio_s}
        status = "draining" if state.is_draining else "ok"
        code = 503 if state.is_draining else 200
        return JSONResponse({"status": status, "limits": limits}, code)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(service.metrics.text())

    @app.get("/v1/models")
    async def list_models() -> Json:
        """Return all models."""
        return {"object": "list", "data": [_facts(each) for each in models.values()]}

    @app.get("/v1/models/{model:path}", responses=_errors(404))
    async def one_model(model: str) -> Json:
        """Return one model."""
        return _facts(_chosen(models, model))


def _add_audio(app: FastAPI, service: Service, models: dict[str, ServedModel]) -> None:
    @app.post("/v1/audio/transcriptions", responses=_errors(400, 401, 404, 408, 413, 429, 503))
    async def transcriptions(
        request: Request,
        file: File_,
        model: Model_,
        language: Annotated[str | None, Form(description="Its code.", max_length=100)] = None,
        prompt: Prompt = "",
        response_format: Format = "json",
        temperature: Temperature = 0,
        granularities: Annotated[
            list[Granularity], Form(alias="timestamp_granularities[]", max_length=2)
        ] = [],  # noqa: B006
        stream: Annotated[bool, Form()] = False,
    ) -> Response:
        """Transcribe a recording in its own language."""
        await _refuse_unknown(request, TRANSCRIPTION_FIELDS)
        _check_granularities(granularities, response_format)
        is_timed = response_format in TIMED
        asked = _asked(request, _chosen(models, model), language, "transcribe", prompt, is_timed)
        if "word" in granularities and asked.model.is_limited:
            raise _wrong("timestamp_granularities[]", f"{model} gives no word times")
        if stream:
            if response_format != "json":
                raise _wrong("stream", "a stream has response_format json")
            return await _streamed(request, service, file, asked)
        return await _answered(
            request,
            service,
            file,
            asked,
            lambda x: reply(x, response_format, granularities, "transcribe"),
        )

    @app.post("/v1/audio/translations", responses=_errors(400, 401, 404, 408, 413, 429, 503))
    async def translations(
        request: Request,
        file: File_,
        model: Model_,
        prompt: Prompt = "",
        response_format: Format = "json",
        temperature: Temperature = 0,
    ) -> Response:
        """Translate a recording to English."""
        await _refuse_unknown(request, FIELDS)
        is_timed = response_format in TIMED
        asked = _asked(request, _chosen(models, model), None, "translate", prompt, is_timed)
        return await _answered(
            request, service, file, asked, lambda x: reply(x, response_format, [], "translate")
        )


async def _answered(
    request: Request,
    service: Service,
    file: UploadFile,
    asked: TranscriptionRequest,
    answer: Callable[[Recording], Response],
) -> Response:
    data = _bytes(file)
    return answer(await service.within_time(request, service.recording(data, asked)))


async def _streamed(
    request: Request, service: Service, file: UploadFile, asked: TranscriptionRequest
) -> StreamingResponse:
    """Stream server-sent events: the text of each piece as soon as it is known, then all text.

    A fault of the file is still an error reply, not an event.
    """
    data = _bytes(file)
    speech = await service.within_time(request, service.speech(data, asked))

    async def events() -> AsyncIterator[str]:
        said: list[Segment] = []
        language = asked.language
        try:
            async with asyncio.timeout(service.limits.request_s):
                async for piece, transcript in service.transcripts(speech, asked):
                    language = language or transcript.language
                    for segment in segments_of(piece, transcript):
                        before = space_before(segment, language) if said else ""
                        said.append(segment)
                        yield event("transcript.text.delta", delta=before + segment.text)
        except Exception as error:  # it is too late for a status
            yield event("error", **_told(error, service).body())
            return
        yield event("transcript.text.done", text=joined_text(said, language))

    return StreamingResponse(events(), media_type="text/event-stream")


def _told(error: Exception, service: Service) -> ApiError:
    """Return the error that a client is told of; one that nobody foresaw goes to the log."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, TimeoutError):
        return service.too_late()
    log.exception("a stream ended")
    return errors.internal()


def _bytes(file: UploadFile) -> bytes:
    """Return all bytes, without `file.read()`: its thread would keep the memory."""
    return file.file.read()


def _asked(
    request: Request,
    model: ServedModel,
    language: str | None,
    task: Task,
    prompt: str,
    word_times: bool,
) -> TranscriptionRequest:
    try:
        spoken = model.spoken(language_code(language) if language else None)
    except ConfigError as error:
        raise _wrong("language", str(error)) from None
    ids = model.tokens.encode(prompt)[-MAX_PROMPT_TOKENS:] if prompt.strip() else []
    if model.is_limited and (ids or task == "translate"):
        raise _wrong(
            "prompt" if ids else "model", f"{model.name} takes no prompt and only transcribes"
        )
    is_timed = word_times and not model.is_limited
    return TranscriptionRequest(model, spoken, task, tuple(ids), is_timed, client_of(request.scope))


def _chosen(models: dict[str, ServedModel], name: str) -> ServedModel:
    if name not in models:
        message = f"model {name!r}: not served here; there are {', '.join(models)}"
        raise ApiError(404, message, "model_not_found", "model")
    return models[name]


def _check_granularities(granularities: list[Granularity], format_: ResponseFormat) -> None:
    if granularities and format_ != "verbose_json":
        raise _wrong("timestamp_granularities[]", "needs response_format verbose_json")


async def _refuse_unknown(request: Request, known: set[str]) -> None:
    """Raise ApiError 400 for a field that would have no effect."""
    form = await request.form()
    if unknown := sorted(set(form) - known):
        raise _wrong(unknown[0][:100], f"not known here; expected {', '.join(sorted(known))}")


def _wrong(param: str, message: str) -> ApiError:
    return ApiError(400, f"{param}: {message}", "invalid_value", param)


def _facts(model: ServedModel) -> Json:
    """Return a model as /v1/models gives it to clients."""
    common = {"id": model.name, "object": "model", "created": 0, "owned_by": "mothertongue"}
    own = {name: getattr(model, name) for name in ("kind", "language", "strategy")}
    return common | own | {"base": _public(model.base)}


def _public(base: str | None) -> str | None:
    """Return the name of a base; of a path only its last part, as clients need not know folders."""
    is_path = base is not None and Path(base).expanduser().exists()
    return Path(base).expanduser().resolve().name if base and is_path else base


def _errors(*statuses: int) -> dict[int | str, Json]:
    """Return the OpenAPI description of error replies, by status."""
    schema = {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {
                    name: {"type": ["string", "null"]}
                    for name in ("message", "type", "param", "code")
                },
            }
        },
    }
    content = {"application/json": {"schema": schema}}
    return {status: {"description": "An error.", "content": content} for status in statuses}
