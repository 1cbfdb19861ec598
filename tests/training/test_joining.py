"""Test the joining of clips: every clip once, one voice a row, equal bits everywhere."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clips import tone, write_clip
from pydantic import ValidationError
from runs import After, Silent, byte_tokens, save_base, save_corpus, tiny_experiment

from mothertongue.data.clips import load_clip
from mothertongue.data.manifest import Utterance
from mothertongue.data.replay import ReplayConfig
from mothertongue.errors import ConfigError, Preempted
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.system.files import sha256_file
from mothertongue.training.batch import Batch
from mothertongue.training.bucketing import MicroBatch, Step, micro_batch_of, share
from mothertongue.training.dataset import StepDataset
from mothertongue.training.joining import ROW_TICKS, joined_masks, joined_samples
from mothertongue.training.run import run

TOKENS = byte_tokens().borrowing({"zh": "en"})
COUNT = 24
PLAN = [
    (MicroBatch(4, (16, 21, 11, 1)), MicroBatch(7, (2, 22))),
    (MicroBatch(7, (7, 12, 17)), MicroBatch(9, (18, 3, 8))),
]
"""The first steps of an epoch without joined clips, as they were before clips could be joined."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("joined")
    return save_base(folder / "base"), save_corpus(folder / "data")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for i in range(COUNT):
        write_clip(folder / f"{i}.wav", tone(seconds(i), 200 + 100 * (i % 50)))
    return folder


def seconds(clip: int) -> float:
    return 1.23 + 2.5 * (clip % 5)


def clips(count: int = COUNT, **changes: Any) -> list[Utterance]:
    """Clips of three speakers, one of whom speaks two languages; every eighth is of nobody."""
    return [
        Utterance(
            f"{i}",
            f"{i}.wav",
            **{
                "text": f"w{i}",
                "language": "fr" if i % 6 == 0 else "sw",
                "duration_s": seconds(i),
                "speaker": None if i % 8 == 7 else f"s{i % 3}",
            }
            | changes,
        )
        for i in range(count)
    ]


def dataset(
    folder: Path, found: list[Utterance] | None = None, rank: int = 0, ranks: int = 1, **more: Any
) -> StepDataset:
    settings = {"epochs": 4, "batch_size": 4, "workers": 0, "join_share": 0.5} | more
    return StepDataset(folder, found or clips(), TOKENS, TrainConfig(**settings), None, rank, ranks)


def is_joined(step: Step) -> bool:
    return any(each.joined for each in step)


def seen(steps: list[Step]) -> Counter[int]:
    return Counter(i for step in steps for each in step for i in each.indices)


