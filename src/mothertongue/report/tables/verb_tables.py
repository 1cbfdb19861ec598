"""Show the results of verbs as tables for a terminal. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from mothertongue.system.console import gigabytes, interval, plain

if TYPE_CHECKING:  # for what no extra is installed, too
    from mothertongue.decoding.lm.folder import LmRecord
    from mothertongue.evaluation.rates import Score
    from mothertongue.evaluation.records import SplitScores
    from mothertongue.experiment.records import RunRecord
    from mothertongue.export.records import Verification
    from mothertongue.inference.records import TranscribeResult
    from mothertongue.report.write import Written

NEXT = """\
  mothertongue prepare my_corpus.csv --language sw --out data/mine
  mothertongue train my_experiment.yaml      # name, base, language, data, strategy, train
  mothertongue evaluate runs/my_experiment --data data/mine
  mothertongue transcribe runs/my_experiment a_recording.m4a"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """The result of `demo`."""

    data: str
    before: "Score"
    after: "Score"
    wall_s: float
    peak_memory_bytes: int
    run: str
    examples: Sequence[Mapping[str, str]]
    """Texts by their names: reference, before and after."""
    train: Mapping[str, float]
    """The steps and the costs of the run."""


def score_tables(result: "SplitScores") -> Group:
    """Return tables of the scores of `evaluate`; a run's base, if scored, comes first."""
    base = [score_table(result.base)] if result.base else []
    return Group(*base, score_table(result))


def score_table(result: "SplitScores") -> Table:
    """Return a table of scores: a row for each normalizer and context."""
    title = f"{result.model} on {result.split} of {result.data}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("context", "normalizer", "WER", "95 %", "CER", "S/D/I", "words", "clips"):
        is_name = name in ("context", "normalizer")
        table.add_column(name, justify="left" if is_name else "right", no_wrap=True)
    for scores in (result.scores, result.scores_cut or {}):
        for score in scores.values():
            table.add_row(*_score_cells(score))
    notes = (_unfinished(result), _weighed(result))
    table.caption, table.caption_justify = "\n".join(filter(None, notes)) or None, "left"
    return table


def _weighed(result: "SplitScores") -> str | None:
    """Return the weight of the language model and how it was chosen; None without one."""
    lm = result.lm
    if not lm:
        return None
    decoding = result.decoding
    tried = ", ".join(f"{x.weight:g}: {100 * x.wer:.1f}/{100 * x.cer:.1f}" for x in lm.trials)
    said = f"language model {decoding['lm']}, weight {decoding['lm_weight']:g}"
    return f"{said}; validation WER/CER % by weight: {tried}" if tried else said


def _unfinished(result: "SplitScores") -> str | None:
    """Return how many transcripts looped or were cut; None if all ended normally."""
    told = {
        "ended in a loop, which stands in the transcript once": result.looped_clips,
        "met the limit of tokens: their end is missing": result.cut_clips,
    }
    return "\n".join(f"{count:,} clips {what}" for what, count in told.items() if count) or None


def before_after_table(before: "Score", after: "Score", title: str) -> Table:
    """Return a table of the scores of one split before and after tuning."""
    table = Table("", "WER", "95 %", "CER", "95 %", "clips", title=title, title_justify="left")
    for name, score in (("before", before), ("after", after)):
        table.add_row(
            name,
            f"{score.wer:.1%}",
            interval(score.interval95),
            f"{score.cer:.1%}",
            interval(score.cer_interval95),
            f"{score.n}",
        )
    return table


def _score_cells(score: "Score") -> list[str]:
    edits = (score.substitutions, score.deletions, score.insertions)
    return [
        "30 s" if score.context == "full" else "cut",
        score.normalizer,
        f"{score.wer:.1%}",
        interval(score.interval95),
        f"{score.cer:.1%}",
        "/".join(str(count) for count in edits),
        f"{score.reference_words:,}",
        f"{score.n:,}",
    ]


def run_table(record: "RunRecord", folder: str) -> Table:
    """Return a table of the record that `train` wrote."""
    table = Table(title=f"Run {folder}", title_justify="left", show_header=False)
    share = record.trainable_parameters / record.parameters
    early = ", stopped early" if record.stopped_early else ""
    table.add_row("trained", f"{record.trainable_parameters:,} parameters ({share:.1%})")
    table.add_row("steps", f"{record.steps:,}{early}")
    if pseudo := record.pseudo_labels:
        table.add_row("pseudo-labels", f"{pseudo.hours:.2f} of {pseudo.of_hours:.2f} hours")
    table.add_row("best weights", record.best_weights)
    on_test = record.selected_on == "test"
    name = f"{'test' if on_test else 'validation'} {record.select_by.upper()}"
    name += ", chosen on test" if on_test else ""
    rate = f"{record.best.rate(record.select_by):.1%}" if record.best else "no validation split"
    table.add_row(name, rate)
    table.add_row("time", f"{record.train_s:.0f} s training, {record.validate_s:.0f} s validating")
    table.add_row("peak memory", gigabytes(record.peak_memory_bytes))
    return table


