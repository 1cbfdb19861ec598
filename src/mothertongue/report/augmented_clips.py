"""Collect training clips to listen to: as recorded, and as augmented in the run."""

import base64
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mothertongue.config import parse
from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.load import MAX_DURATION_S
from mothertongue.data.augment.augmenter import Augmenter
from mothertongue.data.augment.config import AugmentConfig
from mothertongue.data.manifest import Utterance, read_data
from mothertongue.data.sandbox.pool import Sandbox
from mothertongue.data.sandbox.samples import TASK, stream
from mothertongue.errors import DataError
from mothertongue.report.audio_clips import to_mp3
from mothertongue.report.inputs import RunRecords

EXAMPLES = 3
INAUDIBLE = {"spec_augment": None}


@dataclass(frozen=True, slots=True)
class Example:
    """A training clip before and after augmentation, MP3 in base64."""

    id: str
    original: str
    augmented: str


@dataclass(frozen=True, slots=True)
class Augmented:
    """The examples of one run."""

    run: str
    examples: list[Example]


def collect_augmented(runs: Sequence[RunRecords]) -> Augmented | None:
    """Return examples of the first run with audible augmentation; None if there is no such run.

    Sounds of folders are not mixed in: a page opens files that other people's records name only in
    the sandbox. Clips that are no longer on this machine are left out.
    """
    for run in runs:
        if (config := _audible(run)) is not None:
            return Augmented(run.name, list(_examples(run, config)))
    return None


def _audible(run: RunRecords) -> AugmentConfig | None:
    recorded = run.record.experiment.train.augment
    config = parse(AugmentConfig, recorded, f"{run.name}: train.augment")
    folders = {name: None for name in ("noise", "reverberation") if _has_folder(config, name)}
    config = config.model_copy(update=INAUDIBLE | folders)
    return config if config.is_on else None


def _has_folder(config: AugmentConfig, name: str) -> bool:
    change = getattr(config, name)
    return change is not None and change.folder is not None


def _examples(run: RunRecords, config: AugmentConfig) -> Iterator[Example]:
    experiment = run.record.experiment
    augmenter = Augmenter(config, experiment.train.seed)
    with suppress(DataError), Sandbox(TASK) as sandbox:  # the data may be on another machine
        clips = [each for each in read_data(experiment.manifests) if each.split == "train"]
        for clip in random.Random(0).sample(clips, min(EXAMPLES, len(clips))):
            with suppress(DataError, OSError):
                yield _example(sandbox, augmenter, clip)


def _example(sandbox: Sandbox, augmenter: Augmenter, clip: Utterance) -> Example:
    span = Span(Path(clip.audio), clip.start_s or 0.0, clip.duration_s, MAX_DURATION_S)
    samples_N = np.concatenate([*stream(sandbox, span)])
    heard_N = augmenter.samples(samples_N, clip, epoch=0)
    sounds = [base64.b64encode(to_mp3(each)).decode("ascii") for each in (samples_N, heard_N)]
    return Example(clip.id, *sounds)
