"""Build the result of a comparison, of a grid or of single runs (`schema.py`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from mothertongue.comparison.average_rows import AverageRow, weight_averages
from mothertongue.comparison.paired_scores import (
    PRIMARY_NORMALIZER,
    Scored,
    on_fronts,
    with_differences,
)
from mothertongue.comparison.schema import (
    Base,
    Language,
    MeanRow,
    OtherSet,
    Pareto,
    Point,
    Retention,
    RunCost,
    Scores,
    Settings,
    SplitSize,
    StrategyRow,
)
from mothertongue.data.card import Card, read_card
from mothertongue.data.languages import Measure
from mothertongue.data.manifest import SPLITS, Utterance, manifest_path, read_data
from mothertongue.experiment.records import Cost, RunRecord
from mothertongue.experiment.run_dir import TEST_SCORES, RunDir
from mothertongue.system.json_files import field_values

PSEUDO_LABELS = "of train, pseudo-labels"


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy of one language: its runs, one for each seed, their scores and their cost."""

    strategy: str
    settings: Settings
    out_of: int
    """The number of settings that these were chosen from."""
    runs: Sequence[str]
    chosen_at_wer: float | None
    chosen_at_cer: float | None
    found: Mapping[str, Scored]
    """The scores on each set of clips; `test` is the language's own test split."""
    retention: Retention | None
    cost: RunCost


def language_result(
    manifests: Sequence[Path],
    measure: Measure,
    base: Mapping[str, Scored],
    rows: Sequence[Row],
    reference: str,
    doubts: Sequence[str],
    averages: Sequence[AverageRow] = (),
) -> Language:
    """Return the result of one language: its data, the base's scores, and each strategy's.

    `base` has the base model's scores on each set. Without scores on the test split, nothing is
    compared with the base. `averages` of weights are compared with their strategy alone.
    """
    scores = [each.found[TEST_SCORES].scores() for each in rows]
    rates = [each[PRIMARY_NORMALIZER].rate(measure) for each in scores]
    fronts = on_fronts(rates, [each.cost for each in rows])
    strategies = [_strategy(*each) for each in zip(rows, scores, fronts, strict=True)]
    found = {each.strategy: each.found for each in rows}
    return Language(
        measure=measure,
        data=data_sizes(manifests),
        cards=data_cards(manifests),
        base=_base(base),
        strategies=with_differences(strategies, found, reference, base, measure),
        weight_averages=weight_averages(averages, found, measure),
        doubts=list(doubts),
    )


def point(
    language: str, strategy: str, settings: Settings, seed: int, run: str, record: RunRecord
) -> Point:
    """Return the scores and costs of one run on the split that chooses, from its record."""
    return Point(
        language=language,
        strategy=strategy,
        settings=settings,
        seed=seed,
        run=run,
        split=record.selected_on,
        measure=record.select_by,
        wer=record.best_validation_wer,
        interval95=record.best_validation_interval95,
        cer=record.best_validation_cer,
        cer_interval95=record.best_validation_cer_interval95,
        best_step=record.best_step,
        trainable_parameters=record.trainable_parameters,
        wall_s=wall_s(record),
    )


def averages(languages: Mapping[str, Language], reference: str) -> list[MeanRow]:
    """Return mean rates over languages, and the changes that Liu et al. 2024 report.

    Languages that are compared by CER have a separate mean. `relative_to_base` and
    `relative_to_reference` are changes of the averages (not averages of the changes),
    `points_to_reference` their difference: the paper gives FFT as the second, BAFT as the third.
    Only strategies that were run in every language of the mean.
    """
    measures = dict.fromkeys(each.measure for each in languages.values())
    groups = {
        measure: {name: each for name, each in languages.items() if each.measure == measure}
        for measure in measures
    }
    return [
        each for measure, group in groups.items() for each in _averages(group, measure, reference)
    ]


