"""Test labels with timestamps and with the text before, against labels made by hand."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from clips import tone, write_clip
from runs import After, Silent, byte_tokens, save_base, save_corpus, tiny_experiment

from mothertongue.data.manifest import Utterance, read_manifest, write_manifest
from mothertongue.errors import ConfigError, Preempted
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.system.files import sha256_file
from mothertongue.training.batch import IGNORED, Batch
from mothertongue.training.dataset import StepDataset
from mothertongue.training.labels import Label, RowLabels, clips_before
from mothertongue.training.run import run

TOKENS = byte_tokens().borrowing({"zh": "en", "am": "en"})
SW, START, TASK = TOKENS.language("sw"), TOKENS.start, TOKENS.transcribe
PREV, NO_TIMES, END = TOKENS.previous, TOKENS.no_timestamps, TOKENS.end
SPACE = TOKENS.encode_exact(" ")


def at(seconds: float) -> int:
    """The token <|seconds|>, by its definition: 1,501 of them stand after <|notimestamps|>."""
    return NO_TIMES + 1 + round(seconds / 0.02)


def text(said: str) -> list[int]:
    return TOKENS.encode_exact(said)


def clip(name: str, **facts: Any) -> Utterance:
    given = {"audio": f"{name}.wav", "text": f"t{name}", "language": "sw", "duration_s": 2.4}
    return Utterance(name, **(given | facts))


CLIPS = [clip(name, speaker="s") for name in "abcd"]


def labels(clips: list[Utterance] | None = None, **settings: Any) -> RowLabels:
    return RowLabels(clips or CLIPS, TOKENS, TrainConfig(**settings))


def test_a_clip_stands_between_its_times() -> None:
    found = labels(timestamps_share=1.0).of((0,), [(0, 120)], 0)
    assert found == Label([START, SW, TASK, at(0), *text("ta"), at(2.4), END])
    assert found.tokens[3] == TOKENS.special["<|notimestamps|>"] + 1
    assert labels().of((0,), [(0, 120)], 0) == Label(TOKENS.label("ta", "sw"))


def test_joined_clips_have_their_inner_times() -> None:
    spans = [(0, 120), (130, 250), (1380, 1500)]
    found = labels(timestamps_share=1.0).of((2, 0, 1), spans, 0)
    inner = [at(0), *text("tc"), at(2.4), at(2.6), *SPACE, *text("ta"), at(5.0)]
    last = [at(27.6), *SPACE, *text("tb"), at(30)]
    assert found == Label([START, SW, TASK, *inner, *last, END])
    assert TOKENS.decode(found.tokens) == "tc ta tb"
    zh = [clip(name, language="zh", text="你好") for name in "ab"]
    assert TOKENS.decode(labels(zh, timestamps_share=1.0).of((0, 1), spans[:2], 0).tokens) == (
        "你好你好"
    )


def test_the_text_before_is_given_and_not_counted() -> None:
    found = labels(previous_text_share=1.0).of((2,), [(0, 120)], 0)
    before = text("ta tb")
    assert found == Label([PREV, *before, *TOKENS.label("tc", "sw")], len(before) + 1)
    assert labels(previous_text_share=1.0).of((0,), [(0, 120)], 0) == Label(
        TOKENS.label("ta", "sw")
    )
    both = labels(previous_text_share=1.0, timestamps_share=1.0).of((1,), [(0, 120)], 0)
    timed = [START, SW, TASK, at(0), *text("tb"), at(2.4), END]
    assert both == Label([PREV, *text("ta"), *timed], 3)


def test_the_text_before_a_row_is_not_that_of_its_own_clips() -> None:
    found = labels(previous_text_share=1.0).of((3, 0, 1), [(0, 120), (125, 240), (250, 370)], 0)
    assert found.tokens[: found.uncounted] == [PREV, *text("tc")]
    assert labels(previous_text_share=1.0).of((1, 0), [(0, 1), (9, 10)], 0).uncounted == 0


def test_long_texts_are_cut_to_what_whisper_takes() -> None:
    clips = [replace(CLIPS[0], text="y" * 400), replace(CLIPS[1], text="x" * 100)]
    found = labels(clips, previous_text_share=1.0).of((1,), [(0, 120)], 0)
    assert (found.tokens[0], len(found.tokens[: found.uncounted])) == (PREV, 224)
    assert found.tokens[found.uncounted :] == TOKENS.label("x" * 100, "sw")
    # 5 control tokens and 440 of text: 445, with timestamps 446, which leaves room for one before.
    clips = [CLIPS[0], replace(CLIPS[1], text="x" * 440)]
    found = labels(clips, previous_text_share=1.0, timestamps_share=1.0).of((1,), [(0, 120)], 0)
    assert (len(found.tokens), found.uncounted) == (448, 2)
    assert found.tokens[:2] == [PREV, *text("a")]
    # At 448 there is room for neither.
    clips[1] = replace(CLIPS[1], text="x" * 443)
    found = labels(clips, previous_text_share=1.0, timestamps_share=1.0).of((1,), [(0, 120)], 0)
    assert found == Label(TOKENS.label("x" * 443, "sw"))


def test_a_share_of_the_clips_is_drawn_anew_in_each_epoch() -> None:
    clips = [clip(f"{i}", speaker="s") for i in range(400)]
    made = labels(clips, timestamps_share=0.3, previous_text_share=0.6)
    drawn = Counter[tuple[bool, bool]]()
    for epoch in range(3):
        found = [made.of((i,), [(0, 120)], epoch) for i in range(1, 400)]
        drawn.update((NO_TIMES not in each.tokens, each.uncounted > 0) for each in found)
    total = 3 * 399
    assert sum(n for (timed, _), n in drawn.items() if timed) / total == pytest.approx(
        0.3, abs=0.05
    )
    assert sum(n for (_, told), n in drawn.items() if told) / total == pytest.approx(0.6, abs=0.05)
    assert drawn[True, True] / total == pytest.approx(0.18, abs=0.04)  # independent of each other
    assert made.of((7,), [(0, 120)], 1) == labels(
        clips, timestamps_share=0.3, previous_text_share=0.6
    ).of((7,), [(0, 120)], 1)


def test_clips_before_are_those_of_the_last_30_s() -> None:
    recording = {"audio": "radio.wav"}
    clips = [
        clip("a", start_s=40.0, **recording),
        clip("b", start_s=0.0, **recording),
        clip("c", start_s=2.4, **recording),  # begins where b ends
        clip("d", start_s=4.0, **recording),  # overlaps c
        clip("e", start_s=32.41, **recording),  # b and c ended 30 s before it begins
        clip("f", start_s=33.0, language="fr", **recording),
        clip("g", speaker="s", duration_s=20.0),
        clip("h", speaker="s", duration_s=20.0),
        clip("i"),
        clip("j", speaker="t"),
        clip("k", speaker="s", duration_s=1.0, start_s=0.0),  # a whole file all the same
    ]
    found = clips_before(clips)
    assert found == [(4,), (), (1,), (1,), (2, 3), (), (), (6,), (), (), (6, 7)]


def test_nothing_before_any_clip() -> None:
    with pytest.raises(ConfigError, match=r"previous_text_share=0\.5 has no effect: none of the 1"):
        labels([clip("a", speaker="s")], previous_text_share=0.5)


def rows(batches: list[Batch]) -> dict[str, list[tuple[int, int]]]:
    """Return each row's pairs of input and counted target."""
    return {
        name: [
            (x, y)
            for x, y in zip(batch.inputs_BL[i].tolist(), batch.targets_BL[i].tolist(), strict=True)
            if y != IGNORED
        ]
        for batch in batches
        for i, name in enumerate(batch.ids)
    }


