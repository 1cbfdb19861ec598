"""Write a comparison's figures as CSV: ratios, seconds, bytes, in full precision. No torch.

Liu, Yang, Qu 2024               file           rows
table 2, data                    data.csv       all
table 3, untouched Whisper       base.csv       normalizer whisper is the one of OpenAI's figures
table 4, full and freezing       table.csv      the base, full, freeze
table 5, adapters                table.csv      the base, full, bottleneck, lora
table 6, parameters and time     table.csv      columns trainable_parameters, step_s, wall_s
averages in the text             average.csv    all
figure 2, frozen layers          curves.csv     strategy freeze
figure 3, layers started anew    curves.csv     strategy reinit
figure 5, adapters' width        curves.csv     strategy bottleneck, by dim
figure 6, adapters' layers       curves.csv     strategy bottleneck, by encoder_top

Strategies go by the names that the grid gives them. Figure 1 is the analysis's.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from mothertongue.comparison.schema import (
    Comparison,
    Retained,
    Scores,
    Settings,
    StrategyRow,
    SystemDifference,
    WeightAverage,
)
from mothertongue.evaluation.rates import RateChange, Rates
from mothertongue.experiment.records import AlphaRetention
from mothertongue.report.tables.cells import BASE, set_name
from mothertongue.report.tables.markup import one_line
from mothertongue.report.text.summary import warning
from mothertongue.system.files import open_atomically
from mothertongue.system.json_files import field_values

Json = dict[str, Any]
"""A row of a file: values by column."""
MEAN_OF_SETS = "(mean)"
FORMULA = ("=", "+", "-", "@")
"""The characters that a spreadsheet takes for the start of a formula."""


def csv_files(result: Comparison) -> dict[str, list[Json]]:
    """Return the rows of each file by its name; a row has only columns with a value."""
    return {
        "table.csv": list(_systems(result)),
        "average.csv": list(_averages(result)),
        "retention.csv": list(_retention(result)),
        "also.csv": list(_also(result)),
        "data.csv": list(_data(result)),
        "base.csv": list(_base(result)),
        "curves.csv": list(_curves(result)),
        "weight_averages.csv": list(_weight_averages(result)),
        "alphas.csv": list(_alphas(result)),
    }


def write_csv(path: Path, rows: Sequence[Json], result: Comparison) -> None:
    """Write rows, each with the split of the choices and its warning.

    Text is one line; text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    label = {"chosen_on": result.chosen_on, "warning": warning(result)}
    columns = [*dict.fromkeys(name for row in rows for name in row), *label]
    with open_atomically(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(_cell, columns))
        for row in rows:
            writer.writerow([_cell((row | label).get(name)) for name in columns])