def _averages(languages: Mapping[str, Language], measure: Measure, reference: str) -> list[MeanRow]:
    scores = [each.base.scores for each in languages.values() if each.base]
    base = fmean(each[PRIMARY_NORMALIZER].rate(measure) for each in scores)
    means = _means(languages, measure)
    middle = means.get(reference)
    return [
        MeanRow(
            strategy=arm,
            measure=measure,
            languages=list(languages),
            rate=mean,
            base_rate=base,
            relative_to_base=mean / base - 1,
            relative_to_reference=mean / middle - 1 if middle else None,
            points_to_reference=mean - middle if middle else None,
        )
        for arm, mean in means.items()
    ]


def _means(languages: Mapping[str, Language], measure: Measure) -> dict[str, float]:
    by_arm: dict[str, list[float]] = {}
    for each in languages.values():
        for row in each.strategies:
            rate = row.scores[PRIMARY_NORMALIZER].rate(measure)
            by_arm.setdefault(row.strategy, []).append(rate)
    return {arm: fmean(rates) for arm, rates in by_arm.items() if len(rates) == len(languages)}


def _base(found: Mapping[str, Scored]) -> Base | None:
    if TEST_SCORES not in found:
        return None
    test = found[TEST_SCORES]
    others = {name: each.scores() for name, each in found.items() if name != TEST_SCORES}
    return Base(test.scores(), test.error_kinds(), others)


def _strategy(row: Row, scores: Scores, front: Pareto) -> StrategyRow:
    others = {name: each for name, each in row.found.items() if name != TEST_SCORES}
    return StrategyRow(
        strategy=row.strategy,
        settings=row.settings,
        out_of=row.out_of,
        runs=list(row.runs),
        chosen_at_wer=row.chosen_at_wer,
        chosen_at_cer=row.chosen_at_cer,
        scores=scores,
        anatomy=row.found[TEST_SCORES].error_kinds(),
        also={name: OtherSet(each.scores()) for name, each in others.items()},
        retention=row.retention,
        pareto=front,
        **field_values(row.cost),
    )


def data_sizes(manifests: Sequence[Path]) -> dict[str, SplitSize]:
    """Return the size of each split (the paper's table 2), and of the pseudo-labels in train, if
    there are any."""
    utterances = read_data(manifests)
    sizes = {split: _size([each for each in utterances if each.split == split]) for split in SPLITS}
    pseudo = [each for each in utterances if each.is_pseudo_labelled]
    return sizes | ({PSEUDO_LABELS: _size(pseudo)} if pseudo else {})


def data_cards(manifests: Sequence[Path]) -> list[Card]:
    """Return the card that `prepare` or `label` wrote beside each manifest, where there is one,
    with the name of its folder."""
    return [
        replace(card, folder=manifest_path(path).parent.name)
        for path in manifests
        if (card := read_card(path)) is not None
    ]


def _size(utterances: Sequence[Utterance]) -> SplitSize:
    return SplitSize(
        clips=len(utterances),
        hours=sum(each.duration_s for each in utterances) / 3600,
        speakers=len({each.speaker for each in utterances} - {None}),
    )


def run_cost(
    records: Sequence[RunRecord], tried: Sequence[RunRecord | Cost], first: RunDir
) -> RunCost:
    """Return the cost of the runs of one row, one for each seed.

    `tried` has all runs that were made to choose it: the records of those trained to the end, the
    costs of those that were cut.
    """
    weights = first.best / "trained.safetensors"
    return RunCost(
        trainable_parameters=records[0].trainable_parameters,
        parameters=records[0].parameters,
        steps=[each.steps for each in records],
        step_s=fmean(each.train_s / each.steps for each in records),
        wall_s=fmean(map(wall_s, records)),
        warm_share=fmean(map(_warm_share, records)),
        search_wall_s=sum(map(wall_s, tried)),
        peak_memory_bytes=max(each.peak_memory_bytes for each in records),
        size_bytes=weights.stat().st_size,
        device=records[0].device,
    )


def wall_s(record: RunRecord | Cost) -> float:
    """Return the seconds of training and validation."""
    return record.train_s + record.validate_s


def _warm_share(record: RunRecord) -> float:
    cache = record.prefix_cache
    return max(0.0, 1 - cache.computed / cache.needed) if cache else 0.0