def verification_table(folder: str, result: "Verification") -> Table:
    """Return a table of an export and its verification."""
    table = Table(title=f"Verified: {folder}", title_justify="left", show_header=False)
    engine = result.engine
    same, clips = result.identical, result.clips
    change, low, high = (100 * x for x in (result.difference, *result.interval95))
    table.add_row("format", f"{result.format}, {result.type}")
    table.add_row("engine", f"{engine.name} {engine.version}")
    table.add_row("the same tokens", f"{same} of {clips} clips of {result.split}")
    table.add_row(
        "WER",
        f"{result.wer_run:.1%} -> {result.wer:.1%} "
        f"({change:+z.2f} points, 95 % {low:+z.2f} to {high:+z.2f})",
    )
    if result.clips_cut:
        table.add_row(
            "cut at the engine's limit",
            f"{result.clips_cut} of {clips} clips, WER with the run cut alike; "
            f"the run's whole transcripts have {result.wer_run_uncut:.1%}",
        )
    if result.token_limit.advice:
        table.add_row("limit of tokens", result.token_limit.advice)
    table.add_row("same language detected", f"{result.language_detection:.0%} of the clips")
    table.add_row("lost", ", ".join(result.lost) or "nothing")
    table.add_row("size", f"{result.size_bytes / 1e6:,.1f} MB")
    speed = result.run_decode_s / result.decode_s
    table.add_row("speed", f"{speed:.2f} of the run's in torch, clip by clip at 30 s")
    memory = gigabytes(result.peak_memory_bytes), gigabytes(result.run_peak_memory_bytes)
    table.add_row("peak memory", f"{memory[0]}, the run's {memory[1]}")
    return table


def report_line(result: "Written") -> str:
    """Return the path of a page, and the number of clips without sound."""
    size = f"{result.bytes / 1e6:.1f} MB"
    sound = f"{result.playable:,} of {result.clips:,} clips with sound"
    scored = sound if result.clips else "no clips yet; mothertongue evaluate adds them"
    lines = [f"{result.page}: {size}, {scored}"]
    if result.over_budget:
        lines.append(
            f"{result.over_budget:,} clips are silent: the sound embedded is limited by "
            "--audio-mb; --audio beside writes all of it next to the page"
        )
    unreadable = result.unreadable
    if unreadable:
        lines.append(f"{len(unreadable):,} clips could not be read: {unreadable[0]}")
    return "\n".join(lines)


def transcript_lines(result: "TranscribeResult", out: Path | None, text: str) -> str:
    """Return the transcripts, with file names if there are several; or a line about `out`.

    It is no Text: rich would break its lines at the terminal's width, and JSON within its strings.
    """
    files = result.files
    if out is not None:
        seconds = sum(each.duration_s for each in files)
        line = f"{len(files):,} recordings, {seconds / 60:,.1f} min, are written below {out}"
        there = result.already_done
        line += f"; {there:,} were there already" if there else ""
        cut = sum(each.cut for each in files)
        line += f"; in {cut:,} places text is missing (is_cut in --format json)" if cut else ""
        return line
    if len(files) == 1:
        return text.rstrip("\n")
    return "\n\n".join(f"{each.audio}\n{each.text}" for each in files)


def demo_tables(result: DemoResult) -> Group:
    """Return tables of the demo's results, and the commands to type next."""
    title = f"whisper-base on the test split ({result.data}), at 30 s context"
    used = f"{result.wall_s / 60:.1f} min, peak memory {gigabytes(result.peak_memory_bytes)}"
    examples = Table("", "transcript", title="Three clips", title_justify="left", show_lines=True)
    for each in result.examples:
        names = ("reference", "before", "after")
        examples.add_row("\n".join(names), Text("\n".join(plain(each[name]) for name in names)))
    return Group(
        before_after_table(result.before, result.after, title),
        Text(used),
        examples,
        Text(f"The tuned model is in {result.run}. With your own recordings:\n{NEXT}"),
    )


def lm_table(record: "LmRecord", out: str) -> Table:
    """Return a table of the language model that `lm` made."""
    table = Table("", "", title=f"language model {out}", title_justify="left", box=SIMPLE_HEAD)
    table.columns[1].justify = "right"
    total = record.sentences + record.taken_out
    table.add_row("sentences", f"{record.sentences:,}")
    table.add_row(
        "removed: validation or test has them",
        f"{record.taken_out:,} of {total:,} ({record.taken_out / total:.1%})",
    )
    table.add_row("tokens", f"{record.tokens:,}")
    for length, count in enumerate(record.ngrams, start=1):
        table.add_row(f"{length}-grams", f"{count:,}")
    if not record.held_out:
        table.caption = "No validation or test sentences were given: add --held-out DATA"
        table.caption_justify = "left"
    return table
