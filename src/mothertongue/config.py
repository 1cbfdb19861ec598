"""Typed configuration: one schema per thing, YAML in, dotted overrides, no silent extras."""

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, TypeVar, Union

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mothertongue.errors import ConfigError

MAX_YAML_BYTES = 1_000_000
MAX_DEPTH = 50
"""Lists and mappings in each other; an experiment has 3. The scanner's time is quadratic in it."""
MAX_SHOWN = 200
LARGEST = 2**48
"""The largest whole number that a setting may be: products of two may still be an index."""
C = TypeVar("C", bound="Config")


class _Loader(yaml.SafeLoader):
    """A loader with YAML 1.2's booleans, true and false: in YAML 1.1 Norwegian ("no") is false.

    A key that is there twice is an error; the safe loader would let the last one win.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(str(key.value) for key, _ in node.value)
        if twice := sorted(key for key, count in keys.items() if count > 1):
            line = node.start_mark.line + 1
            raise yaml.YAMLError(f"{', '.join(twice)} given twice in the block from line {line}")
        return super().construct_mapping(node, deep)

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        is_base_60 = tag in NUMBERS and ":" in value  # YAML 1.1 reads 1:30 as 90; 1.2 as text
        return TEXT if is_base_60 else tag


TEXT, BOOLEAN = "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool"
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != BOOLEAN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(BOOLEAN, re.compile("true|false", re.IGNORECASE), [*"tTfF"])
OPENING = (
    yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken,
)  # fmt: skip
CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


class Config(BaseModel):
    """Base of every configuration: frozen, and an unknown key is an error.

    Numbers are finite, and whole ones at most LARGEST.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @field_validator("*")
    @classmethod
    def _is_no_larger(cls, value: Any) -> Any:
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, int) and each > LARGEST:
                raise ValueError(f"expected a number of at most {LARGEST:,}")
        return value


def load(
    cls: type[C], path: Path, overrides: Sequence[str] = (), below: Mapping[str, Any] | None = None
) -> C:
    """Return the configuration in a YAML file, with `dotted.key=value` overrides applied.

    Settings that the file leaves out are those of `below`, where they are given. Raises ConfigError
    naming the key, what was found and what was expected.
    """
    data = merged(below or {}, read_yaml(path))
    for override in overrides:
        _set_dotted(data, override)
    return parse(cls, data, str(path))


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of both; where both have one, that of `above`, mappings key by key."""
    both = {
        key: merged(below[key], value)
        for key, value in above.items()
        if isinstance(value, Mapping) and isinstance(below.get(key), Mapping)
    }
    return {**below, **above, **both}


def parse(cls: type[C], data: Any, origin: str) -> C:
    """Validate `data` as a `cls`. Raises ConfigError listing every fault with its dotted key."""
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        faults = "\n".join(
            f"  {_location(fault['loc'], data)}: {_reason(fault)}" for fault in error.errors()
        )
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cls.__name__).lower()
        article = "" if kind.endswith("s") else "a "  # many options, one experiment
        raise ConfigError(f"{origin}: not {article}valid {kind}:\n{faults}") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file. Raises ConfigError if it is missing, too large or none."""
    if path.is_dir():
        inside = next((f", such as {each}" for each in sorted(path.glob("*.yaml"))), "")
        raise ConfigError(f"{path}: a folder; expected a YAML file{inside}")
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; expected a YAML file")
    if path.stat().st_size > MAX_YAML_BYTES:
        raise ConfigError(
            f"{path}: {path.stat().st_size:,} bytes; expected at most {MAX_YAML_BYTES:,}"
        )
    try:
        data = _loaded(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {error}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: got {type(data).__name__}; expected 'key: value' lines")
    return data


def choice(base: type[C], package: ModuleType) -> Any:
    """Return the pydantic union of the final subclasses of `base` in `package`; `kind` decides.

    A new member is one new module in the package: nothing else changes.
    """
    return Annotated[Union[tuple(members(base, package))], Field(discriminator="kind")]  # noqa: UP007


def members(base: type[C], package: ModuleType) -> list[type[C]]:
    """Return the concrete subclasses of `base` in the modules of `package`, by module name."""
    found: list[type[C]] = []
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        found += [
            value
            for value in vars(module).values()
            if inspect.isclass(value)
            and issubclass(value, base)
            and value.__module__ == module.__name__
            and not inspect.isabstract(value)
            and "kind" in value.model_fields
        ]
    return found


def _set_dotted(data: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {override!r}: expected key=value, such as train.epochs=3")
    *parents, last = key.split(".")
    if len(parents) > MAX_DEPTH:
        raise ConfigError(f"override {override[:MAX_SHOWN]!r}...: more than {MAX_DEPTH} keys deep")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise ConfigError(f"override {override!r}: {parent!r} is a value, it has no keys")
    try:
        data[last] = _loaded(value)
    except (yaml.YAMLError, ValueError):
        data[last] = value


def _loaded(text: str) -> Any:
    """Return the value of a YAML text. Raises yaml.YAMLError or ValueError where it is none."""
    depth = 0
    for token in yaml.scan(text):
        depth += isinstance(token, OPENING) - isinstance(token, CLOSING)
        if depth > MAX_DEPTH:
            raise yaml.YAMLError(f"more than {MAX_DEPTH} lists or mappings in each other")
        if isinstance(token, yaml.AliasToken):
            # A few nested aliases expand to gigabytes ("billion laughs"); no experiment needs one.
            raise yaml.YAMLError("aliases (*name) are not accepted; write the value out")
    return yaml.load(text, _Loader)


def _location(parts: Sequence[int | str], data: Any) -> str:
    """Return the dotted key of a fault, as in the file."""
    keys: list[str] = []
    for part in parts:
        is_kind = isinstance(data, dict) and data.get("kind") == part and part not in data
        if not is_kind:  # pydantic names the member of a union as if it were a key
            keys.append(str(part))
            data = data.get(part) if isinstance(data, dict) else None
    return ".".join(keys) or "(top level)"


def _reason(fault: Any) -> str:
    if fault["type"] == "missing":
        return "required, but not given"
    if fault["type"] == "extra_forbidden":
        return "unknown key; check the spelling in docs/configuration.md"
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "value_error" and isinstance(fault["input"], dict):
        return message  # of several keys together: the message names them
    return f"{message} (got {_shown(fault['input'])})"


def _shown(value: Any) -> str:
    """Return a value as Python writes it, but never more than a line or two."""
    try:
        text = repr(value)
    except ValueError:  # an integer with more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
