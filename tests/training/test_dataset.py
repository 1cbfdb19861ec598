"""The steps of a run: which clips, how many, and what is refused before the first of them."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from clips import cut, tone, write_clip
from pydantic import ValidationError
from runs import byte_tokens

from mothertongue.config import parse
from mothertongue.data.manifest import Utterance
from mothertongue.errors import ConfigError, DataError, MothertongueError
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.training.dataset import StepDataset

SIZES = {"sw": 16, "fr": 4}
TOKENS = byte_tokens()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for i in range(sum(SIZES.values())):
        write_clip(folder / f"{i}.wav", tone(seconds(i)))
    return folder


def seconds(clip: int) -> float:
    return 0.5 + clip % 3  # contexts of 1, 2 and 3 s


def utterances(sizes: dict[str, int] = SIZES, text: str = "moja") -> list[Utterance]:
    languages = [language for language, size in sizes.items() for _ in range(size)]
    return [
        Utterance(f"{language}{i}", f"{i}.wav", text, language, seconds(i))
        for i, language in enumerate(languages)
    ]


def dataset(folder: Path, clips: list[Utterance] | None = None, **changes: object) -> StepDataset:
    return StepDataset(folder, clips or utterances(), TOKENS, TrainConfig(**changes))


def ids_of_epochs(data: StepDataset) -> list[Counter[str]]:
    steps = [[clip for batch in batches for clip in batch.ids] for batches in data.steps_from(0)]
    size = data.steps_per_epoch
    return [
        Counter(clip for step in steps[i : i + size] for clip in step)
        for i in range(0, len(steps), size)
    ]


def languages_of(ids: Counter[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, count in ids.items():
        found[name[:2]] += count
    return found


def test_every_clip_once_an_epoch_where_no_temperature_is_set(folder: Path) -> None:
    everyone = Counter(each.id for each in utterances())
    assert ids_of_epochs(dataset(folder, epochs=2, batch_size=3)) == [everyone] * 2


def test_temperature_evens_languages_out(folder: Path) -> None:
    """Roots 4 and 2 of 16 and 4 clips: 13.33 and 6.67 of 20."""
    data = dataset(folder, epochs=4, batch_size=3, language_temperature=2)
    epochs = ids_of_epochs(data)
    assert len(epochs) == 4
    assert all(languages_of(ids) == {"sw": 13, "fr": 7} for ids in epochs)
    assert len({frozenset(ids.items()) for ids in epochs}) == 4
    assert {ids[f"fr{i}"] for ids in epochs for i in range(16, 20)} == {1, 2}
    total = sum(epochs, Counter())
    assert {total[f"sw{i}"] for i in range(16)} == {3, 4}  # 52 places for 16 clips


@pytest.mark.parametrize("temperature", [1.0, 1.5, 5.0])
@pytest.mark.parametrize("batch_size", [1, 3, 8, 50])
def test_a_run_has_equally_many_steps_in_every_epoch(
    folder: Path, temperature: float, batch_size: int
) -> None:
    for seed in range(10):
        data = dataset(
            folder, epochs=7, batch_size=batch_size, language_temperature=temperature, seed=seed
        )
        assert data.steps_per_epoch == -(-20 // batch_size)
        assert len(data) == 7 * data.steps_per_epoch
        assert {len(data.plan(epoch)) for epoch in range(7)} == {data.steps_per_epoch}


def test_a_step_is_the_same_whichever_was_asked_for_before(folder: Path) -> None:
    settings = {"epochs": 3, "batch_size": 3, "language_temperature": 3.3}
    in_order = list(dataset(folder, **settings).steps_from(0))
    data = dataset(folder, **settings)
    for step in (20, 3, 14, 0):
        batches = data[step]
        assert isinstance(batches, list)
        assert [each.ids for each in batches] == [each.ids for each in in_order[step]]
        assert all(map(torch.equal, batches[0].tensors(), in_order[step][0].tensors()))


def test_for_a_gpu_batches_have_few_shapes(folder: Path) -> None:
    """20 clips: 7, 7 and 6 of 1, 2 and 3 s. Silent rows come after the clips, and do not count."""
    plain, padded = (dataset(folder, epochs=1, batch_size=4) for _ in range(2))
    padded.has_few_shapes = True
    plain_batches = [batch for step in plain.steps_from(0) for batch in step]
    batches = [batch for step in padded.steps_from(0) for batch in step]
    assert {len(batch.ids) for batch in plain_batches} == {1, 3, 4}
    assert {batch.rows for batch in batches} == {1, 4}
    for plain_batch, batch in zip(plain_batches, batches, strict=True):
        assert (batch.ids, batch.counted) == (plain_batch.ids, plain_batch.counted)
        assert batch.inputs_BL.shape[1] % 16 == 0
        clips, width = plain_batch.inputs_BL.shape
        assert torch.equal(batch.inputs_BL[:clips, :width], plain_batch.inputs_BL)
        assert torch.equal(batch.samples_BS[:clips], plain_batch.samples_BS)
        assert not batch.samples_BS[clips:].any()


def test_several_gpus_get_no_silent_rows(folder: Path) -> None:
    data = StepDataset(folder, utterances(), TOKENS, TrainConfig(epochs=1, batch_size=4), ranks=2)
    data.has_few_shapes = True
    assert all(batch.rows == len(batch.ids) for step in data.steps_from(0) for batch in step)


def test_label_of_a_language_that_borrows_its_token(folder: Path) -> None:
    clips = utterances({"tw": 1})
    data = StepDataset(folder, clips, TOKENS.borrowing({"tw": "fr"}), TrainConfig(epochs=1))
    (step,) = data.steps_from(0)
    assert step[0].inputs_BL[0, :2].tolist() == [TOKENS.start, TOKENS.language("fr")]
    with pytest.raises(ConfigError, match=r"`borrow: \{tw: sw\}` in the experiment"):
        dataset(folder, clips)


def test_temperature_of_a_single_language(folder: Path) -> None:
    clips = utterances({"sw": 4})
    assert dataset(folder, clips, language_temperature=1).steps_per_epoch == 1
    with pytest.raises(ConfigError) as caught:
        dataset(folder, clips, language_temperature=3.3)
    assert str(caught.value) == (
        "train.language_temperature=3.3 has no effect: all training data is in sw, expected "
        "several languages; remove it"
    )


@pytest.mark.parametrize("temperature", [0.99, 0, -1, float("inf"), float("nan")])
def test_no_temperature(temperature: float) -> None:
    with pytest.raises(ValidationError, match="language_temperature"):
        TrainConfig(language_temperature=temperature)


@pytest.mark.parametrize("context", ["full", "bucket"])
def test_a_runs_own_record_of_its_settings_can_be_read_again(context: str) -> None:
    config = TrainConfig(context=context)
    assert parse(TrainConfig, config.model_dump(mode="json"), "experiment.yaml") == config


def test_nothing_to_train_on(folder: Path) -> None:
    with pytest.raises(DataError, match="no utterance in split 'train'"):
        StepDataset(folder, [], TOKENS, TrainConfig())


def test_transcripts_that_do_not_fit(folder: Path) -> None:
    clips = [*utterances({"sw": 2}), *utterances({"fr": 1}, text="x" * 500)]
    with pytest.raises(DataError) as caught:
        dataset(folder, clips)
    assert str(caught.value) == (  # the text, four tokens before it, one after it
        "1 transcripts do not fit Whisper's 448 label tokens; cut them, or let mothertongue "
        "prepare reject them:\n  fr0: 505 label tokens"
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_audio_that_cannot_be_read(folder: Path, tmp_path: Path, workers: int) -> None:
    for i in range(4):
        write_clip(tmp_path / f"{i}.flac", tone(seconds(i)))
    cut(tmp_path / "2.flac", 0.0)
    clips = [Utterance(f"{i}", f"{i}.flac", "x", "sw", seconds(i)) for i in range(4)]
    data = dataset(tmp_path, clips, epochs=1, batch_size=1, workers=workers)
    with pytest.raises(MothertongueError, match=r"2\.flac"):
        list(data.steps_from(0))
