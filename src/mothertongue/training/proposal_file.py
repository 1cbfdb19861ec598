"""Write the proposed experiment as YAML with comments that give reasons, and as JSON values."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mothertongue.errors import ConfigError
from mothertongue.system.console import duration, gigabytes
from mothertongue.system.files import open_atomically, require_writable
from mothertongue.training.proposal import Proposal
from mothertongue.training.records import WrittenProposal

SHOWN = ("name", "base", "language", "borrow", "data", "select_by", "strategy", "train")
STRATEGY = ("kind", "preset", "rank", "alpha")
TRAIN = ("epochs", "learning_rate", "patience", "batch_size", "validation_clips")


def refuse_existing(path: Path) -> None:
    """Raise ConfigError if there is something at `path`, MothertongueError if it is read-only."""
    if path.exists():
        raise ConfigError(f"{path} is there already and is not overwritten; give another --out")
    require_writable(path, "give another --out")


def write_proposal(path: Path, proposal: Proposal) -> WrittenProposal:
    """Write the experiment as YAML, and return the proposal with its `file`.

    Raises ConfigError if `path` already exists.
    """
    settings = dict(_flat(_shown(proposal)))
    found = WrittenProposal(
        file=str(path),
        next=f"mothertongue train {shlex.quote(str(path))}",
        facts=_facts(proposal),
        settings=settings,
        reasons={key: why for key, why in _reasons(proposal).items() if key in settings},
        too_large=proposal.choice.too_large if proposal.choice else {},
        absent=list(proposal.choice.absent) if proposal.choice else [],
        is_measured=proposal.is_measured,
        estimated_s=proposal.seconds,
        limit_s=proposal.limit_s,
        peak_memory_bytes=proposal.need.peak_memory_bytes,
        free_memory_bytes=proposal.need.free_memory_bytes,
        fits=proposal.fits,
        experiment=proposal.experiment.model_dump(mode="json"),
    )
    refuse_existing(path)
    with open_atomically(path) as file:
        file.write(_yaml_text(proposal))
    return found


def _yaml_text(proposal: Proposal) -> str:
    """Return the YAML of the experiment, with the reason of each setting beside it."""
    said = [f"# {name}: {fact}" for name, fact in _facts(proposal).items()]
    return "\n".join([*said, *_lines(_shown(proposal), _reasons(proposal)), ""])


def _shown(proposal: Proposal) -> dict[str, Any]:
    """Return the settings that were chosen; all others keep their defaults."""
    every = proposal.experiment.model_dump(mode="json")
    strategy, train = every["strategy"], every["train"]
    found = {key: every[key] for key in SHOWN if every[key] != {}}
    found["strategy"] = {key: strategy[key] for key in STRATEGY if key in strategy}
    less_memory = ("gradient_checkpointing",) if train["gradient_checkpointing"] else ()
    found["train"] = {key: train[key] for key in TRAIN + less_memory}
    return found


def _facts(proposal: Proposal) -> dict[str, str]:
    """Return the facts on the corpus, this machine and the estimate, one line each."""
    splits, need = proposal.splits, proposal.need
    hours = ", ".join(f"{hours:.2f} h of {code}" for code, hours in proposal.languages.items())
    held = ", ".join(f"{splits.get(name, 0):,} for {name}" for name in ("validation", "test"))
    how = "by a few measured steps" if proposal.is_measured else "by its shape, validations apart"
    free = gigabytes(need.free_memory_bytes)
    return {
        "data": f"{proposal.clips.count:,} clips to train on ({hours}), {held}",
        "time": f"{duration(proposal.seconds)} of the {duration(proposal.limit_s)} to spend, {how}",
        "memory": f"{gigabytes(need.peak_memory_bytes)} at most, {free} are free",
    }


def _reasons(proposal: Proposal) -> dict[str, str]:
    """Return the reason for the value of each setting, by its dotted key."""
    kind = proposal.experiment.strategy.model_dump()["kind"]
    several = len(proposal.languages) > 1
    no_spaces = proposal.experiment.measure == "cer"
    return {
        "base": _base_reason(proposal),
        "language": "the most hours; each clip keeps its own" if several else "of all clips",
        "select_by": "written without spaces between words" if no_spaces else "the usual rate",
        "strategy.kind": _strategy_reason(kind),
        "strategy.preset": "a change of every matrix",
        "strategy.alpha": "twice the rank",
        "train.epochs": _epochs_reason(proposal),
        "train.learning_rate": f"for {kind} and the width of this base",
        "train.patience": "validations in a row without a better one, then it stops",
        "train.batch_size": "small: more steps from the same clips",
        "train.validation_clips": _validation_reason(proposal),
        "train.gradient_checkpointing": "memory would not suffice without it; it takes more time",
    }


def _base_reason(proposal: Proposal) -> str:
    choice = proposal.choice
    if choice is None:
        return "as given"
    if choice.absent:
        return f"the best here; --base {choice.absent[0]} fits too, and comes from the Hub"
    if not choice.too_large:
        return "the best that there is"
    size, why = list(choice.too_large.items())[-1]
    return f"the best that fits: {size} {why}"


def _strategy_reason(kind: str) -> str:
    if kind == "full":
        return "memory allows it; LoRA and adapters gave more errors (docs/results.md)"
    return "full tuning does not fit in memory"


def _epochs_reason(proposal: Proposal) -> str:
    if proposal.experiment.train.epochs == proposal.usual_epochs:
        return "by the hours of speech"
    return f"what the time allows; {proposal.usual_epochs} would be usual for so many hours"


def _validation_reason(proposal: Proposal) -> str:
    if not proposal.splits.get("validation"):
        return "there is no validation split: the last weights are taken"
    return "at most, decoded after each epoch to choose the best weights"


def _flat(settings: Mapping[str, Any], parent: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{parent}{key}.")
        else:
            yield f"{parent}{key}", value


def _lines(settings: Mapping[str, Any], why: Mapping[str, str], parent: str = "") -> Iterator[str]:
    indent = "  " if parent else ""
    for key, value in settings.items():
        name = f"{parent}{key}"
        if isinstance(value, dict):
            yield f"{_scalar(key)}:"
            yield from _lines(value, why, f"{name}.")
        else:
            reason = f" # {why[name]}" if name in why else ""
            yield f"{indent}{_scalar(key)}: {_scalar(value)}{reason}"


def _scalar(value: Any) -> str:
    """Return a value as YAML, on one line."""
    text = yaml.safe_dump(value, allow_unicode=True, width=10**9, default_flow_style=True)
    return text.removesuffix("\n").removesuffix("...").strip()
