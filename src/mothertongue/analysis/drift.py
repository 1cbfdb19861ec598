"""Compare each state of a base with that of a run: how much tuning changed each layer.

S states, N rows: frames in the encoder, positions in the decoder; D width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from mothertongue.analysis.activations import read_states, state_names
from mothertongue.analysis.heatmap import MINIBATCH_ROWS, HeatMap
from mothertongue.analysis.records import (
    Analysis,
    Band,
    GroupSimilarity,
    Half,
    HalfSimilarity,
    StateBands,
)
from mothertongue.analysis.runs import Group, Sample, draw, grouped, read_runs
from mothertongue.analysis.similarity import Floats, Moments
from mothertongue.data.clips import load_clip
from mothertongue.data.manifest import ROOT, Split
from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment.load import load_run
from mothertongue.experiment.records import StrategySettings
from mothertongue.model.context import Context
from mothertongue.model.devices import best_device
from mothertongue.model.load import Base, load_base
from mothertongue.model.tokenizer import Tokens
from mothertongue.strategies.base import Whisper
from mothertongue.system.environment import environment

Advance = Callable[[int], None]
"""A callback that receives the number of utterances just read, in the base and in a run."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a measurement, and its data."""

    data: Path | None
    split: Split
    n: int
    seed: int
    context: Context
    decoder: bool
    threshold: float


