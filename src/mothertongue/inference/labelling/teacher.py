"""Open a MODEL to label with: its digest, its language, and its round."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mothertongue.data.languages import language_code
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment import checkpoints
from mothertongue.experiment.config import read_experiment
from mothertongue.experiment.identity import read_identity
from mothertongue.experiment.run_dir import RunDir, is_run
from mothertongue.inference.labelling.label import Teachers
from mothertongue.inference.labelling.recognize import Recognizer
from mothertongue.inference.lm_weights import with_known_weight
from mothertongue.inference.open_model import export_format, open_model
from mothertongue.inference.speech_detection import Find
from mothertongue.inference.transcript_cache import WEIGHTS
from mothertongue.model.locate import locate
from mothertongue.system.files import sha256_files


def teachers(
    model: str,
    agree_with: str | None,
    language: str | None,
    config: DecodeConfig,
    detector: tuple[Find, str],
    chosen: Mapping[str, Any],
) -> Teachers:
    """Return the MODEL that labels, and the one that has to agree with it, if any.

    `config` and `chosen` are of the first; the second has the same beams, and neither a language
    model nor hot words. Raises ConfigError without a language, DataError without weights.
    """
    code = spoken_language(model, language_code(language) if language else None)
    weighed = with_known_weight(config, model)
    second = None
    if agree_with is not None:
        plain = DecodeConfig(beam_size=config.beam_size, batch_size=config.batch_size)
        second = recognizer(agree_with, code, plain, detector, {})
    first = recognizer(model, code, weighed, detector, chosen)
    return Teachers(first, label_round(model), second)


def recognizer(
    model: str,
    language: str,
    config: DecodeConfig,
    detector: tuple[Find, str],
    chosen: Mapping[str, Any],
) -> Recognizer:
    """Return the recognizer of a MODEL; `chosen` are settings of `open_model`.

    Raises DataError if it has no weights.
    """
    find, found_by = detector
    digest = weights_sha256(model, chosen.get("weights", "best"))
    opened = partial(open_model, model, **chosen)
    settings = {"vad": found_by, **chosen}
    return Recognizer(model, digest, opened, config, language, find, settings)


def spoken_language(model: str, language: str | None) -> str:
    """Return the language to label in: the given code, or that of a run.

    Raises ConfigError without either: a detected language may be wrong in every other recording.
    """
    path = Path(model).expanduser()
    if language is None and not is_run(path):
        raise ConfigError(
            f"{model}: not a run's folder, which would know its language; give one, such as "
            "runs/NAME, or add --language CODE"
        )
    return language or read_experiment(RunDir(path)).language


def label_round(model: str) -> int:
    """Return the round of pseudo-labels that a MODEL writes: 1 more than of those in its training.

    An export counts as a model that had none.
    """
    path = Path(model).expanduser()
    trained_on = read_identity(RunDir(path)).pseudo_labels if is_run(path) else None
    return 1 + (trained_on.round if trained_on else 0)


def weights_sha256(model: str, weights: str = "best") -> str:
    """Return the SHA-256 of a MODEL's file of weights; of several, that of their digests in order.

    For a run it is that of trained.safetensors; it is opened with the base that it was trained on.
    """
    path = Path(model).expanduser()
    if is_run(path):
        files = [path / weights / checkpoints.TRAINED]
    else:
        place = path if export_format(path) else locate(model).path
        below = sorted(place.rglob("*")) if place.is_dir() else [place]
        files = [each for each in below if each.suffix in WEIGHTS]
    found = [each for each in files if each.is_file()]
    if not found:
        raise DataError(f"{model}: no weights, expected {files[0] if files else WEIGHTS}")
    return sha256_files(found)
