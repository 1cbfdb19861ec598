"""Training from kept outputs of frozen layers: the same losses, and less work."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import After, Silent, save_base, save_corpus, tiny_experiment

from mothertongue.errors import Preempted
from mothertongue.experiment.run_dir import RunDir
from mothertongue.system.files import sha256_file
from mothertongue.training import dataset
from mothertongue.training import frozen_prefix as prefix
from mothertongue.training import prefix_cache as prefix_store
from mothertongue.training.loss import LabelLoss
from mothertongue.training.run import run

STRATEGIES: dict[str, dict[str, Any]] = {
    "freeze": {"kind": "freeze", "encoder_layers": 1},
    "decoder only": {"kind": "freeze", "encoder_layers": 2},
    "reinit": {"kind": "reinit", "encoder_layers": 1},
    "bottleneck": {"kind": "bottleneck", "dim": 4, "encoder_top": 1},
    "lora": {"kind": "lora", "rank": 2, "encoder_top": 0},
}
Start = Callable[..., tuple[Silent, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("prefix")
    return save_base(folder / "base"), save_corpus(folder / "data")


@pytest.fixture
def start(made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Runs a tiny experiment and gives its watcher and the digest of its last weights."""
    monkeypatch.setenv("MOTHERTONGUE_CACHE", str(tmp_path / "cache"))

    def begin(name: str, strategy: str = "freeze", **changes: Any) -> tuple[Silent, str]:
        experiment = tiny_experiment(tmp_path, *made, strategy=STRATEGIES[strategy], **changes)
        watcher = Silent()
        run(experiment, RunDir(tmp_path / name), watcher)
        return watcher, sha256_file(tmp_path / name / "final" / "trained.safetensors")

    return begin


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The depth of each computation of a prefix."""
    calls: list[int] = []
    real = prefix.prefix

    def counted(encoder: Any, mel: Any, depth: int, dtype: Any) -> Any:
        calls.append(depth)
        return real(encoder, mel, depth, dtype)

    monkeypatch.setattr(prefix, "prefix", counted)
    return calls


@pytest.mark.parametrize("strategy", list(STRATEGIES))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_store_changes_no_bit(start: Start, strategy: str, precision: str) -> None:
    settings = {"precision": precision, "full_context_share": 0.3}
    without = start("without", strategy, prefix_cache_gb=0, **settings)
    filling = start("filling", strategy, **settings)
    reading = start("reading", strategy, **settings)
    assert without[0].losses == filling[0].losses == reading[0].losses
    assert without[1] == filling[1] == reading[1]


@pytest.mark.parametrize("strategy", ["freeze", "decoder only", "bottleneck"])
def test_losses_are_those_of_the_plain_model(
    start: Start, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = start("prefix", strategy)
    monkeypatch.setattr("mothertongue.training.run.open_prefix", lambda *_: None)
    plain, _ = start("plain", strategy)
    assert found.losses == pytest.approx(plain.losses, rel=1e-5)


def test_each_clip_is_computed_once_and_by_a_second_run_never(
    start: Start, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    real = dataset.load_clip

    def heard(root: Path, utterance: Any) -> Any:
        decoded.append(utterance.id)
        return real(root, utterance)

    monkeypatch.setattr(dataset, "load_clip", heard)
    start("first", full_context_share=0)
    assert (len(computed), len(decoded)) == (12, 12)  # of 12 clips, over two epochs
    start("second", full_context_share=0)
    assert (len(computed), len(decoded)) == (12, 24)  # which clip it is is heard once


def test_a_record_says_how_much_of_its_time_others_saved(start: Start, tmp_path: Path) -> None:
    """Else the strategy that came later would seem the quicker."""

    def cache_of(name: str) -> Any:
        start(name)
        return json.loads((tmp_path / name / "record.json").read_text())["prefix_cache"]

    first, second = cache_of("first"), cache_of("second")
    # Clips at 30 s as well as cut; a batch of which one clip is missing is computed whole.
    assert first["computed"] >= first["needed"] >= 12
    assert second == {"needed": first["needed"], "computed": 0}


def test_what_a_stopped_run_stored_is_its_own(
    start: Start, tmp_path: Path, made: tuple[Path, Path]
) -> None:
    experiment = tiny_experiment(tmp_path, *made, strategy=STRATEGIES["freeze"])
    with pytest.raises(Preempted):
        run(experiment, RunDir(tmp_path / "run"), After(5))
    cache = run(experiment, RunDir(tmp_path / "run"), Silent()).prefix_cache
    assert cache is not None and cache.computed >= cache.needed >= 12


def test_without_frozen_layers_or_a_store_there_is_nothing_to_say(
    start: Start, tmp_path: Path, made: tuple[Path, Path]
) -> None:
    full = run(tiny_experiment(tmp_path, *made), RunDir(tmp_path / "full"), Silent())
    assert full.prefix_cache is None
    start("none", prefix_cache_gb=0)
    none = json.loads((tmp_path / "none/record.json").read_text())
    assert none["prefix_cache"] is None


def test_runs_of_other_depths_do_not_share_and_other_strategies_of_one_depth_do(
    start: Start, computed: list[int]
) -> None:
    start("freeze", "freeze", full_context_share=0)
    start("bottleneck", "bottleneck", full_context_share=0)
    assert computed == [1] * 12
    start("decoder", "decoder only", full_context_share=0)
    assert computed == [1] * 12 + [2] * 12


def test_full_tuning_opens_no_store(made: tuple[Path, Path], tmp_path: Path, start: Start) -> None:
    run(tiny_experiment(tmp_path, *made), RunDir(tmp_path / "full"), Silent())
    assert not (tmp_path / "cache" / "prefix").exists()


def test_a_stopped_run_continues_to_the_same_weights(
    start: Start, tmp_path: Path, made: tuple[Path, Path]
) -> None:
    _, whole = start("whole")
    experiment = tiny_experiment(tmp_path, *made, strategy=STRATEGIES["freeze"])
    with pytest.raises(Preempted):
        run(experiment, RunDir(tmp_path / "stopped"), After(5))
    watcher, weights = start("stopped")
    assert (watcher.began_at, weights) == (5, whole)


def test_a_damaged_entry_is_computed_again_and_told_once(
    start: Start, tmp_path: Path, computed: list[int]
) -> None:
    first = start("first", full_context_share=0)
    paths = sorted((tmp_path / "cache").glob("prefix/*/??/*.safetensors"))
    assert len(paths) == 12
    for path in paths[:3]:
        path.write_bytes(path.read_bytes()[:-1])
    second = start("second", full_context_share=0)
    assert second[1] == first[1]
    assert len(computed) > 12
    assert sum("damaged entries are computed again" in note for note in second[0].notes) == 1


def test_a_full_disk_ends_the_keeping_and_not_the_run(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    whole = start("whole")
    monkeypatch.setattr(prefix_store, "_write", full)
    monkeypatch.setattr(prefix_store.PrefixStore, "get", lambda *_: None)
    watcher, weights = start("full disk")
    assert weights == whole[1]
    told = [note for note in watcher.notes if "no longer kept on disk" in note]
    assert len(told) == 1
    assert "No space left on device" in told[0]


def test_random_parts_of_a_base_turn_it_off_and_are_told(
    start: Start, made: tuple[Path, Path], tmp_path: Path
) -> None:
    config = json.loads((made[0] / "config.json").read_text())
    changed = tmp_path / "dropout"
    changed.mkdir()
    for path in made[0].iterdir():
        (changed / path.name).write_bytes(path.read_bytes())
    (changed / "config.json").write_text(json.dumps(config | {"dropout": 0.1}))
    watcher = Silent()
    experiment = tiny_experiment(tmp_path, changed, made[1], strategy=STRATEGIES["freeze"])
    run(experiment, RunDir(tmp_path / "run"), watcher)
    assert any("the base has dropout 0.1" in note for note in watcher.notes)
    assert not (tmp_path / "cache" / "prefix").exists()


def test_workers_read_the_store_too(start: Start) -> None:
    alone = start("alone")
    assert start("workers", workers=2)[1] == alone[1]


def test_out_of_memory_halves_batches_of_states(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    start("fill", batch_size=4, full_context_share=0)
    small = start("small", batch_size=4, micro_batch_size=2, full_context_share=0)
    real = LabelLoss.forward

    def limited(self: LabelLoss, heard: torch.Tensor, *labels: torch.Tensor, **rows: Any) -> Any:
        if len(heard) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return real(self, heard, *labels, **rows)

    monkeypatch.setattr(LabelLoss, "forward", limited)
    assert start("limited", batch_size=4, full_context_share=0)[1] == small[1]
