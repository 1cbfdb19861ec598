"""Which runs and scores a comparison takes again, and what it may train and test on."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grids import MakeGrid, Quiet, in_process
from runs import save_base, save_corpus

from mothertongue.comparison.compare import compare
from mothertongue.comparison.grid import Grid
from mothertongue.comparison.schema import Comparison
from mothertongue.data.manifest import read_manifest, write_manifest
from mothertongue.errors import ConfigError, DataError
from mothertongue.system.files import write_json

ONE = {"full": {"strategy": {"kind": "full"}}}


def edit(path: Path, **changes: Any) -> None:
    write_json(path, json.loads(path.read_text("utf-8")) | changes)


def test_runs_of_other_data_or_code_are_refused_and_scores_of_other_code_made_again(
    make_grid: MakeGrid, tmp_path: Path
) -> None:
    data, out = save_corpus(tmp_path / "sw", train=4), tmp_path / "out"
    languages = {"sw": {"data": str(data)}}
    grid = make_grid(languages=languages, strategies=ONE, retention={}, seeds=[0, 1])
    result = compare(grid, out, in_process, Quiet())
    assert result.languages["sw"].doubts == [
        "Set test: of 3 clips 3 share a sentence and 3 share a speaker with the training clips; "
        "other speech may fare worse."
    ]
    scores = out / "runs/sw-full-seed0/eval/test.json"
    versions = json.loads(scores.read_text())["packages"]
    edit(scores, packages=versions | {"torch": "2.0"})
    again = Quiet()
    compare(grid, out, in_process, again)
    assert again.done == ["scoring sw-full-seed0"]

    base = out / "base/eval/sw/test.json"
    engine = json.loads(base.read_text())["engine"]
    edit(base, engine=engine | {"precision": "bfloat16"})
    assert compare(grid, out, in_process, again).languages["sw"].doubts[1:] == [
        "Set test: precision was bfloat16 for base; float32 for sw-full-seed0, sw-full-seed1: "
        "models that are decoded differently are not quite comparable."
    ]
    edit(base, engine=engine)

    identity = out / "runs/sw-full-seed1/identity.json"
    edit(identity, packages=versions | {"torch": "2.0"})
    with pytest.raises(DataError, match=r"1 runs were made from .*\n  torch: was 2\.0") as raised:
        compare(grid, out, in_process, again)
    assert "\n    sw-full-seed1\n" in str(raised.value)
    edit(identity, packages=versions)

    clips = list(read_manifest(data))
    moved = [replace(clips[0], split="test"), *clips[1:]]
    write_manifest(data / "manifest.jsonl", moved)
    with pytest.raises(DataError, match="2 runs were made from something else") as raised:
        compare(grid, out, in_process, again)
    assert f"{data}/manifest.jsonl: clips 1 in another split, 1 held out that were" in str(
        raised.value
    )
    assert f"remove these runs from {out}/runs" in str(raised.value)
    assert again.done == ["scoring sw-full-seed0"]


@pytest.mark.parametrize("where", ["data", "also", "retention"])
def test_a_set_without_clips_is_refused_before_anything_runs(
    where: str, make_grid: MakeGrid, tmp_path: Path
) -> None:
    """A test split that is added later is other data: the runs would be lost."""
    empty = str(save_corpus(tmp_path / "empty", test=0))
    sets = {where: {"x": {"data": empty}}}
    place = {"also": sets.get("also", {})} | ({"data": empty} if where == "data" else {})
    languages = {"sw": {"data": str(save_corpus(tmp_path / "sw"))} | place}
    grid = make_grid(languages=languages, retention=sets.get("retention", {}))
    with pytest.raises(DataError, match=r"empty: no utterance in split 'test'; found train, vali"):
        compare(grid, tmp_path / "out", in_process, Quiet())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", ["data", "also", "retention"])
def test_a_set_without_a_word_is_refused_before_anything_runs(
    where: str, make_grid: MakeGrid, tmp_path: Path
) -> None:
    """Noise, to see what a model makes up: it has no error rate."""
    silent = save_corpus(tmp_path / "silent")
    clips = [replace(each, text="...") for each in read_manifest(silent) if each.split == "test"]
    train = [each for each in read_manifest(silent) if each.split != "test"]
    write_manifest(silent / "manifest.jsonl", [*train, *clips])
    place = {"data": str(silent if where == "data" else save_corpus(tmp_path / "sw"))}
    sets = {where: {"x": {"data": str(silent)}}} if where != "data" else {}
    languages = {"sw": place | {"also": sets.get("also", {})}}
    grid = make_grid(languages=languages, retention=sets.get("retention", {}))
    with pytest.raises(DataError, match=r"none of 3 clips has a word in its text, expected one"):
        compare(grid, tmp_path / "out", in_process, Quiet())
    assert not (tmp_path / "out").exists()


def test_a_sweep_without_a_split_to_choose_on_is_refused_before_anything_runs(
    make_grid: MakeGrid, tmp_path: Path
) -> None:
    languages = {"sw": {"data": str(save_corpus(tmp_path / "sw", validation=0))}}
    with pytest.raises(ConfigError, match="sw, freeze: 2 combinations to choose from, but no val"):
        compare(make_grid(languages=languages), tmp_path / "out", in_process, Quiet())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"language": "tw"}, "language 'tw': Whisper has no token for it; let it borrow"),
        ({"language": "fr"}, "language: sw, but the training data is in fr"),
        ({"text": " "}, "12 clips to train on have no text"),
        ({"text": "moja " * 200}, "15 transcripts do not fit Whisper's 448 label tokens"),
        ({"duration_s": 31.0}, "15 clips have more than 30 s"),
    ],
)
def test_data_that_a_run_would_refuse_is_refused_before_the_first_language_trains(
    make_grid: MakeGrid, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    odd = save_corpus(tmp_path / "odd")
    clips = [
        each if each.split == "test" else replace(each, **change) for each in read_manifest(odd)
    ]
    write_manifest(odd / "manifest.jsonl", clips)
    code = "tw" if change.get("language") == "tw" else "sw"
    places = {"sw": {"data": str(save_corpus(tmp_path / "sw"))}}
    places["odd"] = {"data": str(odd), "language": code}
    grid = make_grid(languages=places, strategies=ONE, retention={})
    with pytest.raises((ConfigError, DataError), match=rf"^languages\.odd: .*{said}"):
        compare(grid, tmp_path / "out", in_process, Quiet())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", ["also", "retention"])
def test_a_set_with_training_audio_is_refused_before_anything_runs(
    where: str, make_grid: MakeGrid, tmp_path: Path
) -> None:
    data, other = save_corpus(tmp_path / "sw"), save_corpus(tmp_path / "other")
    clips = [replace(each, split="test") for each in read_manifest(other) if each.split == "train"]
    write_manifest(other / "manifest.jsonl", clips)
    sets = {"also": {}, "retention": {}, where: {"other": {"data": str(other)}}}
    languages = {"sw": {"data": str(data), "also": sets["also"]}}
    grid = make_grid(languages=languages, retention=sets["retention"])
    with pytest.raises(DataError, match=rf"{where}\.other: 12 of 12 clips have audio that") as told:
        compare(grid, tmp_path / "out", in_process, Quiet())
    assert "languages.sw.data trains on: train0, train1," in str(told.value)
    assert not (tmp_path / "out").exists()


def test_a_replay_of_what_is_tested_is_refused_before_anything_runs(
    make_grid: MakeGrid, tmp_path: Path
) -> None:
    """The replay trains on the audio of a retention set, under another text."""
    data, other = save_corpus(tmp_path / "sw"), save_corpus(tmp_path / "en", validation=0, test=0)
    clips = [replace(each, language="en") for each in read_manifest(other)]
    for number, path in enumerate(sorted(other.glob("*.wav"))):
        path.write_bytes(path.read_bytes() + bytes([number]))  # not the audio of sw
    write_manifest(other / "manifest.jsonl", clips)
    tested = tmp_path / "tested" / "manifest.jsonl"
    held_out = [replace(e, split="test", audio=str(other / e.audio)) for e in clips[:3]]
    write_manifest(tested, held_out)
    train = {"epochs": 1, "learning_rate": 1e-3, "replay": {"data": str(other)}}
    grid = make_grid(
        languages={"sw": {"data": str(data)}},
        retention={"en": {"data": str(tested)}},
        train=train,
    )
    with pytest.raises(DataError, match=r"retention\.en: 3 of 3 clips have audio that the replay"):
        compare(grid, tmp_path / "out", in_process, Quiet())
    assert not (tmp_path / "out").exists()


def test_two_manifests_of_a_language_with_common_audio_are_refused(
    make_grid: MakeGrid, tmp_path: Path
) -> None:
    a, b = save_corpus(tmp_path / "a"), save_corpus(tmp_path / "b")
    clips = [replace(each, split="test") for each in read_manifest(b)]
    write_manifest(b / "manifest.jsonl", clips)
    grid = make_grid(languages={"sw": {"data": [str(a), str(b)]}})
    with pytest.raises(DataError, match=r"languages\.sw\.data: clips of one split are also in"):
        compare(grid, tmp_path / "out", in_process, Quiet())


def test_training_clips_may_be_scored_under_their_own_name(
    make_grid: MakeGrid, tmp_path: Path
) -> None:
    data, watcher = save_corpus(tmp_path / "sw", train=4), Quiet()
    also = {"seen": {"data": str(data), "split": "train"}}
    languages = {"sw": {"data": str(data), "also": also}}
    grid = make_grid(languages=languages, strategies=ONE, retention={})
    result = compare(grid, tmp_path / "out", in_process, watcher)
    assert any("also.seen: of 4 clips 4 share audio" in note for note in watcher.notes)
    assert any(
        "Set also-seen: of 4 clips 4 share audio" in each
        for each in (result.languages["sw"].doubts)
    )


def base_cer(result: Comparison) -> float:
    base = result.languages["sw"].base
    assert base is not None
    return base.scores["strict"].cer


@pytest.fixture
def other_base(tmp_path: Path) -> Path:
    """A base that writes other texts."""
    return save_base(tmp_path / "other-base", seed=5)


def test_scores_of_another_base_are_made_again(
    make_grid: MakeGrid, other_base: Path, tmp_path: Path
) -> None:
    """The strategies have other names, so all runs are new; the base's scores lie in one place."""
    compare(make_grid(strategies=ONE, retention={}), tmp_path / "out", in_process, Quiet())
    changed = make_grid(strategies={"new": ONE["full"]}, retention={}, reference="new")
    changed = changed.model_copy(update={"base": str(other_base)})
    again = compare(changed, tmp_path / "out", in_process, Quiet())
    alone = compare(changed, tmp_path / "alone", in_process, Quiet())
    assert base_cer(again) == base_cer(alone)


