"""Count the averages of weights that a comparison will make, before it runs."""

from collections.abc import Iterator, Sequence

from transformers import WhisperConfig

from mothertongue.comparison.average_scores import ALPHAS
from mothertongue.comparison.dry_run_records import CountedAverage
from mothertongue.comparison.grid import Candidate, Grid, LanguageData, TestSet
from mothertongue.comparison.weight_averages import ingredients
from mothertongue.data.manifest import read_data


def counted_averages(
    grid: Grid, candidates: Sequence[Candidate], config: WhisperConfig
) -> Iterator[CountedAverage]:
    """Yield each average with its runs and the clips that it decodes on validation and retention.

    The values of a sweep are not chosen yet: the first ones stand for them. Retention sets that are
    not there count no clips.
    """
    settings = grid.average
    if settings is None:
        return
    models = len(ALPHAS) + 1 if settings.with_base else 1
    kept = sum(map(_clips, grid.retention.values())) if settings.with_base else 0
    for (language, arm), seeds in _first_values(candidates).items():
        clips = _validation_clips(grid.languages[language])
        runs = {each.experiment.name: each.experiment for each in seeds}
        names = ingredients(settings, runs, config, f"{language}, {arm}", lambda _: None)
        if names and clips:
            yield CountedAverage(language, arm, len(names), models, clips, kept)


def _first_values(candidates: Sequence[Candidate]) -> dict[tuple[str, str], list[Candidate]]:
    """Return the runs of the first values of each strategy in each language, one for each seed."""
    found: dict[tuple[str, str], list[Candidate]] = {}
    for each in candidates:
        seeds = found.setdefault((each.language, each.arm), [])
        if not seeds or seeds[0].settings == each.settings:
            seeds.append(each)
    return found


def _validation_clips(place: LanguageData) -> int:
    if place.is_there:
        return sum(each.split == "validation" for each in read_data(place.manifests))
    return place.rows[1] if place.rows else 0


def _clips(scored: TestSet) -> int:
    if not scored.data.exists():
        return 0
    return sum(each.split == scored.split for each in read_data([scored.data]))
