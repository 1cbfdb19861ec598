"""Every clip beside what each system heard."""

from dataclasses import replace
from pathlib import Path

from grids import MakeGrid
from known_corpus import spoken
from report_folders import save_tested, score_run

from mothertongue.comparison.clips import clip_set
from mothertongue.comparison.compare import _clip_sets
from mothertongue.comparison.selection import Choice
from mothertongue.data.manifest import Utterance, write_manifest


def saved(folder: Path, **changes: str) -> Path:
    clips = [
        Utterance(f"clip{i}", f"{i}.wav", "x", "sw", 2.0, start_s=float(i), split="test")
        for i in range(2)
    ]
    write_manifest(folder / "manifest.jsonl", clips)
    return folder


def test_clips_have_their_sound_their_counts_and_their_pieces(tmp_path: Path) -> None:
    perfect = [replace(each, hypothesis=each.reference.upper()) for each in spoken()]
    found = clip_set("sw", "test", [saved(tmp_path)], {"base": spoken(), "full": perfect}, "wer")
    assert (found.systems, found.unit) == (["base", "full"], "word")
    first, second, third = found.clips
    assert Path(first.audio) == tmp_path / "0.wav"
    assert (second.start_s, third.audio) == (1.0, None)
    assert first.words == 3
    base, full = first.heard
    assert (base.word_errors, base.character_errors) == (1, 1)
    assert base.pieces == [["=", "mtoto anakula"], ["~", "chakula", "chakuli"]]
    assert full.pieces == [["=", "mtoto anakula chakula"]]
    assert full.text == "MTOTO ANAKULA CHAKULA"
    assert second.heard[0].pieces == [["=", "habari"], ["-", "ya", ""], ["=", "asubuhi"]]
    assert third.heard[0].pieces[-1] == ["+", "", "sana"]


def test_a_language_without_spaces_is_aligned_in_characters(tmp_path: Path) -> None:
    thai = [replace(spoken()[0], language="th", reference="สวัสดี", hypothesis="สวัสดึ")]
    found = clip_set("th", "test", [saved(tmp_path)], {"full": thai}, "cer")
    assert found.unit == "character"
    assert found.clips[0].heard[0].pieces == [["=", "สวัส"], ["~", "ดี", "ดึ"]]


def test_two_sets_of_a_language_go_by_their_names_in_the_grid(
    make_grid: MakeGrid, tmp_path: Path
) -> None:
    """Say one hour and five hours of it: both have the code sw."""
    data = {"data": str(save_tested(tmp_path / "data")), "language": "sw"}
    full = {"full": {"strategy": {"kind": "full"}}}
    grid = make_grid(languages={"one hour": data, "five hours": {**data}}, strategies=full)
    choices = []
    for name in grid.languages:
        score_run(tmp_path / "base", f"{name}/test", spoken())
        score_run(tmp_path / "runs" / name, "test", spoken())
        choices.append(Choice(name, "full", {}, (name,), "wer", 0.2, 0.1, 1))
    found = list(_clip_sets(grid, choices, tmp_path))
    assert [(each.language, each.systems) for each in found] == [
        ("one hour", ["base", "full"]),
        ("five hours", ["base", "full"]),
    ]
