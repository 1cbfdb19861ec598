"""Refuse settings of training that have no effect on the data at hand."""

from collections.abc import Sequence

from mothertongue.data.manifest import Utterance
from mothertongue.errors import ConfigError
from mothertongue.experiment.train_config import TrainConfig


def refuse_idle_temperature(languages: set[str], config: TrainConfig) -> None:
    """Raise ConfigError where a temperature should even out a single language."""
    if config.language_temperature != 1 and len(languages) == 1:
        raise ConfigError(
            f"train.language_temperature={config.language_temperature:g} has no effect: all "
            f"training data is in {', '.join(languages)}, expected several languages; remove it"
        )


def refuse_idle_weight(utterances: Sequence[Utterance], config: TrainConfig) -> None:
    """Raise ConfigError where pseudo-labels should weigh less and there are none."""
    if config.pseudo_label_weight != 1 and not any(each.is_pseudo_labelled for each in utterances):
        raise ConfigError(
            f"train.pseudo_label_weight={config.pseudo_label_weight:g} has no effect: no training "
            "clip has a pseudo-label; add a folder that mothertongue label wrote to data, or "
            "remove it"
        )
