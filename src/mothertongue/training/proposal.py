"""Propose an experiment for a corpus and this machine: base, strategy, rate, epochs, reasons."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import Field

from mothertongue.config import Config, parse
from mothertongue.data.languages import WHISPER_LANGUAGES, usual_measure
from mothertongue.data.manifest import MANIFEST_NAME, Utterance, read_data
from mothertongue.errors import ConfigError, DataError, MothertongueError
from mothertongue.experiment.config import Code, Experiment
from mothertongue.experiment.defaults import TrainingClips, settled_for, usual_epochs
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.load import base_config
from mothertongue.model.locate import is_on_disk, locate
from mothertongue.model.tokenizer import Tokens, load_tokens
from mothertongue.training.base_choice import BaseChoice, choose_base
from mothertongue.training.plan_estimate import Measured, run_s
from mothertongue.training.plan_probe import measure
from mothertongue.training.plan_shape import applied, by_shape, flops_per_s, sizes_of

LORA_RANK = 64
FEW_VALIDATION_CLIPS = 50


class InitOptions(Config):
    """The corpus and the limits of an experiment that is to be proposed."""

    name: str
    """The name of the run."""
    data: Path
    """The manifest, or its folder."""
    base: str | None = None
    """The base; None: the best that memory and time allow."""
    hours_to_spend: float = Field(default=8.0, gt=0, le=100_000)
    """The time of the training in hours, with its validations."""
    borrow: Code | None = None
    """The language whose token is used for a language without one."""

    @property
    def limit_s(self) -> float:
        """`hours_to_spend` in seconds."""
        return 3600 * self.hours_to_spend


@dataclass(frozen=True, slots=True)
class Proposal:
    """An experiment, and the facts by which it was chosen."""

    experiment: Experiment
    clips: TrainingClips
    splits: dict[str, int]
    languages: dict[str, float]
    """The hours of each language in the training split."""
    choice: BaseChoice | None
    """The choice of the base; None if it was given."""
    is_measured: bool
    """True if steps of the run were measured; otherwise time and memory are estimated from its
    shape."""
    need: Measured
    """The memory and the time that the run needs."""
    usual_epochs: int
    limit_s: float

    @property
    def seconds(self) -> float:
        """The estimated time of the whole run, in seconds."""
        return run_s(self.need, self.experiment.train)

    @property
    def fits(self) -> bool:
        """Return whether the run fits in memory and in the time."""
        return self.need.fits and self.seconds <= self.limit_s


def propose(options: InitOptions) -> Proposal:
    """Return the experiment that fits the corpus, and this machine within the time of the options.

    If the base is on this machine, a few steps of the run are measured, as in `plan`. Raises
    DataError or ConfigError if something is wrong with the corpus or the base.
    """
    corpus = read_data((options.data,))
    train = [each for each in corpus if each.split == "train"]
    if not train:
        raise DataError(f"{options.data}: no utterance in split 'train'; see mothertongue prepare")
    clips = TrainingClips(len(train), sum(each.duration_s for each in train))
    languages = hours_by_language(train)
    settings = TrainConfig(epochs=usual_epochs(clips, TrainConfig().size))
    choice = None if options.base else choose_base(train, settings, options.limit_s)
    is_measured = choice is None or is_on_disk(choice.base)
    need_of = measure if is_measured else _by_shape(train)
    base = choice.base if choice else str(options.base)
    tokens = load_tokens(locate(base)) if is_measured else None
    first = _experiment(options, base, list(languages), tokens)
    experiment, need = _fitting(first, clips, need_of)
    return Proposal(
        experiment=experiment.model_copy(
            update={"train": within(experiment.train, partial(run_s, need), options.limit_s)}
        ),
        clips=clips,
        splits=dict(Counter(each.split for each in corpus)),
        languages=languages,
        choice=choice,
        is_measured=is_measured,
        need=need,
        usual_epochs=experiment.train.num_epochs,
        limit_s=options.limit_s,
    )


def run_name(path: Path) -> str:
    """Return the name of a run, from a manifest, its folder, or the experiment's file."""
    is_manifest = path.name == MANIFEST_NAME
    stem = path.resolve().parent.name if is_manifest else path.resolve().stem
    return re.sub(r"[^\w.-]+", "_", stem).lstrip(".-") or "experiment"


