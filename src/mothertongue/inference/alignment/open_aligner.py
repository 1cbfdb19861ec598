"""Make the aligner of a MODEL: a base, a run's folder or a CTranslate2 export."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mothertongue.config import parse
from mothertongue.data.clip_checks import CountLabelTokens, Limits, LongClip
from mothertongue.inference.alignment.aligner import Aligner, AlignOptions
from mothertongue.inference.open_model import open_model
from mothertongue.inference.transcribe_files import detector


def open_aligner(
    model: str,
    settings: Mapping[str, Any],
    count_label_tokens: CountLabelTokens,
    clip_limits: Limits,
    cache: Path | None = None,
    on_clip: Callable[[LongClip], None] = lambda _clip: None,
    on_pieces: Callable[[int], None] = lambda _count: None,
) -> Aligner:
    """Return an aligner that opens `model` for the first recording.

    `settings` are those of AlignOptions; None is the default. `clip_limits` are those that every
    clip keeps. `cache` is a file that keeps what the model writes. Raises ConfigError for a wrong
    setting.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    options = parse(AlignOptions, given, "align")
    find, _ = detector("auto")
    opened = partial(open_model, model)
    return Aligner(
        model, opened, find, count_label_tokens, options, clip_limits, cache, on_clip, on_pieces
    )
