"""How much of the validation split is decoded, how often, and what the best weights are told by."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import Silent, save_base, save_corpus, tiny_experiment

from mothertongue.experiment import run
from mothertongue.records import RunDir
from mothertongue.training import loop
from mothertongue.training.config import TrainConfig
from mothertongue.training.stopping import StopRequest
from mothertongue.training.validation import Validation, affordable_clips, intervals_between
from mothertongue.validator import SplitValidator


class Timed:
    """A validator that needs a fixed time for each clip."""

    def __init__(self, clips: int, per_clip_s: float) -> None:
        self.clips, self.per_clip_s = clips, per_clip_s
        self.now_s, self.decoded = 0.0, 0

    def __call__(self, stop: StopRequest, clips: int) -> Validation | None:
        self.now_s += clips * self.per_clip_s
        self.decoded += clips
        return None if stop.signal else Validation(0.5, (0.4, 0.6))

    def clock(self) -> float:
        return self.now_s


def chosen(validator: Timed, train_s: float, **settings) -> int | None:
    config = TrainConfig(**settings)
    return affordable_clips(validator, StopRequest(), config, train_s, validator.clock)


@pytest.mark.parametrize(
    ("train_s", "settings", "clips"),
    [
        (1000.0, {}, 75),  # 150 s at 2 s a clip
        (2000.0, {}, 150),
        (1e6, {}, 500),  # the whole split
        (10.0, {}, 32),  # never fewer
        (1000.0, {"validation_share": 0.5}, 250),
        (10.0, {"validation_clips": 60}, 60),
        (10.0, {"validation_clips": 900}, 500),
        (10.0, {"validation_clips": "all"}, 500),
    ],
)
def test_as_many_clips_as_their_share_of_the_time_allows(train_s, settings, clips) -> None:
    assert chosen(Timed(500, 2.0), train_s, **settings) == clips


def test_a_small_split_is_decoded_whole_without_measuring() -> None:
    validator = Timed(32, 2.0)
    assert chosen(validator, 1.0) == 32
    assert validator.decoded == 0


def test_asked_to_stop_while_measuring_nothing_is_chosen() -> None:
    stop, validator = StopRequest(), Timed(500, 2.0)
    stop.signal = 15
    assert affordable_clips(validator, stop, TrainConfig(), 10.0, validator.clock) is None


@given(st.floats(0.1, 1e4), st.floats(0.1, 1e4), st.floats(0.01, 1))
def test_the_interval_is_the_shortest_that_keeps_the_share(validate_s, train_s, share) -> None:
    every = intervals_between(TrainConfig(validation_share=share), validate_s, train_s)
    assert validate_s / (every * train_s) <= share * (1 + 1e-9)
    assert every == 1 or validate_s / ((every - 1) * train_s) > share * (1 - 1e-9)


def test_an_interval_that_is_given_is_kept() -> None:
    assert intervals_between(TrainConfig(eval_every_steps=5), 100.0, 1.0) == 1
    assert intervals_between(TrainConfig(validation_clips="all"), 100.0, 1.0) == 1


def test_the_share_has_no_effect_where_the_clips_are_given() -> None:
    with pytest.raises(ValueError, match="validation_share has no effect with validation_clips"):
        TrainConfig(validation_clips=10, validation_share=0.5)


def test_the_best_weights_are_decoded_on_the_whole_split_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tiny_experiment(tmp_path, save_base(tmp_path / "base"), save_corpus(tmp_path))
    calls: list[int] = []
    wers = iter([0.9, 0.4, 0.6, 0.7])

    def decode(self: SplitValidator, stop: StopRequest, clips: int) -> Validation:
        calls.append(clips)
        wer = next(wers)
        return Validation(wer, (wer - 0.1, wer + 0.1))

    monkeypatch.setattr(loop, "affordable_clips", lambda *_: 2)
    monkeypatch.setattr(SplitValidator, "__call__", decode)
    watcher = Silent()
    record = run(experiment, RunDir(tmp_path / "run"), watcher)
    assert calls == [2, 2, 2, 3]
    assert (record["best_step"], record["validation_clips"]) == (8, 2)
    assert record["best_validation_wer"] == 0.7
    assert record["best_validation_interval95"] == pytest.approx([0.6, 0.8])
    assert any("validation: 2 of 3 clips every 4 steps" in note for note in watcher.notes)
    assert any("best weights, step 8: WER 70.0% on all 3" in note for note in watcher.notes)


def test_a_run_stopped_in_its_last_decoding_owes_it_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tiny_experiment(tmp_path, save_base(tmp_path / "base"), save_corpus(tmp_path))
    monkeypatch.setattr(loop, "affordable_clips", lambda *_: 2)
    real = SplitValidator.__call__

    def stopped(self: SplitValidator, stop: StopRequest, clips: int) -> Validation | None:
        if clips == 3:
            stop.signal = 15
        return real(self, stop, clips)

    run_dir = RunDir(tmp_path / "run")
    monkeypatch.setattr(SplitValidator, "__call__", stopped)
    with pytest.raises(loop.Preempted, match="after step 12 of 12"):
        run(experiment, run_dir, Silent())
    monkeypatch.setattr(SplitValidator, "__call__", real)
    watcher = Silent()
    record = run(experiment, run_dir, watcher)
    assert watcher.losses == []
    assert any("on all 3 validation clips" in note for note in watcher.notes)
    assert record["validation_clips"] == 2


def test_clips_are_drawn_by_the_seed(tmp_path: Path) -> None:
    data = save_corpus(tmp_path, validation=20)
    base = save_base(tmp_path / "base")

    def order(seed: int) -> list[str]:
        from mothertongue.experiment import _split, _validation
        from mothertongue.manifest import read_data
        from mothertongue.model import load_base
        from mothertongue.training.ranks import Ranks

        experiment = tiny_experiment(tmp_path, base, data, seed=seed)
        found = _validation(
            load_base(str(base)),
            _split(read_data([data]), "validation"),
            experiment,
            Ranks(),
        )
        assert isinstance(found, SplitValidator)
        return [each.id for each in found.utterances]

    assert order(0) == order(0)
    assert order(0) != order(1)
    assert sorted(order(0)) == sorted(order(1))
