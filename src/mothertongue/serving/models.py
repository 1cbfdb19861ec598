"""The models of a server: adapters share a base in memory, other models stand alone.

A run whose strategy leaves the base's weights alone (LoRA except PiSSA, bottleneck adapters), and
an exported adapter, becomes an adapter on the base that it shares with the others. A run that
changed the base itself is merged and decoded by CTranslate2; so is a base that nothing else shares.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from mothertongue.decoding.speed import decoding_precision
from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import ClipTranscriber, DecodeConfig
from mothertongue.errors import ConfigError
from mothertongue.experiment.config import read_experiment
from mothertongue.experiment.load import load_run
from mothertongue.experiment.run_dir import RunDir, is_run
from mothertongue.export.formats.adapter import put_adapter_on
from mothertongue.inference.open_model import adapter_base, export_format, open_model
from mothertongue.model.adapters import AdapterAssignment
from mothertongue.model.context import Context
from mothertongue.model.devices import best_device, keep_freed_memory
from mothertongue.model.load import Base, load_base
from mothertongue.model.locate import locate
from mothertongue.model.tokenizer import Tokens
from mothertongue.serving.multi_adapter import add
from mothertongue.system.arguments import EngineName, Precision

NAME = re.compile(r"[\w][\w.:-]*")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spec:
    """A NAME=MODEL argument of the command line."""

    name: str
    model: str

    @property
    def path(self) -> Path:
        return Path(self.model).expanduser()


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that requests may name."""

    name: str
    kind: str
    engine: int
    """The index of the server's engine that decodes it."""
    tokens: Tokens
    language: str | None
    """The language of the speech unless a request gives another; None to detect it."""
    strategy: str | None = None
    base: str | None = None
    adapter: str | None = None
    context: Context = "full"
    is_limited: bool = False
    """As `Engine` has it."""

    def spoken(self, language: str | None) -> str | None:
        """Return the language of the speech: the given one, else the model's; None to detect it.

        Raises ConfigError where it has no token, of its own or borrowed.
        """
        chosen = language or self.language
        if chosen is not None:
            self.tokens.language(chosen)
        return chosen


@dataclass
class ModelRegistry:
    """All models of a server, and the engines that decode them."""

    models: dict[str, ServedModel] = field(default_factory=dict)
    engines: list[ClipTranscriber] = field(default_factory=list)


def parse_specs(arguments: Sequence[str]) -> list[Spec]:
    """Return the models that the command line names; without a name, its folder's is used.

    Raises ConfigError for a name that is not valid, or that is there twice.
    """
    specs: list[Spec] = []
    for argument in arguments:
        name, mark, model = argument.partition("=")
        spec = Spec(name, model) if mark else Spec(Path(argument).name, argument)
        if not NAME.fullmatch(spec.name) or not spec.model:
            raise ConfigError(
                f"{argument}: expected NAME=MODEL, NAME of letters, digits and . : - _"
            )
        if spec.name in {each.name for each in specs}:
            raise ConfigError(f"{argument}: there is another {spec.name}; give one another NAME=")
        specs.append(spec)
    return specs


def load(
    specs: Sequence[Spec],
    config: DecodeConfig,
    precision: Precision,
    compute_type: str,
    merge: bool,
    told: Callable[[str], None],
) -> ModelRegistry:
    """Load every model. `merge` merges LoRA too, so that each run is a separate model.

    Raises ConfigError and DataError as loading does, ConfigError too for an adapter of a kind that
    cannot share its base, and for a setting without effect on any of the models.
    """
    _refuse_without_effect(specs, precision, compute_type, merge)
    offer, shared = ModelRegistry(), _SharedBases(config, precision)
    for spec in specs:
        if _base_of_adapter(spec, merge):
            shared.add(offer, spec)
            told(f"{spec.name}: an adapter on {offer.models[spec.name].base}")
    for spec in specs:
        if spec.name in offer.models:
            continue
        if shared.take_base(offer, spec):
            told(f"{spec.name}: the base under the adapters")
        else:
            _alone(offer, spec, config, compute_type)
            told(f"{spec.name}: {offer.models[spec.name].kind} by itself")
    offer.models = {spec.name: offer.models[spec.name] for spec in specs}
    keep_freed_memory()  # not before: what loading an adapter's base took can go back now
    return offer


def _refuse_without_effect(
    specs: Sequence[Spec], precision: Precision, compute_type: str, merge: bool
) -> None:
    """Raise ConfigError for a setting that changes none of the models."""
    bases = [base for each in specs if (base := _base_of_adapter(each, merge))]
    if merge and len(bases) == sum(_base_of_adapter(each, False) is not None for each in specs):
        raise ConfigError("--merge: none of the models is a run of LoRA; leave it out")
    if precision != "auto" and not bases:
        raise ConfigError(
            f"--precision {precision} is torch's, which decodes adapters on their base, and none "
            "of the models is an adapter; leave it out, or use --compute-type"
        )
    if compute_type != "default" and not any(_is_converted(each, merge, bases) for each in specs):
        raise ConfigError(
            f"--compute-type {compute_type} is CTranslate2's, which decodes none of the models; "
            "leave it out, or use --precision for adapters"
        )