def rows(batches: list[Batch]) -> dict[str, tuple[bytes, ...]]:
    """Return the inputs of each row of a step."""
    found = {}
    for batch in batches:
        for row, name in enumerate(batch.ids):
            label = [token for token in batch.targets_BL[row].tolist() if token >= 0]
            if not label:  # a rank without a row
                continue
            parts = batch.samples_BS[row].numpy(), np.array(label)
            if batch.masks_BR4 is not None:
                masks = batch.masks_BR4[row].numpy()
                parts += (masks[(masks[:, 1] > masks[:, 0]) & (masks[:, 3] > masks[:, 2])],)
            found[name] = tuple(each.tobytes() for each in parts)
    return found


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("join_share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("batch_size", [2, 5, 8])
def test_every_clip_counts_once_in_as_many_steps(
    folder: Path, temperature: float, join_share: float, batch_size: int
) -> None:
    settings = {"batch_size": batch_size, "language_temperature": temperature, "epochs": 10}
    plain = dataset(folder, join_share=0, **settings)
    data = dataset(folder, join_share=join_share, **settings)
    for epoch in range(10):
        steps = data.plan(epoch)
        assert len(steps) == plain.steps_per_epoch == math.ceil(COUNT / batch_size)
        assert seen(steps) == seen(plain.plan(epoch))
        joined = [step for step in steps if is_joined(step)]
        assert sum(seen(joined).values()) == batch_size * len(joined)
    assert data.plan(3) == dataset(folder, join_share=join_share, **settings).plan(3)
    assert data.plan(3) != data.plan(4)


def test_a_row_has_one_voice_and_fits_whisper(folder: Path) -> None:
    found = clips(200)
    data = dataset(folder, found, join_share=1.0, batch_size=9, augment={"speed": {}})
    lengths = []
    for epoch in range(4):
        for row in (row for step in data.plan(epoch) for each in step for row in each.rows):
            if len(row) == 1:
                continue
            spoken = {(found[i].speaker, found[i].language) for i in row}
            assert len(spoken) == 1
            assert spoken.isdisjoint({(None, "sw"), (None, "fr")})
            starts = data.joiner.starts(row, epoch)
            ends = [
                start + data.joiner.ticks(i, epoch) for start, i in zip(starts, row, strict=True)
            ]
            assert ends[-1] <= ROW_TICKS
            gaps = [start - end for start, end in zip(starts[1:], ends[:-1], strict=True)]
            assert all(5 <= gap <= 25 for gap in gaps)
            assert len(set(row)) == len(row) <= 9
            lengths.append(ends[-1] / 50)
    assert np.mean(lengths) > 20  # rows are full, not pairs of clips


def test_labels_never_exceed_what_whisper_takes(folder: Path) -> None:
    found = clips(60, text="x" * 170, duration_s=1.0)  # 1 token a letter: two clips fit, not three
    data = dataset(folder, found, join_share=1.0, epochs=1)
    joined = [row for step in data.plan(0) for each in step for row in each.rows if len(row) > 1]
    assert {len(row) for row in joined} == {2}


def test_the_share_of_joined_steps_is_kept_over_epochs(folder: Path) -> None:
    found = clips(96, speaker="s")
    for join_share in (0.04, 0.15, 0.3):
        data = dataset(folder, found, join_share=join_share, epochs=10, full_context_share=0.15)
        steps = [step for epoch in range(10) for step in data.plan(epoch)]
        joined = sum(map(is_joined, steps))
        assert joined == pytest.approx(join_share * len(steps), abs=1)
        padded = sum(step[0].context_s == 30 and not is_joined(step) for step in steps)
        assert padded == pytest.approx(max(0, 0.15 - join_share) * len(steps), abs=10)
        assert join_share < 0.15 or padded == 0


def test_no_join_share_is_the_plan_of_before(folder: Path) -> None:
    steps = dataset(folder, join_share=0, batch_size=6).plan(1)
    assert steps[:2] == PLAN
    assert not any(map(is_joined, steps))


def test_rows_have_their_clips_silence_and_texts(folder: Path) -> None:
    found = clips()
    data = dataset(folder, found, join_share=1.0, epochs=2)
    joined = 0
    for number, (batches, step) in enumerate(
        zip(data.steps_from(0), [*data.plan(0), *data.plan(1)], strict=True)
    ):
        epoch = number // data.steps_per_epoch
        for batch, planned in zip(batches, step, strict=True):
            for place, row in enumerate(planned.rows):
                starts = data.joiner.starts(row, epoch)
                left_N = batch.samples_BS[place].numpy().copy()
                for i, start in zip(row, starts, strict=True):
                    clip_N = load_clip(folder, found[i])
                    part_N = left_N[320 * start :][: len(clip_N)]
                    assert np.array_equal(part_N, clip_N)
                    part_N[:] = 0
                assert not left_N.any()
                text = " ".join(found[i].text for i in row)
                label = TOKENS.label(text, found[row[0]].language)
                kept = batch.targets_BL[place][batch.targets_BL[place] >= 0].tolist()
                assert kept == label[1:]
                assert batch.inputs_BL[place][: len(label) - 1].tolist() == label[:-1]
                assert batch.ids[place] == "+".join(found[i].id for i in row)
                joined += len(row) > 1
    assert joined > 4


def test_texts_of_scripts_without_spaces_are_joined_without(folder: Path) -> None:
    found = clips(4, language="zh", text="你好", speaker="s")
    ((batch,),) = dataset(folder, found, join_share=1.0, epochs=1).steps_from(0)
    label = [token for token in batch.targets_BL[0].tolist() if token >= 0]
    assert TOKENS.decode(label) == "你好" * 4


def test_draws_are_the_same_in_any_number_of_workers_and_ranks(folder: Path) -> None:
    augment = {"speed": {}, "gain": {}, "noise": {}, "spec_augment": {"time_share": 0.5}}
    settings = {"augment": augment, "join_share": 0.6}
    alone = [rows(step) for step in dataset(folder, **settings).steps_from(0)]
    assert [rows(step) for step in dataset(folder, workers=2, **settings).steps_from(0)] == alone
    assert [rows(step) for step in dataset(folder, **settings).steps_from(9)] == alone[9:]
    for number, step in enumerate(alone):
        shares = [rows(dataset(folder, None, rank, 2, **settings)[number]) for rank in range(2)]
        assert all(step[name] == row for part in shares for name, row in part.items())
        assert shares[0] | shares[1] == step
    assert any("+" in name for step in alone for name in step)


def test_clips_are_changed_before_they_are_joined(folder: Path) -> None:
    augment = {"speed": {}, "gain": {}, "spec_augment": {"time_share": 1.0}}
    found = clips(12, speaker="s")
    data = dataset(folder, found, join_share=1.0, epochs=1, augment=augment)
    for batches, step in zip(data.steps_from(0), data.plan(0), strict=True):
        for place, row in enumerate(step[0].rows):
            changed = [
                data.augmenter.samples(load_clip(folder, found[i]), found[i], 0) for i in row
            ]
            starts = data.joiner.starts(row, 0)
            row_N = joined_samples(changed, starts)
            assert np.array_equal(batches[0].samples_BS[place][: len(row_N)].numpy(), row_N)
            masks = [
                data.augmenter.masks(len(each) // 160, found[i], 0)
                for i, each in zip(row, changed, strict=True)
            ]
            expected = joined_masks(masks, starts)
            assert np.array_equal(batches[0].masks_BR4[place][: len(expected)].numpy(), expected)
            for start, mask_R4, each in zip(
                starts, np.split(expected, len(row)), changed, strict=True
            ):
                assert mask_R4[:, 0].min() >= 2 * start
                assert mask_R4[:, 1].max() <= 2 * start + len(each) // 160


def test_a_rank_takes_whole_rows() -> None:
    step = (micro_batch_of(30, [(1, 2, 3), (4,), (5, 6)]),)
    assert step[0] == MicroBatch(30, (1, 2, 3, 4, 5, 6), (3, 1, 2))
    assert share(step, 0, 2) == (micro_batch_of(30, [(1, 2, 3), (5, 6)]),)
    assert share(step, 1, 2) == (MicroBatch(30, (4,)),)


def test_a_stopped_run_continues_to_the_same_weights(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    experiment = tiny_experiment(tmp_path, *made, join_share=0.5)
    whole = Silent()
    run(experiment, RunDir(tmp_path / "whole"), whole)
    with pytest.raises(Preempted):
        run(experiment, RunDir(tmp_path / "stopped"), After(5))
    run(experiment, RunDir(tmp_path / "stopped"), Silent())
    name = "final/trained.safetensors"
    assert sha256_file(tmp_path / "stopped" / name) == sha256_file(tmp_path / "whole" / name)
    smaller = Silent()
    changes = {"join_share": 0.5, "micro_batch_size": 1}
    run(tiny_experiment(tmp_path, *made, **changes), RunDir(tmp_path / "smaller"), smaller)
    assert smaller.losses == pytest.approx(whole.losses, rel=1e-4)


def test_a_store_of_joined_clips_is_refused(made: tuple[Path, Path], tmp_path: Path) -> None:
    settings = {"strategy": {"kind": "freeze", "encoder_layers": 1}, "join_share": 0.5}
    message = r"train\.join_share: the strategy freezes 1 bottom.*other clips are joined in every"
    with pytest.raises(ConfigError, match=message):
        run(tiny_experiment(tmp_path, *made, **dict(settings)), RunDir(tmp_path / "run"), Silent())
    settings |= {"prefix_cache_gb": 0, "epochs": 1}
    assert run(tiny_experiment(tmp_path, *made, **settings), RunDir(tmp_path / "other"), Silent())


def test_clips_of_nobody_are_not_joined(folder: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"train\.join_share=0\.5 has no effect: no two of the 24"
    ):
        dataset(folder, clips(speaker=None))


def test_too_few_clips_of_a_voice_are_told(made: tuple[Path, Path], tmp_path: Path) -> None:
    watcher = Silent()
    manifest = made[1] / "manifest.jsonl"
    lines = manifest.read_text().splitlines()
    kept = [x.replace('"s0"', f'"s{i}"') if '"s0"' in x else x for i, x in enumerate(lines)]
    data = save_corpus(tmp_path / "data")
    (data / "manifest.jsonl").write_text("\n".join(kept) + "\n")
    experiment = tiny_experiment(tmp_path, made[0], data, join_share=1.0, epochs=1)
    run(experiment, RunDir(tmp_path / "run"), watcher)
    assert any("join_share=1: 3 of 6 steps have joined clips" in note for note in watcher.notes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_seconds": 60}, "batch_seconds gives no fixed number of steps with join_share"),
        ({"batch_size": 1}, "join_share has no effect with batch_size=1"),
        ({"join_share": 1.1}, "less than or equal to 1"),
    ],
)
def test_refused_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainConfig(**({"join_share": 0.2} | settings))


def test_replayed_and_pseudo_labelled_clips_are_no_part_of_other_rows(folder: Path) -> None:
    own = [
        replace(each, speaker="a", language="sw", average_log_probability=-0.5 if i % 2 else None)
        for i, each in enumerate(clips(16))
    ]
    others = [replace(each, id=f"o{each.id}", language="en") for each in clips(16)]
    replay = ReplayConfig(data=folder, share=0.25)
    config = TrainConfig(
        epochs=1, batch_size=4, join_share=0.5, replay=replay, pseudo_label_weight=0.5
    )
    data = StepDataset(folder, own, TOKENS, config, replayed=others)
    rows = [row for step in data.plan(0) for each in step for row in each.rows]
    joined = [row for row in rows if len(row) > 1]
    assert joined and any(row[0] >= data.num_own for row in rows)
    for row in joined:
        assert max(row) < data.num_own
        assert len({own[i].is_pseudo_labelled for i in row}) == 1
    assert sorted(i for row in rows for i in row if i < data.num_own) == list(range(16))
    factors = torch.cat(
        [each.factors_B for step in map(data.__getitem__, range(4)) for each in step]
    )
    assert set(factors.tolist()) == {0.5, 1.0}
