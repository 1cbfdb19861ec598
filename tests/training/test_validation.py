"""Which clips are decoded when, what chooses the best weights, and what is recorded of them."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from runs import Silent, byte_tokens, save_base, save_corpus, tiny_experiment, validation

from mothertongue.data.manifest import Utterance, read_data, read_manifest, write_manifest
from mothertongue.decoding.lm.folder import build
from mothertongue.decoding.transcript import DecodeConfig, Transcript
from mothertongue.errors import ConfigError, DataError
from mothertongue.evaluation.evaluate import Evaluation
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.load import load_run
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.validation import Validation
from mothertongue.system.files import sha256_file
from mothertongue.training import loop, state
from mothertongue.training.run import assemble, open_data, run
from mothertongue.training.signals import StopRequest
from mothertongue.training.validator import SplitValidator, in_turns, rates


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_base(tmp_path / "base")


def answers(
    monkeypatch: pytest.MonkeyPatch, found: Sequence[Validation], final: Validation | None = None
) -> list[Any]:
    """Let validations find these, one after the other; returns what they were asked."""
    calls: list[Any] = []
    left: Iterator[Validation] = iter(found)

    def decode(self: SplitValidator, stop: StopRequest, clips: int) -> Validation:
        calls.append(clips)
        return next(left)

    def at_full_context(self: SplitValidator, stop: StopRequest) -> Validation:
        calls.append("all at 30 s")
        return final or found[0]

    monkeypatch.setattr(SplitValidator, "__call__", decode)
    monkeypatch.setattr(SplitValidator, "at_full_context", at_full_context)
    return calls


def test_the_clock_chooses_nothing(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = save_corpus(tmp_path / "data", train=30, validation=40)
    experiment = tiny_experiment(tmp_path, base, data, epochs=4, eval_every_steps=None)
    runs = RunDir(tmp_path / "as it is"), RunDir(tmp_path / "one second a look")
    run(experiment, runs[0], Silent())
    ticks = itertools.count()
    # A step takes as long as a validation then, which really takes as long as many steps.
    # Of the loop alone: a server of other tests, in this process, sleeps by the real clock.
    clock = SimpleNamespace(monotonic=lambda: float(next(ticks)))
    monkeypatch.setattr(loop, "time", clock)
    run(experiment, runs[1], Silent())
    for name in ("best/trained.safetensors", "final/trained.safetensors", "metrics.jsonl"):
        first, second = (sha256_file(each.path / name) for each in runs)
        assert first == second, name


@pytest.mark.parametrize(
    ("changes", "calls"),
    [
        ({}, [250 - 50] * 2 + ["all at 30 s"]),
        ({"validation_clips": 7}, [7] * 2 + ["all at 30 s"]),
        ({"validation_clips": "all"}, [250] * 2 + ["all at 30 s"]),
        ({"validation_clips": "all", "context": "full"}, [250] * 2),
        ({"validation_clips": 7, "context": "full"}, [7] * 2 + ["all at 30 s"]),
        ({"validation_clips": 7, "eval_every_steps": 5}, [7] * 3 + ["all at 30 s"]),
    ],
)
def test_settings_and_data_say_what_is_decoded(
    changes: dict[str, Any],
    calls: list[Any],
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = save_corpus(tmp_path / "data", validation=1)
    clips = read_data([data])
    more = [replace(each, id=f"{each.id}-{i}") for each in clips for i in range(249)]
    more = [each for each in more if each.split == "validation"]
    write_manifest(data / "manifest.jsonl", [*clips, *more])
    settings = {"eval_every_steps": None} | changes
    found = answers(monkeypatch, [validation(0.5)] * 3)
    run(tiny_experiment(tmp_path, base, data, **settings), RunDir(tmp_path / "run"), Silent())
    assert found == calls


def test_the_record_has_the_best_weights_on_all_clips_at_30_s(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tiny_experiment(tmp_path, base, save_corpus(tmp_path), validation_clips=2)
    wers = (0.9, 0.4, 0.6)
    answers(monkeypatch, [validation(wer, loss=wer) for wer in wers], validation(0.7, 0.3))
    watcher = Silent()
    record = run(experiment, RunDir(tmp_path / "run"), watcher)
    assert (record.best_step, record.select_by) == (8, "wer")
    assert record.best == replace(validation(0.7, 0.3), loss=0.4)
    assert any(
        "best weights, step 8: WER 70.0% on all 3 validation clips at 30 s" in note
        for note in watcher.notes
    )


def test_a_language_without_word_spaces_is_chosen_by_its_characters(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six ever better models of Thai phrases: the first four have no whole phrase right."""
    clips = read_data([save_corpus(tmp_path / "data")])
    write_manifest(tmp_path / "thai/manifest.jsonl", [replace(e, language="th") for e in clips])
    wers = (1.0, 1.0, 1.0, 1.0, 0.978, 0.956)
    cers = (0.395, 0.3, 0.184, 0.156, 0.105, 0.082)
    answers(monkeypatch, [validation(*each) for each in zip(wers, cers, strict=True)])
    settings = {"eval_every_steps": 2, "patience": 2, "validation_clips": "all"}
    experiment = tiny_experiment(tmp_path, base, tmp_path / "thai", **settings)
    thai = {"language": "th", "borrow": {"th": "sw"}}
    watcher = Silent()
    record = run(experiment.model_copy(update=thai), RunDir(tmp_path / "run"), watcher)
    assert (record.best_step, record.select_by) == (12, "cer")
    assert not record.stopped_early
    assert any(note.startswith("best weights, step 12: CER") for note in watcher.notes)


