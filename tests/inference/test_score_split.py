"""The record of `evaluate`, and what it says on the screen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import tone, write_clip
from rich.console import Console

from mothertongue.data.manifest import Utterance, write_manifest
from mothertongue.decoding.transcript import DecodeConfig, Transcript
from mothertongue.evaluation.records import SplitScores
from mothertongue.inference.engine import Engine
from mothertongue.inference.score_split import evaluate_model
from mothertongue.model.tokenizer import Tokens
from mothertongue.report.tables.verb_tables import score_tables


def unfinished(audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
    """The longest clip loops, the next two are cut off."""
    order = sorted(range(len(audio)), key=lambda i: -len(audio[i]))
    return [
        Transcript("ndiyo", "sw", (1,), -0.1, looped=i == order[0], is_cut=i in order[1:3])
        for i in range(len(audio))
    ]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    facts: Any = {"language": "sw", "split": "test", "speaker": None}
    utterances = []
    for i in range(5):
        write_clip(tmp_path / f"{i}.wav", tone(0.5 + i / 10))
        utterances.append(Utterance(str(i), f"{i}.wav", "ndiyo", duration_s=0.5 + i / 10, **facts))
    write_manifest(tmp_path / "manifest.jsonl", utterances)
    return tmp_path


def finished(audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
    return [Transcript("ndiyo", "sw", (1,), -0.1) for _ in audio]


def scored(corpus: Path, tokens: Tokens, transcribe: Any) -> SplitScores:
    engine = Engine("base", lambda *_: transcribe, {}, tokens)
    return evaluate_model("m", engine, (corpus,), "test", DecodeConfig(), None)


def test_what_did_not_end_is_counted_and_said(corpus: Path, tokens: Tokens) -> None:
    result = scored(corpus, tokens, unfinished)
    assert (result.looped_clips, result.cut_clips) == (1, 2)
    assert [row.is_cut for row in result.utterances] == [False, False, True, True, False]
    assert "1 clips ended in a loop" in shown(result)
    assert "2 clips met the limit of tokens: their end is missing" in shown(result)


def test_nothing_is_said_where_all_ended(corpus: Path, tokens: Tokens) -> None:
    result = scored(corpus, tokens, finished)
    assert (result.looped_clips, result.cut_clips) == (0, 0)
    assert "ended in a loop" not in shown(result) and "limit of tokens" not in shown(result)


def shown(result: SplitScores) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(score_tables(result))
    return capture.get()
