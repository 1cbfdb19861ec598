"""The choices that commands and functions share; and a check of the arguments of functions, as the
command line checks its options."""

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from pydantic import TypeAdapter, ValidationError

from mothertongue.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")
Weights = Literal["best", "final"]
EngineName = Literal["auto", "torch", "ctranslate2"]
Precision = Literal["auto", "bf16", "fp32"]
Vad = Literal["auto", "silero", "off"]
StrPath = str | Path
Paths = StrPath | Iterable[StrPath]


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function, which then raises ConfigError for values that its annotations exclude.

    Its keyword settings, `**options`, are not checked here.
    """
    parameters = signature(function).parameters.values()
    hints = {
        each.name: each.annotation for each in parameters if each.kind != Parameter.VAR_KEYWORD
    }

    @wraps(function)
    def call(*arguments: P.args, **named: P.kwargs) -> R:
        given = signature(function).bind(*arguments, **named).arguments
        for name in hints.keys() & given.keys():
            _check(name, given[name], hints[name])
        return function(*arguments, **named)

    return call


def listed(paths: Paths) -> list[Path]:
    """Return one path or several as a list."""
    return [Path(paths)] if isinstance(paths, str | Path) else [Path(each) for each in paths]


def _check(name: str, value: Any, hint: Any) -> None:
    try:
        TypeAdapter(hint).validate_python(value, strict=True)
    except ValidationError as error:
        reasons = [each["msg"].removeprefix("Input should be ") for each in error.errors()]
        expected = " or ".join(dict.fromkeys(reasons))
        raise ConfigError(f"{name}: got {repr(value)[:200]}; expected {expected}") from None
