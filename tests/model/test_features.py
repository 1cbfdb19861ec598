from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import encode, tone, write_clip
from tiny import noise
from transformers import WhisperFeatureExtractor

from mothertongue.data.augment.config import SpecAugmentConfig
from mothertongue.data.augment.masks import draw_masks
from mothertongue.data.clips import load_clip
from mothertongue.data.manifest import Utterance
from mothertongue.errors import DataError
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.training.batch import IGNORED, Batch, collate

SECONDS = [0.0, 0.01, 0.6, 3.21, 12.0, 29.99, 30.0]


@pytest.mark.parametrize("mel_bins", [80, 128])
def test_log_mel_is_that_of_transformers(mel_bins: int) -> None:
    clips = [noise(seconds, seed) for seed, seconds in enumerate(SECONDS)]
    extract = WhisperFeatureExtractor(mel_bins)
    theirs = [extract(clip, sampling_rate=16_000).input_features[0] for clip in clips]
    ours_BMF = log_mel(pad_samples(clips, 30), mel_bins)
    assert ours_BMF.shape == (len(clips), mel_bins, 3000)
    assert ours_BMF.dtype == torch.float32
    np.testing.assert_allclose(ours_BMF, np.stack(theirs), atol=1e-4)


def test_log_mel_of_a_cut_context_is_the_beginning_of_the_full() -> None:
    samples_BS = pad_samples([noise(3.5)], 4)
    full_BMF = log_mel(pad_samples([noise(3.5)], 30), 80)
    cut_BMF = log_mel(samples_BS, 80)
    assert cut_BMF.shape == (1, 80, 400)
    torch.testing.assert_close(cut_BMF, full_BMF[..., :400], atol=1e-5, rtol=0)


def test_log_mel_does_not_depend_on_the_neighbours() -> None:
    clips = [noise(2, 0), 100 * noise(1, 1), np.zeros(8000, np.float32), noise(0.3, 2) / 100]
    together_BMF = log_mel(pad_samples(clips, 2), 80)
    for clip, mel_MF in zip(clips, together_BMF, strict=True):
        torch.testing.assert_close(log_mel(pad_samples([clip], 2), 80)[0], mel_MF)


def test_log_mel_is_float32_under_autocast() -> None:
    samples_BS = pad_samples([noise(1)], 1)
    with torch.autocast("cpu", torch.bfloat16):
        inside_BMF = log_mel(samples_BS, 80)
    assert torch.equal(inside_BMF, log_mel(samples_BS, 80))
    assert torch.equal(log_mel(samples_BS.double(), 80), inside_BMF)


def test_silence() -> None:
    assert torch.equal(log_mel(torch.zeros(1, 16_000), 80), torch.full((1, 80, 100), -1.5))


def test_pad_samples() -> None:
    samples_BS = pad_samples([np.ones(3, np.float32), np.ones(16_000, np.float32)], 1)
    assert samples_BS.shape == (2, 16_000)
    assert samples_BS.sum(1).tolist() == [3, 16_000]
    assert samples_BS[0, :3].tolist() == [1, 1, 1]


