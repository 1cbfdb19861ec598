"""Clips of other languages that a run trains on too, so that its model forgets them less.

Whatever their manifest calls its splits, only its train split is taken. No torch.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mothertongue.config import Config
from mothertongue.data.manifest import Utterance, data_digest, read_data
from mothertongue.errors import DataError

PREFIX = "replay:"
"""Begins the ids of replayed clips in a run."""


class ReplayConfig(Config):
    """Steps on clips of other languages, against forgetting them."""

    data: Path | Annotated[tuple[Path, ...], Field(min_length=1)]
    """The manifest, or its folder; or a list of them. Only clips of their train splits are taken,
    each with the token of its own language; the languages take turns. The texts may be
    pseudo-labels of the base itself: mothertongue label openai/whisper-base ..."""
    share: float = Field(default=0.1, gt=0, le=0.5)
    """Share of all steps. They are added to those of the data, so the run takes that much longer.
    They are whole steps, and at least one an epoch: an epoch of few steps replays more than this,
    and the record, the page and the model card say how much."""

    @property
    def manifests(self) -> tuple[Path, ...]:
        """All of `data`."""
        return self.data if isinstance(self.data, tuple) else (self.data,)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The clips of one language that a run replays."""

    clips: int
    hours: float


@dataclass(frozen=True, slots=True)
class Replay:
    """The clips that a run replays, by language, and their share of the steps."""

    manifest_sha256: str
    share: float
    languages: dict[str, Replayed]

    def __str__(self) -> str:
        languages = ", ".join(
            f"{name} ({each.hours:.2f} h)" for name, each in self.languages.items()
        )
        return f"{100 * self.share:.0f} % of the steps replay {languages}"


def is_replayed(name: str) -> bool:
    """Return whether an id is that of a replayed clip."""
    return name.startswith(PREFIX)


def read_replay(manifests: Sequence[Path], languages: Iterable[str]) -> list[Utterance]:
    """Return the training clips of manifests, with ids of their own.

    Raises DataError where there is none, or one is in a language that the run trains.
    """
    if not manifests:
        return []
    clips = [each for each in read_data(manifests) if each.split == "train"]
    names = ", ".join(map(str, manifests))
    if not clips:
        raise DataError(f"train.replay: {names} has no utterance in split 'train'; expected some")
    if both := sorted({each.language for each in clips} & set(languages)):
        raise DataError(
            f"train.replay: {names} has clips in {', '.join(both)}, which the run trains; expected "
            "other languages. Add that manifest to data instead, or leave the language out"
        )
    return [replace(each, id=f"{PREFIX}{each.id}") for each in clips]


def replay_steps(share: float, steps: int) -> int:
    """Return how many steps to add to `steps`, so that they are this share of all; at least one."""
    return max(1, round(steps * share / (1 - share)))


def replay_of(config: ReplayConfig, utterances: Sequence[Utterance], batch_size: int) -> Replay:
    """Return the facts of a replay, given the utterances of a run; the share is that of its steps.

    Whole steps are added to each epoch, so few steps have another share than the settings ask for.
    """
    own = sum(each.split == "train" and not is_replayed(each.id) for each in utterances)
    steps = math.ceil(own / batch_size)
    added = replay_steps(config.share, steps)
    clips = [each for each in utterances if is_replayed(each.id)]
    hours = defaultdict[str, float](float)
    for each in clips:
        hours[each.language] += each.duration_s / 3600
    counts = Counter(each.language for each in clips)
    languages = {name: Replayed(counts[name], hours[name]) for name in sorted(counts)}
    return Replay(data_digest(config.manifests), added / (steps + added), languages)
