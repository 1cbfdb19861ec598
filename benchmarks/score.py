"""The WER of a work folder's validation clips at 30 s, for a model of either side in training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from work import read_split

from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.load import load_base
from mothertongue.training.distributed import Ranks
from mothertongue.training.signals import StopRequest
from mothertongue.training.validator import SplitValidator


def validator(model: Any, work: Path) -> SplitValidator:
    """Greedy, at 30 s whatever the model trains at, as the world would decode it."""
    base = replace(load_base(str(work / "base")), model=model)
    clips = read_split(work / "data", "validation")
    return SplitValidator(base, clips, TrainConfig(context="full"), DecodeConfig(), Ranks())


def full_context_wer(model: Any, work: Path) -> Callable[[], float]:
    """Score the model as it is now."""
    validate = validator(model, work)

    def score() -> float:
        model.eval()
        found = validate.at_full_context(StopRequest())
        model.train()
        assert found is not None
        return found.wer

    return score