@pytest.mark.parametrize("mel_bins", [80, 128])
def test_masks_are_zeros_where_they_were_drawn_and_nowhere_else(mel_bins: int) -> None:
    samples_BS = torch.from_numpy(np.stack([noise(2.0, seed) for seed in range(2)]))
    plain_BMF = log_mel(samples_BS, mel_bins)
    masks_BR4 = torch.tensor(
        [
            [[0, 150, 0.5, 0.75], [20, 60, 0.0, 1.0]],
            [[0, 0, 0.0, 0.0], [199, 200, 0.0, 1.0]],
        ]
    )
    expected_BMF = plain_BMF.clone()
    expected_BMF[0, mel_bins // 2 : 3 * mel_bins // 4, :150] = 0
    expected_BMF[0, :, 20:60] = 0
    expected_BMF[1, :, 199] = 0
    assert torch.equal(log_mel(samples_BS, mel_bins, masks_BR4), expected_BMF)
    assert not torch.equal(expected_BMF, plain_BMF)


@pytest.mark.parametrize("mel_bins", [80, 128])
def test_masks_in_frequency_are_no_wider_than_their_share_of_the_mels(mel_bins: int) -> None:
    samples_BS = torch.from_numpy(noise(1.0))[None].expand(300, -1)
    config = SpecAugmentConfig(time_masks=0, frequency_masks=1)
    rng = np.random.default_rng(0)
    masks_BR4 = torch.from_numpy(np.stack([draw_masks(config, 40, rng) for _ in range(300)]))
    masked_BMF = log_mel(samples_BS, mel_bins, masks_BR4) == 0
    widths = masked_BMF[:, :, 0].sum(dim=1)
    assert int(widths.max()) == {80: 27, 128: 43}[mel_bins]  # Park et al.'s F of 80
    assert not masked_BMF[:, :, 40:].any()


def test_clip_beyond_its_context() -> None:
    with pytest.raises(ValueError) as caught:
        pad_samples([np.ones(16_001, np.float32)], 1)
    assert str(caught.value) == "a clip of 1.00 s does not fit a context of 1 s"


@pytest.fixture
def batch() -> Batch:
    clips = [np.full(i, i, np.float32) for i in (1, 2, 3)]
    return collate(["a", "b", "c"], clips, [[1, 2, 3, 9], [1, 9], [1, 2, 9]], 1, end_token=9)


def test_collate_shifts_labels_by_one(batch: Batch) -> None:
    # L is a multiple of 8: what is missing is the end token, and counts for nothing.
    assert batch.inputs_BL.tolist() == [[1, 2, 3, *[9] * 5], [1, *[9] * 7], [1, 2, *[9] * 6]]
    none = IGNORED
    assert batch.targets_BL.tolist() == [
        [2, 3, 9, *[none] * 5],
        [9, *[none] * 7],
        [2, 9, *[none] * 6],
    ]
    assert batch.counted == 3 + 1 + 2
    assert batch.samples_BS[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(("tokens", "width"), [(9, 8), (10, 16), (448, 448)])
def test_batches_have_few_different_widths(tokens: int, width: int) -> None:
    clips = [np.ones(3, np.float32)]
    assert collate(["a"], clips, [list(range(tokens))], 1, end_token=9).inputs_BL.shape == (
        1,
        width,
    )


@pytest.fixture
def masked(batch: Batch) -> Batch:
    return replace(batch, masks_BR4=torch.arange(24.0).reshape(3, 2, 4))


@pytest.mark.parametrize("name", ["batch", "masked"])
def test_split_keeps_all_in_order(name: str, request: pytest.FixtureRequest) -> None:
    batch: Batch = request.getfixturevalue(name)
    parts = batch.split(2)
    assert [part.ids for part in parts] == [("a", "b"), ("c",)]
    assert sum(part.counted for part in parts) == batch.counted
    for whole, *pieces in zip(batch.tensors(), *(part.tensors() for part in parts), strict=True):
        assert torch.equal(torch.cat(pieces), whole)


@pytest.mark.parametrize("name", ["batch", "masked"])
def test_silent_rows_follow_the_clips(name: str, request: pytest.FixtureRequest) -> None:
    batch: Batch = request.getfixturevalue(name)
    filled = batch.filled(5)
    assert (filled.rows, filled.ids, filled.counted) == (5, batch.ids, batch.counted)
    for more, part in zip(filled.tensors(), batch.tensors(), strict=True):
        assert torch.equal(more[:3], part)
    assert [part.ids for part in filled.split(2)] == [("a", "b"), ("c",), ()]
    assert not filled.samples_BS[3:].any()
    assert all(map(torch.equal, batch.filled(2).tensors(), batch.tensors()))


def test_counted_rows_are_those_of_the_flattened_targets(batch: Batch) -> None:
    rows_N = batch.counted_rows(torch.device("cpu"))
    assert rows_N.tolist() == [0, 1, 2, 8, 16, 17]
    assert batch.counted_rows(torch.device("cuda")) is None


@pytest.mark.parametrize("name", ["batch", "masked"])
def test_to_device_keeps_all(name: str, request: pytest.FixtureRequest) -> None:
    batch: Batch = request.getfixturevalue(name)
    moved = batch.to(torch.device("cpu"))
    assert moved.ids == batch.ids
    assert all(map(torch.equal, moved.tensors(), batch.tensors()))


def utterance(path: Path, duration_s: float, start_s: float | None = None) -> Utterance:
    return Utterance("clip7", path.name, "moja mbili", "sw", duration_s, start_s)


@pytest.mark.parametrize("stated_s", [1.0, 1.85, 2.2, 29.0])
@pytest.mark.parametrize("name", ["a.wav", "a.mp3"])
def test_a_whole_file_that_is_not_as_long_as_stated_is_refused(
    name: str, stated_s: float, tmp_path: Path
) -> None:
    path = tmp_path / name
    if name == "a.wav":
        write_clip(path, tone(2.0))
    else:
        encode(path, tone(2.0), "mp3", "libmp3lame")
    with pytest.raises(DataError, match=rf"clip7.*duration_s {stated_s:.2f}.*mothertongue check"):
        load_clip(tmp_path, utterance(path, stated_s))


@pytest.mark.parametrize("stated_s", [1.95, 2.0, 2.04])
def test_a_stated_duration_may_be_rounded(stated_s: float, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.wav", tone(2.0))
    samples_N = load_clip(tmp_path, utterance(path, stated_s))
    assert len(samples_N) == round(16_000 * min(stated_s, 2.0))


def test_a_part_of_a_file_may_be_as_long_as_it_likes(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.wav", tone(2.0))
    for start_s in (0.0, 0.5):
        samples_N = load_clip(tmp_path, utterance(path, 1.0, start_s))
        assert len(samples_N) == 16_000