def test_equal_rates_go_by_the_other_rate_then_by_the_loss(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(1.0, 0.5, 3.0), (1.0, 0.4, 3.0), (1.0, 0.4, 2.0), (1.0, 0.4, 2.5), (1.0, 0.5, 1.0)]
    answers(monkeypatch, [validation(*each) for each in found])
    settings = {"eval_every_steps": 1, "epochs": 1, "patience": 2}
    experiment = tiny_experiment(tmp_path, base, save_corpus(tmp_path), **settings)
    record = run(experiment, RunDir(tmp_path / "run"), Silent())
    assert (record.best_step, record.steps, record.stopped_early) == (3, 5, True)


def test_a_validation_that_is_dear_is_told_of_once(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = save_corpus(tmp_path / "data", validation=60)
    monkeypatch.setattr(state, "EXPENSIVE_SHARE", 0.0)
    watcher = Silent()
    run(tiny_experiment(tmp_path, base, data), RunDir(tmp_path / "run"), watcher)
    (hint,) = [note for note in watcher.notes if "% of the time" in note]
    assert hint.startswith("validations (60 of 60 clips every 4 steps) take ")
    assert "train.validation_clips=50" in hint


def test_a_run_stopped_in_its_last_decoding_owes_it_still(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tiny_experiment(tmp_path, base, save_corpus(tmp_path))
    real = SplitValidator.at_full_context

    def stopped(self: SplitValidator, stop: StopRequest) -> Validation | None:
        stop.signal = 15
        return real(self, stop)

    run_dir = RunDir(tmp_path / "run")
    monkeypatch.setattr(SplitValidator, "at_full_context", stopped)
    with pytest.raises(loop.Preempted, match="after step 12 of 12"):
        run(experiment, run_dir, Silent())
    monkeypatch.setattr(SplitValidator, "at_full_context", real)
    watcher = Silent()
    record = run(experiment, run_dir, watcher)
    assert watcher.losses == []
    assert any("on all 3 validation clips" in note for note in watcher.notes)
    whole = run(experiment, RunDir(tmp_path / "whole"), Silent())
    measured = ("train_s", "validate_s", "last_wall_s", "peak_memory_bytes")
    assert record == replace(whole, **{key: getattr(record, key) for key in measured})


def utterance(name: str, language: str, text: str) -> Utterance:
    return Utterance(name, "a.wav", text, language, 1.0)


def test_each_language_counts_as_much_as_another() -> None:
    """A large one of WER 0 and CER 0 beside a small one of WER 1/2 and CER 1/9."""
    large = [utterance(f"{i}", "sw", "moja mbili") for i in range(30)]
    small = [utterance("x", "yo", "kini nkan")]
    texts = ["moja mbili"] * 30 + ["kini nkam"]
    found = rates(
        Evaluation(
            [*large, *small], [Transcript(text, "sw", (), None) for text in texts], context="bucket"
        ),
        loss=1.5,
    )
    assert (found.wer, found.cer, found.loss) == (0.25, 1 / 18, 1.5)
    assert found.interval95 == (0.25, 0.25)  # neither has any spread


def test_languages_take_turns() -> None:
    given = [utterance(name, name[0], "") for name in ("a1", "a2", "a3", "b1", "a4", "b2", "c1")]
    assert [each.id for each in in_turns(given)] == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def split_validator(experiment: Experiment) -> SplitValidator:
    base, utterances = open_data(experiment)
    validate = assemble(experiment, base, utterances, print).job.validate
    assert isinstance(validate, SplitValidator)
    return validate


def test_clips_are_drawn_by_the_seed(base: Path, tmp_path: Path) -> None:
    data = save_corpus(tmp_path, validation=20)

    def order(seed: int) -> list[str]:
        validate = split_validator(tiny_experiment(tmp_path, base, data, seed=seed))
        return [each.id for each in validate.utterances]

    assert order(0) == order(0)
    assert order(0) != order(1)
    assert sorted(order(0)) == sorted(order(1))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_loss_is_that_of_transformers(base: Path, tmp_path: Path, precision: str) -> None:
    import torch

    from mothertongue.data.clips import load_clip
    from mothertongue.model.features import log_mel
    from mothertongue.training.batch import collate

    settings = {"context": "full", "precision": precision}
    experiment = tiny_experiment(tmp_path, base, save_corpus(tmp_path), **settings)
    validate = split_validator(experiment)
    found = validate(StopRequest(), 3)
    assert found
    nats, tokens = 0.0, 0
    for each in validate.utterances:
        label = validate.base.tokens.label(each.text, each.language)
        batch = collate([each.id], [load_clip(Path(), each)], [label], 30, validate.base.tokens.end)
        samples_BS, inputs_BL, targets_BL = batch.tensors()
        with torch.inference_mode():
            model = validate.base.model.eval()
            mel_BMF = log_mel(samples_BS, model.config.num_mel_bins)
            out = model(mel_BMF, decoder_input_ids=inputs_BL, labels=targets_BL)
        nats += float(out.loss) * batch.counted
        tokens += batch.counted
    assert found.loss == pytest.approx(nats / tokens, rel=1e-5 if precision == "fp32" else 1e-2)


def test_a_run_of_an_earlier_version_opens(base: Path, tmp_path: Path) -> None:
    """One that recorded settings that are no more."""
    experiment = tiny_experiment(tmp_path, base, save_corpus(tmp_path), epochs=1)
    run_dir = RunDir(tmp_path / "run")
    run(experiment, run_dir, Silent())
    text = run_dir.experiment.read_text("utf-8")
    older = text.replace("  validation_clips: 200\n", "  validation_clips: null\n")
    older = older.replace("  patience:", "  validation_share: 0.15\n  patience:")
    assert "validation_clips: null" in older
    assert "validation_share" in older
    run_dir.experiment.write_text(older, "utf-8")
    assert load_run(run_dir.path).experiment == experiment


def test_what_no_validation_can_decode_is_told_before_the_first_step(
    base: Path, tmp_path: Path
) -> None:
    data = save_corpus(tmp_path / "data")
    build([data], [], byte_tokens(), 2, tmp_path / "lm")
    experiment = tiny_experiment(tmp_path, base, data)
    unweighed = DecodeConfig(beam_size=2, lm=tmp_path / "lm")
    watcher = Silent()
    with pytest.raises(ConfigError, match="how much it weighs was not chosen"):
        fused = experiment.model_copy(update={"evaluate": unweighed})
        run(fused, RunDir(tmp_path / "fused"), watcher)
    clips = [
        replace(each, text="a" * 600) if each.id == "validation0" else each
        for each in read_manifest(data)
    ]
    write_manifest(data / "manifest.jsonl", clips)
    with pytest.raises(DataError, match=r"1 transcripts do not fit .*\n  validation0: 60"):
        run(experiment, RunDir(tmp_path / "long"), watcher)
    assert watcher.losses == []
