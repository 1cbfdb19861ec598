"""An engine's limit of text tokens for one window: stated, counted in the corpus, told."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from clips import tone, write_clip
from runs import Silent, byte_tokens, save_corpus, tiny_experiment
from talker import talkative
from tiny import noise, save_transformers
from transformers import WhisperForConditionalGeneration

from mothertongue import cli
from mothertongue.data.manifest import Utterance, read_manifest, write_manifest
from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import ClipTranscriber, DecodeConfig, token_limit
from mothertongue.experiment.load import load_run
from mothertongue.experiment.run_dir import RunDir
from mothertongue.export.base import Exported, comparable, exporter
from mothertongue.export.token_limit import count_labels
from mothertongue.inference.open_model import open_model
from mothertongue.model.tokenizer import Tokens
from mothertongue.training.run import run

LIMITS = {"adapter": 444, "ctranslate2": 224, "ggml": 220, "hf": 444, "onnx": 444}
QUICK = {"adapter", "ctranslate2", "ggml"}


@pytest.fixture(scope="module")
def endless(tokens: Tokens) -> WhisperForConditionalGeneration:
    """It writes text tokens only, another at every place, so that no loop is cut, and no end."""
    model = talkative(tokens)
    model.model.decoder.embed_positions.weight *= 20
    model.model.decoder.embed_tokens.weight[tokens.end :] = 0
    return model


@pytest.fixture(scope="module")
def endless_run(
    endless: WhisperForConditionalGeneration,
    tokens: Tokens,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A run that changed nothing of it; one label of its corpus has more than 224 tokens."""
    folder = tmp_path_factory.mktemp("endless")
    base = save_transformers(endless, tokens, folder / "base")
    corpus = save_corpus(folder / "data", train=2, validation=1, test=1)
    clips = list(read_manifest(corpus))
    spoken, dense = (write_clip(corpus / f"long{i}.wav", tone(5.0, 300.0 + i)) for i in range(2))
    facts: dict[str, Any] = {"language": "sw", "duration_s": 5.0}
    clips.append(Utterance("spoken", spoken.name, "moja mbili", split="validation", **facts))
    clips.append(Utterance("dense", dense.name, "ሰላም " * 80, split="test", **facts))
    write_manifest(corpus / "manifest.jsonl", clips)
    changes = {"strategy": {"kind": "full"}, "epochs": 1, "learning_rate": 1e-12}
    run(tiny_experiment(folder, base, corpus, **changes), RunDir(folder / "run"), Silent())
    return folder / "run"


def opened(format_: str, tuned_run: Path, folder: Path) -> ClipTranscriber:
    tuned, writer = load_run(tuned_run), exporter(format_)
    if format_ == "adapter":  # what it is put on decodes
        config = DecodeConfig(batch_size=1)
        return TorchTranscriber(tuned.base.model, tuned.base.tokens, context="full", config=config)
    writer.write(
        Exported(tuned, tuned_run, None, None, None, ("sw",)),
        folder,
        writer.types[0],
    )
    return writer.open(folder, tuned.base.tokens, None)


@pytest.mark.parametrize(
    "format_",
    [pytest.param(each, marks=() if each in QUICK else pytest.mark.slow) for each in LIMITS],
)
def test_text_without_an_end_stops_at_the_stated_limit(
    format_: str, endless_run: Path, tmp_path: Path, tokens: Tokens
) -> None:
    limit = LIMITS[format_]
    assert exporter(format_).max_tokens == limit
    engine = opened(format_, endless_run, tmp_path / "out")
    (whole,) = engine([noise(29.0, 3)], "sw")
    assert len(whole.tokens) == limit and whole.is_cut
    (short,) = engine([noise(1.0, 1)], "sw")
    assert len(comparable(short.tokens, tokens, 1.0, limit)) == token_limit(1.0) == 140


def of(tokens_: int, duration_s: float) -> Utterance:
    """A label of so many of `byte_tokens`: one a letter."""
    return Utterance("id", "clip.wav", "a" * tokens_, "sw", duration_s)


def test_labels_over_the_limit_are_counted() -> None:
    corpus = [*[of(10, 10.0)] * 18, of(224, 28.0), of(225, 15.0)]
    counts = count_labels(corpus, byte_tokens(), exporter("ctranslate2"))
    found = [counts.max_tokens, counts.labels, counts.labels_over, counts.most_tokens]
    assert found == [224, 20, 1, 225]
    assert counts.tokens_per_s_median == 1
    assert counts.tokens_per_s_dense == 15  # of the label over the limit: the corpus is sparse
    assert counts.longest_window_s == 14
    assert "src/models/whisper.cc" in counts.source
    assert counts.advice == (
        "faster_whisper writes at most 224 tokens for one window and drops the rest of its text. 1 "
        "of the corpus' 20 transcripts have more, the longest has 225. Dense speech of the corpus "
        "has 15.0 tokens a second: use windows of at most 14 s (`chunk_length=14` of "
        "faster-whisper's `transcribe`)."
    )
    assert count_labels(corpus, byte_tokens(), exporter("hf")).advice is None


def test_short_labels_of_dense_speech_are_told_too() -> None:
    """Each fits by itself, but a whole window of such speech does not."""
    counts = count_labels([of(110, 10.0)] * 3, byte_tokens(), exporter("ggml"))
    assert (counts.labels_over, counts.longest_window_s) == (0, 20)
    assert "pieces of at most 20 s" in counts.advice


def test_nothing_is_told_where_all_fits() -> None:
    counts = count_labels([of(60, 10.0)] * 3, byte_tokens(), exporter("ggml"))
    assert (counts.labels_over, counts.longest_window_s) == (0, 30)
    assert counts.advice is None


def test_a_window_is_never_empty() -> None:
    counts = count_labels([of(300, 0.5)], byte_tokens(), exporter("ggml"))
    assert counts.longest_window_s == 1


@pytest.mark.slow
@pytest.mark.usefixtures("warm_engines")
def test_an_export_says_which_text_its_engine_cuts(
    endless_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    arguments = ["export", str(endless_run), "--format", "ctranslate2", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["mothertongue", *arguments])
    monkeypatch.setenv("COLUMNS", "2000")
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    result = json.loads((out / "verification.json").read_text())
    # Two clips of validation: one of 0.5 s has room for 80 tokens, one of 5 s for 444.
    assert (result["clips"], result["identical"], result["clips_cut"]) == (2, 2, 1)
    assert result["wer"] == result["wer_run"]
    assert [len(each["run"]) > len(each["artefact"]) for each in result["transcripts"]] == [
        False,
        True,
    ]
    limit = result["token_limit"]
    assert (limit["labels"], limit["labels_over"]) == (6, 1)
    assert "1 of the corpus' 6 transcripts have more" in limit["advice"]
    printed = " ".join(capsys.readouterr().out.split())
    assert limit["advice"] in printed
    assert "1 of 2 clips, WER with the run cut alike" in printed
    assert limit["advice"] in (out / "README.md").read_text()


def test_a_clip_at_the_limit_of_an_export_is_cut(endless_run: Path, tmp_path: Path) -> None:
    """What opens an export is told that its engine left text out."""
    opened("ggml", endless_run, folder := tmp_path / "out")
    config = DecodeConfig()
    engine = open_model(str(folder)).make("full", config, lambda _: None)
    long, short = engine([noise(10.0), noise(0.5)], "sw")
    assert [(len(each.tokens), each.is_cut) for each in (long, short)] == [(220, True), (80, True)]
