"""Errors in the form that OpenAI's clients read: {"error": {message, type, param, code}}."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

log = logging.getLogger(__name__)
CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class ApiError(Exception):
    """An error reply: a client's mistake (4xx), or a server that cannot do it now (429, 503)."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """Return the JSON of the reply."""
        kind = {429: "rate_limit_error", 401: "authentication_error"}.get(
            self.status, "server_error" if self.status >= 500 else "invalid_request_error"
        )
        return {
            "error": {
                "message": self.message,
                "type": kind,
                "param": self.param,
                "code": self.code,
            }
        }

    def response(self) -> JSONResponse:
        """Return the HTTP reply."""
        return JSONResponse(self.body(), self.status, self.headers)


def busy(message: str, code: str, retry_after_s: int, status: int = 503) -> ApiError:
    """An error that asks the client to try again later."""
    return ApiError(status, message, code, headers={"Retry-After": str(max(1, retry_after_s))})


def internal() -> ApiError:
    """Return the error for a failure of the server, whose log has the details."""
    return ApiError(500, "the server failed; its log has the details", "internal")


def install(app: FastAPI) -> None:
    """Send every error of the application, FastAPI's too, in this form."""

    async def ours(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ApiError)
        return error.response()

    async def http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if isinstance(error.__cause__, OSError):  # to FastAPI it is a body that cannot be parsed
            log.error("an upload cannot be kept in TMPDIR: %s", error.__cause__)
            return busy("there is no room for the upload now", "no_space", 30).response()
        code = CODES.get(error.status_code, "invalid_request")
        return ApiError(error.status_code, str(error.detail), code, None, error.headers).response()

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        param = str(first["loc"][-1]) if len(first["loc"]) > 1 else None
        message = f"{param or 'request'}: {first['msg']}"
        return ApiError(400, message, "invalid_value", param).response()

    async def unforeseen(_: Request, error: Exception) -> JSONResponse:
        return internal().response()

    app.add_exception_handler(ApiError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unforeseen)