def test_the_counted_targets_of_a_batch_are_those_without_the_text_before(tmp_path: Path) -> None:
    for each in CLIPS:
        write_clip(tmp_path / each.audio, tone(2.4))
    plain, told = (
        StepDataset(tmp_path, CLIPS, TOKENS, TrainConfig(epochs=1, previous_text_share=share))
        for share in (0.0, 1.0)
    )
    (without,), (given,) = plain.steps_from(0), told.steps_from(0)
    assert rows(without) == rows(given)
    assert torch.equal(without[0].samples_BS, given[0].samples_BS)
    row = given[0].ids.index("b")
    assert given[0].inputs_BL[row, :4].tolist() == [PREV, *text("ta"), START]
    assert given[0].targets_BL[row, :4].tolist() == [IGNORED] * 3 + [SW]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("labels")
    return save_base(folder / "base"), save_corpus(folder / "data")


SHARES = {"join_share": 0.5, "timestamps_share": 0.5, "previous_text_share": 0.5}


def test_a_stopped_run_continues_to_the_same_weights(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    experiment = tiny_experiment(tmp_path, *made, **SHARES)
    run(experiment, RunDir(tmp_path / "whole"), Silent())
    with pytest.raises(Preempted):
        run(experiment, RunDir(tmp_path / "stopped"), After(5))
    run(experiment, RunDir(tmp_path / "stopped"), Silent())
    name = "final/trained.safetensors"
    assert sha256_file(tmp_path / "stopped" / name) == sha256_file(tmp_path / "whole" / name)


def test_labels_are_the_same_from_stored_states_and_for_any_ranks(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTHERTONGUE_CACHE", str(tmp_path / "cache"))
    frozen = {"kind": "freeze", "encoder_layers": 1}
    settings = {"timestamps_share": 0.5, "previous_text_share": 0.5, "strategy": frozen}
    losses = []
    for name, more in (("fills", {}), ("reads", {}), ("none", {"prefix_cache_gb": 0})):
        watcher = Silent()
        experiment = tiny_experiment(tmp_path, *made, **settings | more)
        run(experiment, RunDir(tmp_path / name), watcher)
        losses.append(watcher.losses)
    assert losses[0] == losses[1] == pytest.approx(losses[2], rel=1e-6)
    clips = [each for each in read_manifest(made[1]) if each.split == "train"]
    config = TrainConfig(epochs=2, batch_size=5, **SHARES)
    alone = StepDataset(made[1], clips, TOKENS, config)
    for step in range(len(alone)):
        shares = [
            rows(StepDataset(made[1], clips, TOKENS, config, None, i, 2)[step]) for i in (0, 1)
        ]
        together = {k: v for part in shares for k, v in part.items() if v}
        assert together == rows(alone[step])


def test_clips_of_a_recording_are_told_its_text(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "radio.wav", tone(12.0))
    clips = [clip(f"{i}", audio=path.name, start_s=2.4 * i) for i in range(5)]
    write_manifest(tmp_path / "manifest.jsonl", clips)
    config = TrainConfig(epochs=1, previous_text_share=1.0, timestamps_share=1.0)
    ((batch,),) = StepDataset(tmp_path, clips, TOKENS, config).steps_from(0)
    row = batch.ids.index("3")
    expected = [PREV, *text("t0 t1 t2"), START, SW, TASK, at(0), *text("t3"), at(2.4)]
    assert batch.inputs_BL[row][: len(expected)].tolist() == expected