class Drift:
    """Sums over all states of encoder or decoder before and after tuning; memory stays flat."""

    def __init__(self, num_states: int, width: int, seed: int) -> None:
        self.width = width
        self.moments = [Moments() for _ in range(num_states)]
        self.heatmap = HeatMap(num_states, seed)

    def update(self, x_SND: Floats, y_SND: Floats) -> None:
        """Add N rows, before and after."""
        for moments, x_ND, y_ND in zip(self.moments, x_SND, y_SND, strict=True):
            moments.update(x_ND, y_ND)
        self.heatmap.update(x_SND, y_SND)

    def figures(self) -> "Figures":
        """Return a value for each state and metric, and the S x S heat map."""
        return Figures(
            rows=self.moments[0].rows,
            width=self.width,
            cka=[each.cka() for each in self.moments],
            svcca=[each.svcca() for each in self.moments],
            pwcca=[each.pwcca() for each in self.moments],
            heatmap=self.heatmap.cka(),
            minibatches=self.heatmap.minibatches,
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """The similarity of each of S states by each metric, and the S x S heat map, of one run."""

    rows: int
    width: int
    cka: list[float]
    svcca: list[float]
    pwcca: list[float]
    heatmap: Floats
    minibatches: int


def analyze_runs(
    runs: Sequence[Path],
    *,
    data: Path | None = None,
    split: Split = "validation",
    n: int = 100,
    seed: int = 0,
    context: Context = "full",
    decoder: bool = False,
    threshold: float = 0.95,
    advance: Advance = lambda _: None,
) -> Analysis:
    """Return the similarity of each state before and after tuning, by groups of runs.

    It is measured on `n` utterances drawn with `seed` from a split of `data`, or of each
    run's own data. Runs that differ only in train.seed are one group. Liu et al. 2024, Figure 1;
    all in float32. Raises DataError where a folder is no run or states are not finite, ConfigError
    where the runs' bases differ, an option is out of its range or there are fewer than 2 usable
    utterances.
    """
    if not 0 < threshold <= 1:
        raise ConfigError(f"threshold: {threshold}, expected above 0 and at most 1, such as 0.95")
    settings = Settings(data, split, n, seed, context, decoder, threshold)
    found = read_runs(runs)
    base = load_base(found[0].experiment.base)
    _ready(base.model)
    return Analysis(
        base=base.name,
        base_digest=base.digest,
        runs=[str(path) for path in runs],
        split=split,
        n_asked=n,
        seed=seed,
        context=context,
        threshold=threshold,
        precision="fp32",
        minibatch_rows=MINIBATCH_ROWS,
        groups=[_group(base, group, settings, advance) for group in grouped(found)],
        environment=environment(),
    )


def first_below(values_S: Sequence[float], threshold: float) -> int | None:
    """Return the lowest state whose value is below the threshold; None if there is none."""
    return next((i for i, value in enumerate(values_S) if value < threshold), None)


def layers_to_freeze(cka_S: Sequence[float], threshold: float) -> int:
    """Return how many bottom encoder layers, with the stem, stay at the threshold or above.

    State 0 is the stem's, state i that after layer i.
    """
    below = first_below(cka_S, threshold)
    return len(cka_S) - 1 if below is None else max(0, below - 1)


def measure(
    before: Whisper,
    after: Whisper,
    sample: Sample,
    tokens: Tokens | None,
    settings: Settings,
    advance: Advance,
) -> dict[Half, Figures]:
    """Return `Drift.figures` of the encoder and, if `tokens` are given, of the decoder."""
    drifts: dict[Half, Drift] = {}
    for each in sample.utterances:
        clip = load_clip(ROOT, each)
        label = tokens.label(each.text, each.language) if tokens else None
        x = read_states(before, clip, settings.context, label)
        y = read_states(after, clip, settings.context, label)
        for half in x:
            if half not in drifts:
                drifts[half] = Drift(len(x[half]), x[half].shape[-1], settings.seed)
            drifts[half].update(x[half], y[half])
        advance(1)
    return {half: drift.figures() for half, drift in drifts.items()}


def _group(base: Base, group: Group, settings: Settings, advance: Advance) -> GroupSimilarity:
    experiment = group.runs[0].experiment
    paths = experiment.manifests if settings.data is None else (settings.data,)
    tokens = base.tokens.borrowing(experiment.borrow) if settings.decoder else None
    sample = draw(paths, settings.split, settings.n, settings.seed, tokens)
    measured = [
        measure(base.model, _tuned(run.path), sample, tokens, settings, advance)
        for run in group.runs
    ]
    means_S = np.mean([each["encoder"].cka for each in measured], axis=0).tolist()
    names = state_names(base.model)
    return GroupSimilarity(
        group=group.name,
        runs=[str(run.path) for run in group.runs],
        train_seeds=[run.experiment.train.seed for run in group.runs],
        strategy=StrategySettings.model_validate(experiment.strategy.model_dump(mode="json")),
        data=[str(path) for path in paths],
        language=",".join(sorted({each.language for each in sample.utterances})),
        n_utterances=len(sample.utterances),
        n_usable=sample.usable,
        n_unusable=sample.unusable,
        utterances=[each.id for each in sample.utterances],
        encoder=_over_seeds([each["encoder"] for each in measured], names["encoder"]),
        decoder=_over_seeds([each["decoder"] for each in measured], names["decoder"])
        if "decoder" in measured[0]
        else None,
        first_below=first_below(means_S, settings.threshold),
        freeze_encoder_layers=layers_to_freeze(means_S, settings.threshold),
    )


def _over_seeds(figures: Sequence[Figures], names: Sequence[str]) -> HalfSimilarity:
    states = [
        StateBands(
            name,
            cka=_band([each.cka[i] for each in figures]),
            svcca=_band([each.svcca[i] for each in figures]),
            pwcca=_band([each.pwcca[i] for each in figures]),
        )
        for i, name in enumerate(names)
    ]
    return HalfSimilarity(
        n_rows=figures[0].rows,
        width=figures[0].width,
        states=states,
        heatmap=np.mean([each.heatmap for each in figures], axis=0).tolist(),
        minibatches=figures[0].minibatches,
    )


def _band(values: Sequence[float]) -> Band:
    return Band(float(np.mean(values)), min(values), max(values), list(values))


def _tuned(path: Path) -> Whisper:
    model = load_run(path).base.model
    if odd := [name for name, value in model.named_parameters() if not value.isfinite().all()]:
        raise DataError(
            f"{path}: {len(odd)} weights are not finite ({odd[0]}); training diverged: train again "
            "with a lower train.learning_rate"
        )
    return _ready(model)


def _ready(model: Whisper) -> Whisper:
    """Return the model on the best device in evaluation mode: new modules are in training mode."""
    return nn.Module.eval(nn.Module.to(model, best_device()))