def test_scores_under_another_borrowed_token_are_made_again(
    make_grid: MakeGrid, tmp_path: Path
) -> None:
    data = save_corpus(tmp_path / "tw", train=4)
    clips = [replace(each, language="tw") for each in read_manifest(data)]
    write_manifest(data / "manifest.jsonl", clips)

    def grid(lender: str, name: str) -> Grid:
        languages = {"tw": {"data": str(data), "borrow": {"tw": lender}}}
        strategies = {name: ONE["full"]}
        return make_grid(languages=languages, strategies=strategies, retention={}, reference=name)

    compare(grid("sw", "full"), tmp_path / "out", in_process, Quiet())
    watcher = Quiet()
    compare(grid("fr", "new"), tmp_path / "out", in_process, watcher)
    assert "scoring base-tw" in watcher.done


def test_runs_of_two_bases_are_not_compared(
    make_grid: MakeGrid, other_base: Path, tmp_path: Path
) -> None:
    """The folder of the base has other weights when a strategy is added."""
    base = tmp_path / "base"
    shutil.copytree(save_base(tmp_path / "first"), base)
    grid = make_grid(strategies=ONE, retention={}).model_copy(update={"base": str(base)})
    compare(grid, tmp_path / "out", in_process, Quiet())
    shutil.rmtree(base)
    shutil.copytree(other_base, base)
    more = make_grid(strategies=ONE | {"bitfit": {"strategy": {"kind": "bitfit"}}}, retention={})
    more = more.model_copy(update={"base": str(base)})
    with pytest.raises(DataError, match="tuned from different weights of the base"):
        compare(more, tmp_path / "out", in_process, Quiet())
