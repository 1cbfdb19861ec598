"""Turn transcripts into label tokens: those of clips, and those of rows of joined clips."""

from collections.abc import Sequence

from mothertongue.data.languages import separator
from mothertongue.data.manifest import Utterance
from mothertongue.errors import DataError
from mothertongue.model.tokenizer import MAX_LABEL_TOKENS, Tokens
from mothertongue.training.bucketing import Row


class RowLabels:
    """The labels of rows, whose clips are those of a training split."""

    def __init__(self, utterances: Sequence[Utterance], tokens: Tokens) -> None:
        """Raises DataError where a transcript does not fit, ConfigError for an unknown language."""
        self.utterances, self.tokens = utterances, tokens
        self.clips = [tokens.label(each.text, each.language) for each in utterances]
        """The label of each clip alone."""
        _refuse_long(utterances, self.clips)

    def of(self, row: Row) -> list[int]:
        """Return the label of a row: its texts, with a space between where words have one."""
        first, *others = row
        more = [token for clip in others for token in self._continued(clip)]
        return [*self.clips[first][:-1], *more, self.tokens.end]

    def _continued(self, clip: int) -> list[int]:
        """Return the text tokens of a clip that is not the first of its row."""
        utterance = self.utterances[clip]
        return self.tokens.encode_exact(separator(utterance.language) + utterance.text.strip())


def _refuse_long(utterances: Sequence[Utterance], labels: Sequence[Sequence[int]]) -> None:
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