def _cell(value: Any) -> Any:
    """Return a cell: empty for None, a number unchanged, other values as safe text."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    text = one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return f"'{text}" if text.startswith(FORMULA) else text


def _systems(result: Comparison) -> Iterator[Json]:
    for language, found in result.languages.items():
        if found.base:
            base = {"language": language, "strategy": BASE, "measure": found.measure}
            base |= _swept(result, {})
            yield base | _scores(found.base.scores)
        for row in found.strategies:
            yield {
                "language": language,
                "strategy": row.strategy,
                "measure": found.measure,
                **_swept(result, row.settings),
                **_scores(row.scores),
                **_tested(result, row),
                **_costs(row),
            }


def _tested(result: Comparison, row: StrategyRow) -> Json:
    return {
        "seeds": len(row.runs),
        "combinations_tried": row.out_of,
        "chosen_at_wer": row.chosen_at_wer,
        "chosen_at_cer": row.chosen_at_cer,
        "is_reference": row.strategy == result.reference,
        **_difference("vs_base", row.vs_base),
        **_difference("vs_reference", row.vs_reference),
        **_difference("vs_best", row.vs_best),
    }


def _costs(row: StrategyRow) -> Json:
    names = ("trainable_parameters", "parameters", "step_s", "wall_s", "search_wall_s")
    return {
        **{name: getattr(row, name) for name in names},
        "mean_steps": fmean(row.steps),
        **{name: getattr(row, name) for name in ("peak_memory_bytes", "size_bytes", "device")},
        "is_on_parameters_front": row.pareto.parameters,
        "is_on_time_front": row.pareto.time,
    }


def _averages(result: Comparison) -> Iterator[Json]:
    """Yield changes of the mean: `difference` is absolute, `relative_change` a share."""
    for each in result.average:
        yield {
            "strategy": each.strategy,
            "languages": len(each.languages),
            "measure": each.measure,
            "mean": each.rate,
            "base_mean": each.base_rate,
            "relative_change_to_base": each.relative_to_base,
            "relative_change_to_reference": each.relative_to_reference,
            "difference_to_reference": each.points_to_reference,
            "reference": result.reference,
        }


def _retention(result: Comparison) -> Iterator[Json]:
    for language, found in result.languages.items():
        for row in found.strategies:
            kept = row.retention
            sets = {**kept.sets, MEAN_OF_SETS: kept.mean} if kept else {}
            for name, measures in sets.items():
                yield from _forgotten(language, row.strategy, name, measures)


def _forgotten(language: str, strategy: str, name: str, found: Retained) -> Iterator[Json]:
    where = {"language": language, "strategy": strategy, "set": name}
    for measure, change in field_values(found).items():
        if isinstance(change, RateChange):  # beside the measures stand n and the normalizer
            low, high = change.interval95
            rates = {key: getattr(change, key) for key in ("before", "after", "difference")}
            yield {**where, "measure": measure, **rates, "low": low, "high": high}


def _also(result: Comparison) -> Iterator[Json]:
    for language, found in result.languages.items():
        for name, scores in (found.base.also if found.base else {}).items():
            where = {"language": language, "set": set_name(name)}
            yield {**where, "strategy": BASE, **_scores(scores)}
            for row in found.strategies:
                other = row.also[name]
                scored = {"strategy": row.strategy, **_scores(other.scores)}
                yield {**where, **scored, **_difference("vs_base", other.vs_base)}


def _data(result: Comparison) -> Iterator[Json]:
    for language, found in result.languages.items():
        for split, size in found.data.items():
            yield {"language": language, "split": split, **field_values(size)}


def _base(result: Comparison) -> Iterator[Json]:
    for language, found in result.languages.items():
        for name, scores in (found.base.scores if found.base else {}).items():
            where = {"language": language, "base": result.base, "normalizer": name}
            yield {**where, **_rates(scores), "clips": scores.n, "words": scores.words}


def _curves(result: Comparison) -> Iterator[Json]:
    chosen = {
        (language, row.strategy): row.runs
        for language, found in result.languages.items()
        for row in found.strategies
    }
    for point in result.curves:
        where = (point.language, point.strategy)
        low, high = point.interval95 or (None, None)
        cer_low, cer_high = point.cer_interval95 or (None, None)
        yield {
            "language": point.language,
            "strategy": point.strategy,
            **_swept(result, point.settings),
            **{name: getattr(point, name) for name in ("seed", "split", "measure", "wer")},
            "low": low,
            "high": high,
            "cer": point.cer,
            "cer_low": cer_low,
            "cer_high": cer_high,
            "best_step": point.best_step,
            "trainable_parameters": point.trainable_parameters,
            "wall_s": point.wall_s,
            "is_chosen": point.run in chosen.get(where, ()),
            "run": point.run,
        }


def _weight_averages(result: Comparison) -> Iterator[Json]:
    """Yield the test scores of each average of weights."""
    for language in result.languages:
        for each in result.languages[language].weight_averages:
            low, high = each.vs_seeds.interval95
            yield {
                **_whose(language, each),
                "measure": each.vs_seeds.measure,
                "seeds": len(each.runs),
                "alpha": each.alpha,
                "alpha_by": each.alpha_by,
                **_scores(each.scores),
                "vs_seeds": each.vs_seeds.difference,
                "vs_seeds_low": low,
                "vs_seeds_high": high,
                "vs_best_run_on_split": each.difference,
                "split": each.split,
                "size_bytes": each.size_bytes,
            }


def _alphas(result: Comparison) -> Iterator[Json]:
    """Yield each alpha of each average: its rates on the split that chose, and what it forgot."""
    for language in result.languages:
        for each in result.languages[language].weight_averages:
            for point in each.curve:
                facts = {"alpha": point.alpha, "is_taken": point.alpha == each.alpha}
                yield {
                    **_whose(language, each),
                    **facts,
                    "split": each.split,
                    **_rates(point.validation),
                    **_others(point.retention),
                }


def _whose(language: str, average: WeightAverage) -> Json:
    return {"language": language, "strategy": average.strategy, "run": average.run}


def _others(retention: AlphaRetention | None) -> Json:
    """Return the mean WER on the retention sets, and its change from the base."""
    columns = ("retention_wer", "forgotten", "forgotten_low", "forgotten_high")
    if retention is None:
        return dict.fromkeys(columns)
    wer = retention.mean.wer
    return dict(zip(columns, (wer.after, wer.difference, *wer.interval95), strict=True))


def _swept(result: Comparison, settings: Settings) -> Json:
    """Return a column for each name that any strategy swept."""
    names = dict.fromkeys(name for point in result.curves for name in point.settings)
    return {name: settings.get(name) for name in names}


def _scores(scores: Scores) -> Json:
    first = next(iter(scores.values()))
    columns = {"clips": first.n}
    for name, each in scores.items():
        columns |= {f"{name}_{key}": value for key, value in _rates(each).items()}
        others = ("sd_over_seeds", "cer_sd_over_seeds", "words", "characters")
        columns |= {f"{name}_{key}": getattr(each, key) for key in others}
    return columns


def _rates(scores: Rates | None) -> Json:
    if scores is None:
        return {}
    (low, high), (cer_low, cer_high) = scores.interval95, scores.cer_interval95
    wer = {"wer": scores.wer, "wer_low": low, "wer_high": high}
    return wer | {"cer": scores.cer, "cer_low": cer_low, "cer_high": cer_high}


def _difference(name: str, found: SystemDifference | None) -> Json:
    columns = (name, *(f"{name}_{each}" for each in ("low", "high", "p", "p_holm", "over_seeds")))
    if found is None:
        return dict.fromkeys(columns)
    values = (found.p, found.p_holm, found.over_seeds)
    return dict(zip(columns, (found.difference, *found.interval95, *values), strict=True))
