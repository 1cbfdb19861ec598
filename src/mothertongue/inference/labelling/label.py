"""The label verb: recordings without text become a folder of training data.

OUT/
  manifest.jsonl  rejected.jsonl  data_card.json   as `prepare` writes them
  recognized/     what the models recognized: the same command, or one with other filters, reads it
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mothertongue.data.audio_paths import require_utf8
from mothertongue.data.card import read_card
from mothertongue.data.clip_checks import CountLabelTokens
from mothertongue.data.data_report import DataReport
from mothertongue.data.manifest import MANIFEST_NAME
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.pseudo_labels import Labeller, Labelling
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.errors import ConfigError, DataError, Fault
from mothertongue.inference.labelling.filters import LabelOptions, Piece, faults_of, text_within
from mothertongue.inference.labelling.recognize import Recognized, Recognizer, recognize
from mothertongue.inference.labelling.source import PseudoLabels
from mothertongue.inference.output_files import Source
from mothertongue.system.console import counting, plain
from mothertongue.system.files import sweep
from mothertongue.system.locks import GIVE_ANOTHER, alone

FOLDER, LOCK = "recognized", ".lock"


@dataclass(frozen=True, slots=True)
class Teachers:
    """The model that labels, its round, and a second model that has to agree."""

    first: Recognizer
    round: int
    """1, and one more for each time that a model was trained on pseudo-labels before."""
    second: Recognizer | None = None


class _Judged(NamedTuple):
    recording: Recognized
    piece: Piece
    fault: Fault | None


def label(
    teachers: Teachers,
    sources: Sequence[Source],
    out: Path,
    options: LabelOptions,
) -> DataReport:
    """Transcribe recordings, and write what passes the filters to `out` as training data.

    Each row is a piece of at most 30 s of a recording, which is not copied. All other pieces are in
    rejected.jsonl with the reason. Raises ConfigError for filters without effect and where `out`
    has other data, DataError if there is no speech, and MothertongueError where another process
    writes to `out`.
    """
    _refuse_idle(teachers, options)
    _refuse_other_data(out)
    sources, unnamed = _named(sources)
    with alone(out / FOLDER / LOCK, out, GIVE_ANOTHER):
        sweep(out / FOLDER)
        found = recognize(teachers.first, sources, out / FOLDER)
        second = teachers.second
        others = recognize(second, sources, out / FOLDER) if second else None
    judged = _judged(found, others, options)
    if not unnamed and not any(each.pieces or each.fault for each in found):
        raise DataError(
            f"no speech was found in {len(found):,} recordings; listen to one, or give --vad off"
        )
    corpus = PseudoLabels(path=out)
    rows = [*unnamed, *_rows(sources, found, judged, teachers.first.language)]
    corpus.take(rows, _labelling(teachers, found, judged, options))
    settings = PrepareOptions(language=teachers.first.language, max_reject_fraction=1.0)
    with counting("checking", len(rows)) as advance:
        return prepare(corpus, out, settings, _label_counter(teachers.first), advance)


def _named(sources: Sequence[Source]) -> tuple[list[Source], list[Rejection]]:
    """Return the recordings that a manifest can name, and why it cannot name the others."""
    named, unnamed = list[Source](), list[Rejection]()
    for source in sources:
        try:
            require_utf8(str(source.path))
        except Fault as fault:
            shown = plain(str(source.path))
            told = fault.code, fault.reason, fault.fix
            unnamed.append(Rejection(shown, *told, {"audio": shown}))
        else:
            named.append(source)
    return named, unnamed


def refuse_nothing_kept(report: DataReport, out: Path) -> None:
    """Raise DataError if no piece was kept; call it after printing."""
    if report.num_rejected == report.num_rows:
        raise DataError(
            f"{out}: none of {report.num_rows:,} pieces was kept ({report.reasons}); expected "
            "some. rejected.jsonl has the texts and the reasons: use a model that knows the "
            "language better, or other filters"
        )


def _label_counter(recognizer: Recognizer) -> CountLabelTokens:
    """Return a counter of label tokens; few texts are so long that they need the tokenizer."""
    tokens = cache(lambda: recognizer.open_engine().tokens)
    return lambda text, language: tokens().count_label(text, language)


def _refuse_idle(teachers: Teachers, options: LabelOptions) -> None:
    second = teachers.second
    if (second is None) != (options.least_agreement is None):
        raise ConfigError(
            "--least-agreement has no effect without a second model; add --agree-with MODEL"
        )
    if second and second.model_sha256 == teachers.first.model_sha256:
        raise ConfigError(
            f"--agree-with {second.model}: has the weights of the model that labels, so it always "
            "agrees; give another, such as a run with another seed"
        )
    if options.min_speed >= options.max_speed:
        raise ConfigError(
            f"--min-speed {options.min_speed:g} is not below --max-speed {options.max_speed:g}"
        )


def _refuse_other_data(out: Path) -> None:
    """Raise ConfigError if the folder has a manifest that is not as this verb wrote it."""
    if not (out / MANIFEST_NAME).is_file():
        return
    card = read_card(out)
    if card is None or card.labelling is None:
        raise ConfigError(
            f"{out}: its {MANIFEST_NAME} is not one that label wrote, and would be replaced; give "
            "another --out"
        )


def _judged(
    found: Sequence[Recognized], others: Sequence[Recognized] | None, options: LabelOptions
) -> list[_Judged]:
    """Return every piece of every recording with the reason why it is dropped."""
    pieces = [(recording, piece) for recording in found for piece in recording.pieces]
    second = None
    if others is not None:
        second = [
            text_within(piece, other.pieces)
            for recording, other in zip(found, others, strict=True)
            for piece in recording.pieces
        ]
    faults = faults_of([piece for _, piece in pieces], second, options)
    return [_Judged(*place, fault) for place, fault in zip(pieces, faults, strict=True)]


def _rows(
    sources: Sequence[Source], found: Sequence[Recognized], judged: Sequence[_Judged], language: str
) -> list[Row | Rejection]:
    names = Counter(each.name for each in sources)
    name_of = {
        str(each.path): str(each.name if names[each.name] == 1 else each.path) for each in sources
    }
    unread = [
        Rejection(each.audio, *each.fault, {"audio": each.audio}) for each in found if each.fault
    ]
    return [*unread, *(_row(each, name_of[each.recording.audio], language) for each in judged)]


def _row(judged: _Judged, name: str, language: str) -> Row | Rejection:
    recording, piece, fault = judged
    path = Path(recording.audio).resolve()
    where = f"{recording.audio}@{piece.start_s:.2f}"
    row = Row(
        where=where,
        audio=str(path),
        text=piece.text,
        id=f"{name}@{piece.start_s:.2f}",
        language=language,
        split="train",
        start_s=round(piece.start_s, 4),
        duration_s=round(piece.duration_s, 4),
        home=path.parent,
        average_log_probability=piece.average_log_probability,
    )
    return row if fault is None else _dropped(row, fault)


def _dropped(row: Row, fault: Fault) -> Rejection:
    names = ("id", "audio", "start_s", "duration_s", "text", "average_log_probability")
    given = {name: value for name in names if (value := getattr(row, name)) is not None}
    return Rejection(row.where, fault.code, fault.reason, fault.fix, given)


def _labelling(
    teachers: Teachers,
    found: Sequence[Recognized],
    judged: Sequence[_Judged],
    options: LabelOptions,
) -> Labelling:
    """Return what the data card says of the models and their texts."""
    first, second = teachers.first, teachers.second
    pieces = [piece for recording in found for piece in recording.pieces]
    kept = [
        value
        for each in judged
        if each.fault is None and (value := each.piece.average_log_probability) is not None
    ]
    return Labelling(
        model=first.model,
        model_sha256=first.model_sha256,
        round=teachers.round,
        language=first.language,
        settings=first.settings(),
        filters=options.model_dump(mode="json"),
        agree_with=Labeller(second.model, second.model_sha256) if second else None,
        recordings=len(found),
        recorded_s=round(sum(each.duration_s for each in found), 3),
        pieces=len(pieces),
        pieces_s=round(sum(each.duration_s for each in pieces), 3),
        least_log_probability=min(kept, default=None),
    )
