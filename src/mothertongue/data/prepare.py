"""A corpus to manifest.jsonl, rejected.jsonl, review.jsonl and a data card: every row is checked,
then all against each other."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from pathlib import Path

from pydantic import Field

from mothertongue.data import sound_facts as sound
from mothertongue.data.audio_paths import require_utf8
from mothertongue.data.card import write_card
from mothertongue.data.clip_checks import CountLabelTokens, Examined, Examiner, Limits, SetAside
from mothertongue.data.data_report import NUM_EXAMPLES, DataReport, SplitFacts
from mothertongue.data.decisions import Decided, Examine, read_decisions
from mothertongue.data.embedded_audio import AUDIO_FOLDER, stored
from mothertongue.data.languages import language_code
from mothertongue.data.long_rows import Align, Checked, LongRows, TooLong
from mothertongue.data.manifest import (
    MANIFEST_NAME,
    SPLITS,
    Split,
    Utterance,
    is_ours,
    manifest_path,
    write_manifest,
)
from mothertongue.data.prepared_leaks import Leak, judge_leaks, reject_duplicates
from mothertongue.data.row_counts import counted, with_row_counts
from mothertongue.data.row_database import RowDatabase, open_row_database
from mothertongue.data.sandbox.pool import Sandbox
from mothertongue.data.sources.base import Rejection, Row, Source
from mothertongue.data.sources.manifest import ManifestSource
from mothertongue.data.splits import SplitBy
from mothertongue.errors import DataError
from mothertongue.system.files import sweep, write_json_lines
from mothertongue.system.locks import alone

REJECTED_NAME = "rejected.jsonl"
REVIEW_NAME = "review.jsonl"
ALIGN_CACHE = "transcripts.jsonl"
"""The name of the file in which an aligner keeps what its model wrote."""
LOCK_NAME = ".mothertongue-lock"  # OUT may be the folder of the corpus, with a lock of its own
CHUNK_ROWS = 16  # the work of a thread at a time
PSEUDO_LABELS = "{:,} texts are pseudo-labels: a model wrote them"
ALIKE = (
    "speakers {!r} and {!r} are taken as two people, who may be in two splits; if they are one, "
    "write their name in one way"
)
SHARED: dict[SplitBy, str] = {
    "speaker": "split by speaker: a sentence in two splits is a leak, and is handled as such",
    "sentence": "speakers are unknown, few or read the same: split by sentence, speakers shared",
    "clip": "most clips have the same sentences: split by clip, and sentences are shared",
    "nothing": "too few clips, sentences or speakers to keep any apart: all clips are in train; "
    "record more, or give --text-leaks warn and --speaker-leaks warn",
}


class PrepareOptions(Limits):
    """Settings of the checks in `prepare` and `check`."""

    language: str | None = None
    """The language of rows that state none."""
    max_reject_fraction: float = Field(0.05, ge=0, le=1)
    """More rejected rows than this make the report not ok, and the exit code 65."""
    allow_outside: bool = False
    """Accept audio outside the data folder; URLs never."""
    text_leaks: Leak = "reject"
    """The action on a train row whose sentence is also in validation or test; likewise on a
    validation row whose sentence is in test. Sentences are equal by their letters, or by an id
    that the corpus gives them."""
    speaker_leaks: Leak = "warn"
    """The action on shared speakers. `warn`, as a corpus of one speaker would have no use else."""
    decisions: Path | None = None
    """A decisions.jsonl as `doctor` writes it and its page exports it: which clips to drop, and
    which texts to correct. What was decided does not count as rejected."""
    seed: int = Field(0, ge=0)
    """The seed of the split that is made where the corpus has none."""
    workers: int = Field(default_factory=lambda: min(8, os.cpu_count() or 1), ge=1)
    """The number of processes that decode."""


def prepare(
    source: Source,
    out: Path,
    options: PrepareOptions,
    count_label_tokens: CountLabelTokens,
    progress: Callable[[int], None] = lambda rows: None,
    align: Align | None = None,
) -> DataReport:
    """Write manifest.jsonl and rejected.jsonl to `out`, whole or not at all; return a report.

    Clips without a confirmed transcript are neither kept nor rejected: review.jsonl lists them.

    The report is written there too, as data_card.json, for the pages of the runs on them.

    Audio is not copied: its path is relative to `out` where it lies below, else absolute. Audio
    that is part of a table is written to `out`/audio. All files are written even when too much was
    rejected: `report.require_ok()` raises then. `count_label_tokens(text, language)` counts a
    label's tokens, its prefix and end included. `progress` is called with how many more rows are
    done. Rows that are too long are cut with `align`; without it they are rejected. Raises
    DataError where the corpus cannot be read, has no rows or would lose some of its own, and
    MothertongueError where another process prepares into `out`.
    """
    with alone(out / LOCK_NAME, out, "wait for it, stop it, or give --out another folder"):
        sweep(out)
        return _prepare(source, out, options, count_label_tokens, progress, align)


def _prepare(
    source: Source,
    out: Path,
    options: PrepareOptions,
    count_label_tokens: CountLabelTokens,
    progress: Callable[[int], None],
    align: Align | None,
) -> DataReport:
    seen: Counter[Split] = Counter()
    rows = stored(counted(source.rows(), seen), out / AUDIO_FOLDER)
    with _examined(source, rows, options, count_label_tokens, progress, align) as (ledger, report):
        _refuse_loss(source, out, report)
        write_json_lines(out / REJECTED_NAME, map(asdict, ledger.rejections()))
        write_json_lines(out / REVIEW_NAME, ledger.for_review())
        home = out.resolve()
        clips = (replace(clip, audio=_seen_from(home, clip)) for clip in ledger.utterances())
        write_manifest(out / MANIFEST_NAME, clips)
    report = with_row_counts(report, source, options.language, seen)
    warnings = (*report.warnings, *source.remarks)
    report = replace(report, warnings=warnings, labelling=source.labelling)
    write_card(out, report)
    return report


def _refuse_loss(source: Source, out: Path, report: DataReport) -> None:
    """Raise DataError if the manifest to write is the source, and would lack its rejected rows."""
    is_manifest = isinstance(source, ManifestSource)
    read = manifest_path(source.path) if is_manifest else source.path
    if report.num_faults and read.resolve() == (out / MANIFEST_NAME).resolve():
        raise DataError(
            f"{read}: {report.num_faults:,} of its {report.num_rows:,} rows are rejected "
            f"({report.reasons}), and --out would replace it by a manifest without them; expected "
            "another --out; mothertongue check lists these rows"
        )


def check(
    manifest: Path,
    options: PrepareOptions,
    count_label_tokens: CountLabelTokens,
    progress: Callable[[int], None] = lambda rows: None,
) -> DataReport:
    """Check a manifest, or the folder of one, as `prepare` does; write nothing."""
    source = ManifestSource(path=manifest)
    rows, exact = source.rows(), options.model_copy(update={"exact_durations": True})
    with _examined(source, rows, exact, count_label_tokens, progress, None) as (_, report):
        return report


@contextmanager
def _examined(
    source: Source,
    rows: Iterator[Row | Rejection],
    options: PrepareOptions,
    count_label_tokens: CountLabelTokens,
    progress: Callable[[int], None],
    align: Align | None,
) -> Iterator[tuple[RowDatabase, DataReport]]:
    language = options.language and language_code(options.language)
    root = source.root.resolve()
    for path in (source.path, root):
        require_utf8(str(path))
    may_leave = options.allow_outside or _is_ours(source)
    decisions = read_decisions(options.decisions) if options.decisions else {}
    with open_row_database() as ledger:
        with Sandbox(sound.TASK) as sandbox:
            listen = partial(sound.listen_in, sandbox)
            checked = Examiner(root, may_leave, language, options, count_label_tokens, listen)
            long_rows = LongRows(checked, align) if align else None
            examine = Decided(long_rows or checked, decisions)
            for item in _in_threads(rows, examine, options.workers):
                for part in _parts(item, long_rows, examine):
                    ledger.add(part)
                progress(1)
        examine.refuse_ambiguous()
        if not ledger.num_rows and not ledger.asides():
            raise DataError(f"{source.path}: no rows; expected one for each clip; check the path")
        report = _compared(ledger, options, source.layout())
        aligned = long_rows.aligned() if long_rows else None
        warnings = report.warnings + examine.unused()
        yield ledger, replace(report, warnings=warnings, alignment=aligned)


def _parts(
    item: Checked, long_rows: LongRows | None, examine: Examine
) -> Iterable[Examined | Rejection | SetAside]:
    """Return a row as it is, or what it was cut into."""
    if not isinstance(item, TooLong):
        return [item]
    assert long_rows is not None  # only it says that a row is too long
    return long_rows.cut(item, examine)


def _is_ours(source: Source) -> bool:
    return isinstance(source, ManifestSource) and is_ours(source.path)


def _in_threads(
    rows: Iterator[Row | Rejection], examine: Examine, workers: int
) -> Iterator[Checked]:
    """Yield each row after its check, in order. Memory holds a few chunks for each thread."""
    pending: deque[Future[list[Checked]]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        while chunk := list(islice(rows, CHUNK_ROWS)):
            pending.append(pool.submit(_examine_all, chunk, examine))
            if len(pending) > 2 * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _examine_all(chunk: list[Row | Rejection], examine: Examine) -> list[Checked]:
    return [row if isinstance(row, Rejection) else examine(row) for row in chunk]


def _compared(ledger: RowDatabase, options: PrepareOptions, layout: str) -> DataReport:
    """Run the checks that need all rows, and return the report."""
    ledger.index()
    reject_duplicates(ledger)
    ledger.merge_sentence_keys()
    split_by, warnings = _split(ledger, options)
    notes = ledger.notes()
    warnings += judge_leaks(ledger, "text", "sentence_key", options.text_leaks, notes)
    warnings += judge_leaks(ledger, "speaker", "speaker", options.speaker_leaks, notes)
    return _report(ledger, options, layout, notes, split_by, warnings)


def _split(ledger: RowDatabase, options: PrepareOptions) -> tuple[SplitBy, tuple[str, ...]]:
    ((num_kept, num_given, num_speakers),) = ledger.ask(
        "SELECT COUNT(*), COUNT(split), COUNT(speaker) FROM kept"
    )
    if not num_kept:
        return "nothing", ()
    if num_given:
        ledger.fault(
            "MAN-SPLIT",
            f"'no split, while {num_given:,} rows have one'",
            "give every row a split, or none to have them made",
            peers="n",
            where="split IS NULL",
        )
        return "given", ()
    # Half of what may be rejected: the other half is for the clips that are bad.
    max_shared = options.max_reject_fraction / 2 if options.text_leaks == "reject" else 1.0
    ways = _ways(options, has_speakers=num_speakers > 0)
    split_by = ledger.split(options.seed, ways, max_shared)
    return split_by, (SHARED[split_by],) if split_by in SHARED else ()


def _ways(options: PrepareOptions, has_speakers: bool) -> tuple[SplitBy, ...]:
    """Return ways to split, the cleanest first. A split by speaker rejects a few rows as leaks."""
    ways: tuple[SplitBy, ...] = ("speaker and sentence", "speaker") if has_speakers else ()
    if not has_speakers or options.speaker_leaks == "warn":
        ways += ("sentence",)
        ways += ("clip",) if options.text_leaks == "warn" else ()
    return ways


def _report(
    ledger: RowDatabase,
    options: PrepareOptions,
    layout: str,
    notes: Counter[str],
    split_by: SplitBy,
    warnings: tuple[str, ...],
) -> DataReport:
    facts = ledger.ask(
        "SELECT split, COUNT(*), TOTAL(duration_s) / 3600, COUNT(DISTINCT speaker), "
        "SUM(LENGTH(text)) FROM kept GROUP BY split"
    )
    found = {split: SplitFacts(*values) for split, *values in facts}
    ((pseudo, kept),) = ledger.ask("SELECT COUNT(average_log_probability), COUNT(*) FROM kept")
    empty: tuple[str, ...] = (PSEUDO_LABELS.format(pseudo),) if pseudo else ()
    if pseudo < kept or not kept:
        empty += tuple(f"{split} has no clips" for split in SPLITS if split not in found)
    if options.allow_outside:
        empty += ("--allow-outside was given: audio outside of the data folder was taken",)
    ((unnamed,),) = ledger.ask(
        "SELECT COUNT(*) FROM kept WHERE speaker IS NULL AND average_log_probability IS NULL"
    )
    if unnamed:
        empty += (f"{unnamed:,} rows name no speaker, who may be in several splits",)
    if alike := ledger.similar_speakers():
        empty += (ALIKE.format(*alike),)
    counts = ledger.ask("SELECT code, COUNT(*) FROM faults GROUP BY code ORDER BY 2 DESC, code")
    return DataReport(
        source=layout,
        splits={split: found.get(split, SplitFacts(0, 0.0, 0, 0)) for split in SPLITS},
        num_rows=ledger.num_rows,
        rejected={str(code): int(count) for code, count in counts},
        notes=dict(sorted(notes.items())),
        warnings=warnings + empty,
        split_by=split_by,
        max_reject_fraction=options.max_reject_fraction,
        first_rejections=tuple(islice(ledger.rejections(), NUM_EXAMPLES)),
        aside=ledger.asides(),
    )


def _seen_from(home: Path, clip: Utterance) -> str:
    path = Path(clip.audio)
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else clip.audio
