"""Which runs form a group, which clips are drawn, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from runs import byte_tokens

from mothertongue.analysis.runs import draw, grouped, read_runs
from mothertongue.data.manifest import Utterance, write_manifest
from mothertongue.errors import ConfigError, DataError
from mothertongue.system.files import write_json


def manifest(folder: Path, durations_s: list[float], text: str = "moja") -> Path:
    utterances = [
        Utterance(f"u{i}", f"{i}.wav", text, "sw", seconds, split="test")
        for i, seconds in enumerate(durations_s)
    ]
    utterances.append(replace(utterances[0], id="other", split="train"))
    write_manifest(folder / "manifest.jsonl", utterances)
    return folder


def test_runs_that_differ_only_in_their_seed_are_one_group(made: Path) -> None:
    names = ("freeze-seed0", "lora", "freeze-seed1")
    groups = grouped(read_runs([made / "runs" / name for name in names]))
    found = {group.name: [run.path.name for run in group.runs] for group in groups}
    assert found == {"freeze": ["freeze-seed0", "freeze-seed1"], "lora": ["lora"]}


def test_groups_of_one_name_are_told_apart_by_their_folders(made: Path) -> None:
    (freeze,), (lora,) = (read_runs([made / "runs" / name]) for name in ("freeze-seed0", "lora"))
    runs = [replace(freeze, path=Path("a/best")), replace(lora, path=Path("b/best"))]
    assert [group.name for group in grouped(runs)] == ["a/best", "b/best"]


def test_what_is_no_run_or_has_no_weights_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: not a run; give a folder that mothertongue"):
        read_runs([made / "runs/lora", tmp_path / "nowhere"])
    begun = tmp_path / "begun"
    begun.mkdir()
    for name in ("experiment.yaml", "identity.json"):
        (begun / name).write_bytes((made / "runs/lora" / name).read_bytes())
    with pytest.raises(DataError, match="begun: no best weights yet; run: mothertongue train"):
        read_runs([begun])


def test_runs_of_different_bases_and_runs_given_twice_are_refused(
    made: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "best").mkdir(parents=True)
    (other / "experiment.yaml").write_bytes((made / "runs/lora/experiment.yaml").read_bytes())
    identity = json.loads((made / "runs/lora/identity.json").read_text(encoding="utf-8"))
    write_json(other / "identity.json", identity | {"base_digest": "0" * 64})
    with pytest.raises(ConfigError, match=r"different bases; analyze .*\n.*lora.*\n.*0{12}"):
        read_runs([made / "runs/lora", other])
    for paths in ([made / "runs/lora", made / "runs/../runs/lora"], []):
        with pytest.raises(ConfigError, match="expected one or more, each given once"):
            read_runs(paths)


def test_the_draw_depends_on_the_seed_alone_and_stays_in_the_split(tmp_path: Path) -> None:
    paths = [manifest(tmp_path, [1.0] * 30)]
    drawn = [draw(paths, "test", 10, seed, None) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    names = [each.id for each in drawn[0].utterances]
    assert len(set(names)) == 10 and "other" not in names
    assert (drawn[0].usable, drawn[0].unusable) == (30, 0)


def test_all_there_are_where_more_are_asked_for(tmp_path: Path) -> None:
    sample = draw([manifest(tmp_path, [1.0, 0.02, 31.0, 30.0, 0.1])], "test", 100, 0, None)
    assert sorted(each.id for each in sample.utterances) == ["u0", "u3", "u4"]
    assert (sample.usable, sample.unusable) == (3, 2)


def test_a_text_that_the_decoder_cannot_hold_counts_only_for_the_decoder(tmp_path: Path) -> None:
    paths = [manifest(tmp_path, [1.0, 2.0], text="a" * 500)]
    assert draw(paths, "test", 2, 0, None).usable == 2
    with pytest.raises(ConfigError, match=r"0 usable utterances in split 'test'.*choose another"):
        draw(paths, "test", 2, 0, byte_tokens())


@pytest.mark.parametrize(("durations_s", "n"), [([1.0], 100), ([1.0, 1.0, 1.0], 1), ([40.0], 2)])
def test_fewer_than_two_are_refused(tmp_path: Path, durations_s: list[float], n: int) -> None:
    with pytest.raises(ConfigError, match=f"{n} asked for; expected at least 2 of both"):
        draw([manifest(tmp_path, durations_s)], "test", n, 0, None)
