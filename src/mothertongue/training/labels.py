"""Turn transcripts into label tokens: those of clips, and those of rows of joined clips.

A share of the labels has timestamps, and a share begins with the text before, as in Whisper's own
training (Radford et al. 2022, sec. 2.3): a model that no longer sees them may forget them. Times
are in ticks of 0.02 s.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from mothertongue.data.draws import drawn_share
from mothertongue.data.languages import separator
from mothertongue.data.manifest import Utterance
from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.context import FULL_CONTEXT_S
from mothertongue.model.tokenizer import MAX_LABEL_TOKENS, MAX_PROMPT_TOKENS, Tokens
from mothertongue.training.bucketing import Row

OVERLAP_S = 0.05
"""A clip is before another although it ends so much after the other begins: times are rounded."""

Spans = Sequence[tuple[int, int]]
"""The first and the last tick of each clip of a row."""


@dataclass(frozen=True, slots=True)
class Label:
    """The tokens of a row, and how many of its targets no loss counts: those of the text before."""

    tokens: list[int]
    uncounted: int = 0


class RowLabels:
    """The labels of rows, whose clips are those of a training split."""

    def __init__(
        self, utterances: Sequence[Utterance], tokens: Tokens, config: TrainConfig
    ) -> None:
        """Raises DataError where a transcript does not fit.

        Raises ConfigError for an unknown language, and where no clip has a text before it although
        a share of them should begin with it.
        """
        self.utterances, self.tokens, self.config = utterances, tokens, config
        self.clips = [tokens.label(each.text, each.language) for each in utterances]
        """The label of each clip alone, without timestamps."""
        self.before = clips_before(utterances) if config.previous_text_share else []
        refuse_long_labels(utterances, self.clips)
        if config.previous_text_share and not any(self.before):
            raise ConfigError(
                f"train.previous_text_share={config.previous_text_share:g} has no effect: none of "
                f"the {len(utterances):,} training clips follows another of its recording or of "
                "its speaker; prepare the data with its speakers, or remove it"
            )

    def of(self, row: Row, spans: Spans, epoch: int) -> Label:
        """Return the label of a row in an epoch; `spans` are the times of its clips.

        Where timestamps or the text before do not fit in Whisper's positions, they are left out, of
        the text its first tokens.
        """
        label = self._plain(row)
        if self._is_drawn("timestamps", self.config.timestamps_share, row, epoch):
            timed = self._timed(row, spans)
            label = timed if len(timed) <= MAX_LABEL_TOKENS else label
        if not self._is_drawn("previous text", self.config.previous_text_share, row, epoch):
            return Label(label)
        room = min(MAX_PROMPT_TOKENS, MAX_LABEL_TOKENS - len(label) - 1)
        previous = self._previous(row)[-room:] if room > 0 else []
        # The start token follows them; it is given in decoding too, and never predicted.
        if not previous:
            return Label(label)
        return Label([self.tokens.previous, *previous, *label], len(previous) + 1)

    def _is_drawn(self, name: str, share: float, row: Row, epoch: int) -> bool:
        clip = self.utterances[row[0]].id
        return share > 0 and drawn_share(name, self.config.seed, epoch, clip) < share

    def _plain(self, row: Row) -> list[int]:
        """Return a label without times: its texts, with a space between where words have one."""
        first, *others = row
        more = [token for clip in others for token in self._continued(clip)]
        return [*self.clips[first][:-1], *more, self.tokens.end]

    def _timed(self, row: Row, spans: Spans) -> list[int]:
        """Return a label in which each text stands between two timestamps."""
        start, language, task, _, *first = self.clips[row[0]][:-1]
        texts = [first, *map(self._continued, row[1:])]
        timed = [
            token
            for (begins, ends), text in zip(spans, texts, strict=True)
            for token in (self.tokens.timestamp(begins), *text, self.tokens.timestamp(ends))
        ]
        return [start, language, task, *timed, self.tokens.end]

    def _continued(self, clip: int) -> list[int]:
        """Return the text tokens of a clip that is not the first of its row."""
        utterance = self.utterances[clip]
        return self.tokens.encode_exact(separator(utterance.language) + utterance.text.strip())

    def _previous(self, row: Row) -> list[int]:
        """Return the tokens of the text before a row, without that of clips in it."""
        before = [self.utterances[i] for i in self.before[row[0]] if i not in row]
        if not before:
            return []
        return self.tokens.encode(separator(before[0].language).join(each.text for each in before))


def clips_before(utterances: Sequence[Utterance]) -> list[Row]:
    """Return the clips in the 30 s before each clip, in order, by index; Whisper has such windows.

    They are of the same recording. Where clips are whole files, they are of the same speaker, in
    the order of the manifest: for sentences that were read one after another, this is their text.
    """
    recordings = Counter(each.audio for each in utterances if each.start_s is not None)
    sequences: dict[tuple[str, str, str], list[int]] = {}
    for i, each in enumerate(utterances):
        # A whole file may have a start too, which is 0.
        if each.start_s is not None and recordings[each.audio] > 1:
            sequences.setdefault((each.language, "recording", each.audio), []).append(i)
        elif each.speaker is not None:
            sequences.setdefault((each.language, "speaker", each.speaker), []).append(i)
    found: list[Row] = [()] * len(utterances)
    for (_, kind, _), clips in sequences.items():
        for clip, row in _before(clips, [utterances[i] for i in clips], kind == "recording"):
            found[clip] = row
    return found


def _before(
    clips: Sequence[int], utterances: Sequence[Utterance], is_recording: bool
) -> list[tuple[int, Row]]:
    """Return each clip of a sequence with those before it; files follow each other in order."""
    together_s = accumulate((each.duration_s for each in utterances), initial=0.0)
    starts_s = [
        (each.start_s or 0.0) if is_recording else at_s
        for each, at_s in zip(utterances, together_s, strict=False)
    ]
    timed = sorted(
        (start_s, start_s + each.duration_s, clip)
        for clip, each, start_s in zip(clips, utterances, starts_s, strict=True)
    )
    found = []
    for place, (start_s, _, clip) in enumerate(timed):
        row: list[int] = []
        for at in reversed(range(place)):
            _, end_s, other = timed[at]
            if end_s <= start_s - FULL_CONTEXT_S:
                break
            if end_s <= start_s + OVERLAP_S:
                row.append(other)
        found.append((clip, tuple(reversed(row))))
    return found


def refuse_long_labels(utterances: Sequence[Utterance], labels: Sequence[Sequence[int]]) -> None:
    """Raise DataError naming the utterances whose labels have more tokens than Whisper's places."""
    long = [
        f"  {each.id}: {len(label)} label tokens"
        for each, label in zip(utterances, labels, strict=True)
        if len(label) > MAX_LABEL_TOKENS
    ]
    if long:
        raise DataError(
            f"{len(long)} transcripts do not fit Whisper's {MAX_LABEL_TOKENS} label tokens; cut "
            "them, or let mothertongue prepare reject them:\n" + "\n".join(long[:20])
        )