def hours_by_language(clips: Sequence[Utterance]) -> dict[str, float]:
    """Return the hours of each language, the largest first."""
    hours = defaultdict[str, float](float)
    for each in clips:
        hours[each.language] += each.duration_s / 3600
    return dict(sorted(hours.items(), key=lambda item: -item[1]))


def within(
    train: TrainConfig, seconds: Callable[[TrainConfig], float], limit_s: float
) -> TrainConfig:
    """Return the settings with as many epochs as fit into the time, or one if not even that fits.

    Fewer clips are validated if this makes room for one more epoch.
    """
    for epochs in range(train.num_epochs, 0, -1):
        for clips in (train.validation_clips, FEW_VALIDATION_CLIPS):
            found = train.model_copy(update={"epochs": epochs, "validation_clips": clips})
            if seconds(found) <= limit_s:
                return found
    return found


def _experiment(
    options: InitOptions, base: str, languages: list[str], tokens: Tokens | None
) -> Experiment:
    """Return the experiment with full tuning; rate and epochs are left open.

    `tokens` are None if the base is not on this machine.
    """
    known = tokens.languages if tokens else WHISPER_LANGUAGES
    tokenless = [each for each in languages if each not in known]
    if tokenless and not options.borrow:
        raise ConfigError(
            f"{options.data}: {base} has no token for {', '.join(tokenless)}; give --borrow the "
            "code of a related language that has one, such as sw"
        )
    if options.borrow and not tokenless:
        raise ConfigError(f"--borrow has no effect: {base} has a token for every language here")
    if tokens and options.borrow:
        tokens.borrowing(dict.fromkeys(tokenless, options.borrow))
    settings = {
        "name": options.name,
        "base": base,
        "language": languages[0],
        "borrow": dict.fromkeys(tokenless, options.borrow),
        "data": str(options.data),
        "select_by": usual_measure(languages[0]),
        "strategy": {"kind": "full"},
    }
    return parse(Experiment, settings, "init")


def _variants(experiment: Experiment) -> Iterator[Experiment]:
    """Yield variants of the training, the best first; each needs less memory than the last one."""
    yield experiment
    data = experiment.model_dump()
    yield parse(Experiment, data | {"train": {"gradient_checkpointing": True}}, "init")
    rank = min(LORA_RANK, base_config(experiment.base).d_model)
    lora = {"kind": "lora", "preset": "all-linear", "rank": rank, "alpha": 2 * rank}
    yield parse(Experiment, data | {"strategy": lora}, "init")


def _fitting(
    experiment: Experiment, clips: TrainingClips, need_of: Callable[[Experiment], Measured]
) -> tuple[Experiment, Measured]:
    """Return the first variant that fits in memory, or the last, with its rate and epochs."""
    config, failed = base_config(experiment.base), None
    found: tuple[Experiment, Measured] | None = None
    for each in _variants(experiment):
        variant = settled_for(each, clips, config)
        try:
            found = variant, need_of(variant)
        except (ConfigError, DataError):
            raise
        except MothertongueError as error:  # killed because it used too much memory
            failed = error
            continue
        if found[1].fits:
            return found
    if found is None:
        assert failed is not None
        raise failed
    return found


def _by_shape(clips: Sequence[Utterance]) -> Callable[[Experiment], Measured]:
    """Return a function that finds needs from a base's shape, without weights and validations."""

    sizes = sizes_of(clips)

    def need(experiment: Experiment) -> Measured:
        model, trained = applied(experiment.strategy, base_config(experiment.base))
        speed = flops_per_s(model.config, sizes, experiment.train)
        return by_shape(model, trained, sizes, experiment.train, speed)

    return need
