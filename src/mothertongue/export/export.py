"""Export a run, and verify the export against the run before it gets its name.

OUT/
  ...                 the export            verification.json   both transcripts of each clip
  README.md           its model card
  NOT-VERIFIED.txt    only where the verification failed
OUT gets its name only when it is verified or marked; an export that was stopped is made again.
"""

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mothertongue.data.clips import read_split
from mothertongue.data.manifest import Split, Utterance, data_digest, read_data
from mothertongue.errors import ConfigError, DataError, MothertongueError
from mothertongue.evaluation.metrics import UtteranceErrors, paired_bootstrap, utterance_errors
from mothertongue.evaluation.normalizers import normalizer
from mothertongue.evaluation.rates import UtteranceRow
from mothertongue.evaluation.records import SplitScores
from mothertongue.experiment.config import Experiment, read_experiment
from mothertongue.experiment.load import load_run
from mothertongue.experiment.records import RunRecord
from mothertongue.experiment.run_dir import TEST_SCORES, RunDir
from mothertongue.export.base import Exported, Exporter, exporter, require
from mothertongue.export.model_card import write_card
from mothertongue.export.records import (
    BothTranscripts,
    EngineReply,
    EngineVersion,
    TokenLimit,
    Verification,
)
from mothertongue.export.token_limit import count_labels
from mothertongue.export.verify import VerificationRequest
from mothertongue.system.environment import environment
from mothertongue.system.files import (
    reporting_disk_full,
    size_bytes,
    sync_folder,
    temporary_folder,
    write_json,
)
from mothertongue.system.json_files import built, read_json
from mothertongue.system.locks import making
from mothertongue.system.processes import ChildError, ask

VERIFICATION, MARK = "verification.json", "NOT-VERIFIED.txt"
NORMALIZER = "strict"


def export(
    run: Path,
    format_: str,
    type_: str | None,
    out: Path,
    split: Split,
    clips: int,
    max_wer_loss: float,
) -> Verification:
    """Write a run in a format, transcribe `clips` of a split with both, return the verification.

    Raises ConfigError where the format cannot express the run or its engine is not installed,
    MothertongueError, after all is written and marked, where the verification fails.
    """
    writer = exporter(format_)
    kind = type_ or writer.types[0]
    if kind not in writer.types:
        raise ConfigError(f"--type {kind}: {format_} has {', '.join(writer.types)}")
    require(writer.engine, format_)
    record, experiment = RunDir(run).read_record(), read_experiment(RunDir(run))
    utterances = _drawn(experiment, split, clips)
    with making(out):
        with temporary_folder(out.parent) as home, reporting_disk_full(out, home):
            fresh = home / out.name
            limit = _write(writer, run, record, fresh, kind)
            transcripts = _transcribed(writer, run, fresh, experiment, utterances)
            result = Verification(
                run=str(run),
                format=writer.format,
                type=kind,
                engine=EngineVersion(writer.engine, version(writer.engine.replace("_", "-"))),
                data_digest=data_digest(experiment.manifests),
                split=split,
                **_compared(writer, kind, utterances, *transcripts, max_wer_loss),
                token_limit=limit,
                size_bytes=size_bytes(fresh),
                environment=environment(),
            )
            _mark(fresh, result)
            fresh.rename(out)
        sync_folder(out.parent)
    if not result.passed:
        raise MothertongueError(f"{out}: {_failure(result)}; it is marked with {MARK}")
    return result


def default_folder(run: Path, format_: str, type_: str | None) -> Path:
    """Return the default folder of an export: RUN/export/FORMAT-TYPE."""
    return run / "export" / f"{format_}-{type_ or exporter(format_).types[0]}"


def _write(writer: Exporter, run: Path, record: RunRecord, out: Path, kind: str) -> TokenLimit:
    """Write the export and its card; return the counts of labels over the engine's limit."""
    tuned = load_run(run)
    experiment, corpus = tuned.experiment, read_data(tuned.experiment.manifests)
    limit = count_labels(_of_language(corpus, experiment), tuned.base.tokens, writer)
    scores = RunDir(run).evaluation(TEST_SCORES)
    exported = Exported(
        tuned=tuned,
        run=run,
        record=record,
        scores=read_json(scores, SplitScores) if scores.is_file() else None,
        token_limit=limit,
        languages=trained_languages(corpus, experiment),
    )
    writer.check(exported)
    writer.write(exported, out, kind)
    write_card(exported, writer, kind, out)
    return limit


def _transcribed(
    writer: Exporter,
    run: Path,
    folder: Path,
    experiment: Experiment,
    utterances: Sequence[Utterance],
) -> tuple[EngineReply, EngineReply]:
    """Return the transcripts of the same clips by the run and by its export."""
    requested = partial(
        VerificationRequest,
        base=experiment.base,
        borrow=experiment.borrow,
        language=experiment.language,
        max_tokens=writer.max_tokens,
        clips=tuple(utterances),
    )
    of_run = _in_a_process(requested(path=run, format=None))
    return of_run, _in_a_process(requested(path=folder, format=writer.format))


