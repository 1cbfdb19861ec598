"""Score any transcriber on any utterances, with the same code for base and tuned models."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mothertongue.data.clips import load_clip
from mothertongue.data.manifest import Utterance
from mothertongue.decoding.transcript import Transcriber, Transcript
from mothertongue.evaluation.metrics import Context, LanguageSource, Score, count_errors, score
from mothertongue.evaluation.normalizers import NORMALIZERS, normalizer

BLOCK = 512  # clips in memory at once: 512 x 30 s x 64 kB/s = 1 GB at most


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The transcripts of utterances in order, and the audio context of the decoding."""

    utterances: Sequence[Utterance]
    transcripts: Sequence[Transcript]
    context: Context
    language_source: LanguageSource = "given"

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

    def scores(self) -> dict[str, Any]:
        """Return the score under every normalizer, as JSON values by its name."""
        return {name: self.score(name).to_dict() for name in NORMALIZERS}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield every utterance with its reference, hypothesis and WER (strict), as JSON values."""
        normalize = normalizer("strict")
        for utterance, transcript in zip(self.utterances, self.transcripts, strict=True):
            words = normalize(utterance.text).split()
            yield {
                "id": utterance.id,
                "language": utterance.language,
                "detected_language": transcript.detected_language,
                "language_source": self.language_source,
                "reference": utterance.text,
                "hypothesis": transcript.text,
                "wer": count_errors(words, normalize(transcript.text).split()).rate,
                "duration_s": utterance.duration_s,
                "speaker": utterance.speaker,
                "average_log_probability": transcript.average_log_probability,
                "looped": transcript.looped,
                "is_cut": transcript.is_cut,
            }


def evaluate(
    transcribe: Transcriber,
    root: Path,
    utterances: Sequence[Utterance],
    context: Context,
    language_source: LanguageSource = "given",
) -> Evaluation:
    """Decode utterances, each with its own or its detected language; memory stays flat.

    `root` is the folder of their manifest.
    Raises AudioError for a clip that cannot be read.
    """

    def given(i: int) -> str | None:
        return utterances[i].language if language_source == "given" else None

    order = sorted(
        range(len(utterances)), key=lambda i: (given(i) or "", -utterances[i].duration_s)
    )
    found: dict[int, Transcript] = {}
    for block in _blocks(order, given):
        clips = [load_clip(root, utterances[i]) for i in block]
        found.update(zip(block, transcribe(clips, given(block[0])), strict=True))
    transcripts = [found[i] for i in range(len(utterances))]
    return Evaluation(utterances, transcripts, context, language_source)


def interleaved(parts: Sequence[Evaluation]) -> Evaluation:
    """Merge evaluations of interleaved clips into one, in the original order of clips."""
    count = sum(len(part.utterances) for part in parts)
    dealt = [divmod(i, len(parts)) for i in range(count)]
    return replace(
        parts[0],
        utterances=[parts[part].utterances[place] for place, part in dealt],
        transcripts=[parts[part].transcripts[place] for place, part in dealt],
    )


def _blocks(order: Sequence[int], language: Callable[[int], str | None]) -> Iterator[list[int]]:
    block: list[int] = []
    for i in order:
        if block and (len(block) == BLOCK or language(block[0]) != language(i)):
            yield block
            block = []
        block.append(i)
    if block:
        yield block