def _is_converted(spec: Spec, merge: bool, bases: Sequence[str]) -> bool:
    """Return whether CTranslate2 will decode a model; `bases` are those under adapters."""
    if export_format(spec.path) is not None or _base_of_adapter(spec, merge):
        return False
    return is_run(spec.path) or locate(spec.model).path not in [locate(x).path for x in bases]


def _base_of_adapter(spec: Spec, merge: bool) -> str | None:
    """Return the base that a model is an adapter on; None if it is none, or will be merged."""
    if is_run(spec.path):
        experiment = read_experiment(RunDir(spec.path))
        is_adapter = experiment.strategy.is_adapter
        folds = merge and experiment.strategy.can_merge
        return experiment.base if is_adapter and not folds else None
    writer = export_format(spec.path)
    if writer is not None and writer.needs_base:
        return adapter_base(spec.path)
    return None


@dataclass
class _SharedBase:
    """A base with the adapters on it."""

    base: Base
    rows: AdapterAssignment
    engine: int


class _SharedBases:
    """The bases that adapters need, each in memory once, by the digest of its weights."""

    def __init__(self, config: DecodeConfig, precision: Precision) -> None:
        self.config, self.precision = config, precision
        self.by_digest: dict[str, _SharedBase] = {}

    def add(self, offer: ModelRegistry, spec: Spec) -> None:
        """Add an adapter to its base."""
        tuned, facts = _run_adapter(spec) if is_run(spec.path) else _exported_adapter(spec)
        shared = self.by_digest.get(tuned.digest) or self._opened(offer, facts["base"])
        adapter = f"adapter{len(offer.models)}"
        try:
            add(shared.base.model, adapter, tuned.model, shared.rows)
        except ConfigError as error:
            raise ConfigError(f"{spec.name}: {error}") from None
        offer.models[spec.name] = ServedModel(
            name=spec.name, engine=shared.engine, tokens=tuned.tokens, adapter=adapter, **facts
        )

    def take_base(self, offer: ModelRegistry, spec: Spec) -> bool:
        """Serve a base that is already loaded, without an adapter; return whether it was loaded."""
        if is_run(spec.path) or export_format(spec.path) is not None:
            return False
        for shared in self.by_digest.values():
            if locate(shared.base.name).path == locate(spec.model).path:
                facts: Json = {"kind": "base", "language": None, "base": spec.model}
                offer.models[spec.name] = ServedModel(
                    name=spec.name, engine=shared.engine, tokens=shared.base.tokens, **facts
                )
                return True
        return False

    def _opened(self, offer: ModelRegistry, reference: str) -> _SharedBase:
        base, rows = load_base(reference), AdapterAssignment()
        device = best_device()
        dtype = decoding_precision(self.precision, base.model.config, device).dtype
        nn.Module.to(base.model.requires_grad_(False), device, dtype)
        engine = TorchTranscriber(
            base.model, base.tokens, context="full", config=self.config, dtype=dtype, rows=rows
        )
        offer.engines.append(engine)
        shared = _SharedBase(base, rows, len(offer.engines) - 1)
        self.by_digest[base.digest] = shared
        return shared


def _run_adapter(spec: Spec) -> tuple[Base, Json]:
    tuned = load_run(spec.path)
    experiment = tuned.experiment
    facts: Json = {"kind": "run", "language": experiment.language, "base": experiment.base}
    facts |= {
        "strategy": experiment.strategy.model_dump()["kind"],
        "context": experiment.train.context,
    }
    return tuned.base, facts


def _exported_adapter(spec: Spec) -> tuple[Base, Json]:
    reference = adapter_base(spec.path)
    base = load_base(reference)
    put_adapter_on(base.model, spec.path)
    return base, {"kind": "export", "language": None, "base": reference, "strategy": "adapter"}


def _alone(offer: ModelRegistry, spec: Spec, config: DecodeConfig, compute_type: str) -> None:
    """Load a model with its own engine: CTranslate2, except for formats that have another."""
    is_export = export_format(spec.path) is not None
    name: EngineName = "auto" if is_export else "ctranslate2"
    kept = "default" if is_export else compute_type
    opened = open_model(spec.model, engine=name, compute_type=kept)
    offer.engines.append(opened.make("full", config, lambda _: None))
    facts: Json = {"kind": opened.kind, "language": opened.language}
    facts |= {"tokens": opened.tokens, "context": opened.trained_context}
    if is_run(spec.path):
        experiment = read_experiment(RunDir(spec.path))
        facts |= {"strategy": experiment.strategy.model_dump()["kind"], "base": experiment.base}
    offer.models[spec.name] = ServedModel(
        name=spec.name,
        engine=len(offer.engines) - 1,
        is_limited=opened.is_limited,
        **facts,
    )