def _mark(folder: Path, result: Verification) -> None:
    """Write the verification, and the file that marks a failure."""
    write_json(folder / VERIFICATION, result)
    if not result.passed:
        (folder / MARK).write_text(f"{_failure(result)}\n", encoding="utf-8")


def _compared(
    writer: Exporter,
    kind: str,
    utterances: Sequence[Utterance],
    ours: EngineReply,
    theirs: EngineReply,
    max_wer_loss: float,
) -> dict[str, Any]:
    """Compare both transcripts; tokens must be equal unless weights were rounded.

    Where the engine met its limit of tokens, the run's transcript is cut at the same place: the
    weights are not at fault. `wer_run_uncut` is of the run's whole transcripts.
    """
    pairs = list(zip(ours.clips, theirs.clips, strict=True))
    identical = sum(a.tokens == b.tokens for a, b in pairs)
    errors = [_errors(utterances, [each.text for each in x.clips]) for x in (ours, theirs)]
    uncut = _errors(utterances, [each.whole_text for each in ours.clips])
    change = paired_bootstrap(errors[0].word_errors_N, errors[1].word_errors_N, errors[0].words_N)
    words = int(errors[0].words_N.sum())
    is_exact = kind == writer.types[0] and writer.is_exact
    detected = [a.detected == b.detected for a, b in pairs]
    return {
        "clips": len(pairs),
        "identical": identical,
        "clips_cut": sum(len(b.tokens) >= writer.max_tokens for _, b in pairs),
        "is_exact": is_exact,
        "wer_run": int(errors[0].word_errors_N.sum()) / words,
        "wer_run_uncut": int(uncut.word_errors_N.sum()) / words,
        "wer": int(errors[1].word_errors_N.sum()) / words,
        "difference": change.difference,
        "interval95": change.interval95,
        "max_wer_loss": max_wer_loss,
        "passed": identical == len(pairs) if is_exact else change.difference <= max_wer_loss,
        "language_detection": sum(detected) / len(detected),
        "lost": [] if theirs.timestamps else ["timestamps"],
        "decode_s": theirs.decode_s,
        "run_decode_s": ours.decode_s,
        "peak_memory_bytes": theirs.peak_memory_bytes,
        "run_peak_memory_bytes": ours.peak_memory_bytes,
        "transcripts": [
            BothTranscripts(utterance.id, a.whole_text, b.text)
            for utterance, (a, b) in zip(utterances, pairs, strict=True)
        ],
    }


def _errors(utterances: Sequence[Utterance], transcripts: Sequence[str]) -> UtteranceErrors:
    rows = [
        UtteranceRow(each.id, each.language, each.text, text, each.duration_s, None, False)
        for each, text in zip(utterances, transcripts, strict=True)
    ]
    return utterance_errors(rows, normalizer(NORMALIZER))


def _in_a_process(request: VerificationRequest) -> EngineReply:
    """Transcribe with an engine in a separate process, to measure its memory and time."""
    try:
        reply = ask("mothertongue.export.verify", request.model_dump(mode="json"), is_quiet=True)
    except ChildError as error:
        raise MothertongueError(
            f"{request.format or request.path}: its engine failed: {error}"
        ) from None
    return built(reply, "the reply of export.verify", EngineReply)


def _drawn(experiment: Experiment, split: Split, clips: int) -> list[Utterance]:
    """Return at most `clips` clips spread over the split, in its order."""
    mine = _of_language(read_split(experiment.manifests, split, None), experiment)
    if not mine:
        raise DataError(f"split {split!r} has no clip in {experiment.language}; give another")
    return mine[:: -(-len(mine) // clips)]


def _of_language(utterances: Sequence[Utterance], experiment: Experiment) -> list[Utterance]:
    return [each for each in utterances if each.language == experiment.language]


def trained_languages(corpus: Sequence[Utterance], experiment: Experiment) -> tuple[str, ...]:
    """Return the languages that a run was trained on; that of its experiment is the first."""
    trained = [each.language for each in corpus if each.split == "train"]
    return tuple(dict.fromkeys([experiment.language, *trained]))


def _failure(result: Verification) -> str:
    if result.is_exact:
        return (
            f"{result.clips - result.identical} of {result.clips} clips are transcribed "
            "differently, expected none"
        )
    return (
        f"WER went from {100 * result.wer_run:.1f} to {100 * result.wer:.1f} %, expected at "
        f"most {100 * result.max_wer_loss:g} points more; take a finer --type"
    )
