"""Format scores of long recordings as tables of text, beside those of their clips alone. No torch.

Rates are in percent.
"""

from collections.abc import Sequence

from mothertongue.data.languages import Measure
from mothertongue.evaluation.records import Decoding, LongScores, Ratio, TimeErrors
from mothertongue.experiment.run_dir import BASE_PREFIX, LONG_PREFIX
from mothertongue.report.inputs import RunRecords
from mothertongue.report.tables.cells import ABSENT, BASE, Row, rate, set_name
from mothertongue.report.tables.sheets import Sheet

NOTE = (
    "clips: the clips of these recordings, each alone; ratio: the recordings' rate by that of the "
    "clips, 1.00 is as good; start and end: median distance in seconds of the first and the last "
    "word of a clip from its speech, of the words that were recognized"
)


def long_form_sheets(language: str, runs: Sequence[RunRecords], normalizer: str) -> list[Sheet]:
    """Return a table for each set of recordings that a run or its base was scored on."""
    names = sorted({name.removeprefix(BASE_PREFIX) for run in runs for name in run.long_scores})
    return [_sheet(language, name, runs, normalizer) for name in names]


def _sheet(language: str, name: str, runs: Sequence[RunRecords], normalizer: str) -> Sheet:
    rows: dict[Row, None] = {}  # runs of one base have the same row of it
    measures = []
    for stored, is_base in ((BASE_PREFIX + name, True), (name, False)):
        for run in runs:
            if found := run.long_scores.get(stored):
                measures.append(_measure(found))
                label = (BASE, ABSENT) if is_base else (run.strategy, run.name)
                rows[*label, *_figures(found, normalizer)] = None
    measure = measures[0].upper()
    return Sheet(
        f"{language}: long recordings of {set_name(name.removeprefix(LONG_PREFIX))}",
        (
            *("strategy", "run", "decoding", "recordings", "minutes", f"{measure} %", "95 %"),
            *(f"clips {measure} %", "95 %", "ratio", "95 %", "start s", "end s"),
        ),
        tuple(rows),
        labels=3,
        note=NOTE,
    )


def _measure(found: LongScores) -> Measure:
    return found.ratio.measure if found.ratio else "wer"


def _figures(found: LongScores, normalizer: str) -> Row:
    measure, alone = _measure(found), found.scores_clips
    minutes = sum(each.duration_s for each in found.recordings) / 60
    return (
        _decoding(found.decoding),
        f"{len(found.recordings):,}",
        f"{minutes:.1f}",
        *rate(found.scores[normalizer], measure),
        *(rate(alone[normalizer], measure) if alone else (ABSENT, ABSENT)),
        *_ratio(found.ratio),
        *_times(found.times),
    )


def _decoding(settings: Decoding) -> str:
    said = [f"{settings.get('beam_size', 1)} beams", f"VAD {settings.get('vad', 'off')}"]
    if settings.get("lm"):
        said.append(f"LM {settings['lm_weight']:g}")
    if settings.get("hotwords"):
        said.append("hot words")
    return ", ".join(said)


def _ratio(found: Ratio | None) -> Row:
    if not found or found.ratio is None or found.interval95 is None:
        return ABSENT, ABSENT
    low, high = found.interval95
    return f"{found.ratio:.2f}", f"{low:.2f}-{high:.2f}"


def _times(found: TimeErrors | None) -> Row:
    errors = (found.median_start_error_s, found.median_end_error_s) if found else (None, None)
    return tuple(ABSENT if each is None else f"{each:.2f}" for each in errors)
