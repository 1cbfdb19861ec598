"""Score any transcriber on any utterances, with the same code for base and tuned models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mothertongue.data.clips import load_clip
from mothertongue.data.manifest import ROOT, Utterance
from mothertongue.decoding.transcript import Transcriber, Transcript
from mothertongue.evaluation.metrics import count_errors, score
from mothertongue.evaluation.normalizers import NORMALIZERS, normalizer
from mothertongue.evaluation.rates import Score, UtteranceRow
from mothertongue.model.context import Context

BLOCK = 512  # clips in memory at once: 512 x 30 s x 64 kB/s = 1 GB at most


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The transcripts of utterances in order, and the audio context of the decoding."""

    utterances: Sequence[Utterance]
    transcripts: Sequence[Transcript]
    context: Context

    def score(self, normalizer_name: str = "strict", seed: int = 0) -> Score:
        """Return WER and CER with intervals under one normalizer."""
        return score(
            [each.text for each in self.utterances],
            [each.text for each in self.transcripts],
            [each.speaker for each in self.utterances],
            normalizer(normalizer_name),
            self.context,
            seed,
        )

    def scores(self) -> dict[str, Score]:
        """Return the score under every normalizer, by its name."""
        return {name: self.score(name) for name in NORMALIZERS}

    def rows(self) -> Iterator[UtteranceRow]:
        """Yield every utterance with its transcript."""
        normalize = normalizer("strict")
        for utterance, transcript in zip(self.utterances, self.transcripts, strict=True):
            words = normalize(utterance.text).split()
            yield UtteranceRow(
                id=utterance.id,
                language=utterance.language,
                detected_language=transcript.detected_language,
                reference=utterance.text,
                hypothesis=transcript.text,
                wer=count_errors(words, normalize(transcript.text).split()).rate,
                duration_s=utterance.duration_s,
                speaker=utterance.speaker,
                average_log_probability=transcript.average_log_probability,
                looped=transcript.looped,
                is_cut=transcript.is_cut,
            )


def evaluate(
    transcribe: Transcriber, utterances: Sequence[Utterance], context: Context
) -> Evaluation:
    """Decode utterances, each in its language; memory stays flat.

    Every verb that scores a model decodes here: evaluate, compare, average, the verification of an
    export, and the validations of a training. The audio paths are absolute, as from `read_data`.
    `context` is that of `transcribe`. Raises AudioError for a clip that cannot be read.
    """
    order = sorted(
        range(len(utterances)), key=lambda i: (utterances[i].language, -utterances[i].duration_s)
    )
    found: dict[int, Transcript] = {}
    for block in _blocks(order, [each.language for each in utterances]):
        clips = [load_clip(ROOT, utterances[i]) for i in block]
        found.update(zip(block, transcribe(clips, utterances[block[0]].language), strict=True))
    return Evaluation(utterances, [found[i] for i in range(len(utterances))], context)


def interleaved(parts: Sequence[Evaluation]) -> Evaluation:
    """Merge evaluations of interleaved clips into one, in the original order of clips."""
    count = sum(len(part.utterances) for part in parts)
    dealt = [divmod(i, len(parts)) for i in range(count)]
    return replace(
        parts[0],
        utterances=[parts[part].utterances[place] for place, part in dealt],
        transcripts=[parts[part].transcripts[place] for place, part in dealt],
    )


def _blocks(order: Sequence[int], languages: Sequence[str]) -> Iterator[list[int]]:
    block: list[int] = []
    for i in order:
        if block and (len(block) == BLOCK or languages[block[0]] != languages[i]):
            yield block
            block = []
        block.append(i)
    if block:
        yield block
