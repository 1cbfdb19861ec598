"""Test decisions on clips: their faults are named when read, and `prepare` follows them."""

import json
from pathlib import Path
from typing import Any

import pytest
from clips import tone, write_clip

from mothertongue.data.clip_checks import SetAside, reject_row
from mothertongue.data.data_report import DataReport
from mothertongue.data.decisions import Decided, Decision, read_decisions, write_decisions
from mothertongue.data.manifest import Utterance, read_manifest
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import detect
from mothertongue.errors import DataError, Fault


def prepared(
    folder: Path, decisions: list[Decision], rows: list[dict[str, Any]], **options: Any
) -> tuple[DataReport, dict[str, Utterance]]:
    """Return the report of a corpus of tones under decisions, and its utterances by id."""
    for number, row in enumerate(rows):
        write_clip(folder / row["audio"], tone(0.5, hertz=200 + 10 * number))
    (folder / "table.jsonl").write_text("\n".join(map(json.dumps, rows)))
    write_decisions(folder / "decisions.jsonl", decisions)
    given = {"language": "sw", "workers": 2, "decisions": folder / "decisions.jsonl"} | options
    report = prepare(
        detect(folder / "table.jsonl"),
        folder / "out",
        PrepareOptions.model_validate(given),
        lambda text, language: len(text) + 5,
    )
    return report, {clip.id: clip for clip in read_manifest(folder / "out")}


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"audio": f"{i}.wav", "text": f"neno {'abcdefghij'[i]}", "split": "train"}
        for i in range(count)
    ]


def test_what_was_decided_is_followed_and_counted(tmp_path: Path) -> None:
    decisions = [
        Decision("0", "drop", note="MISPAIRED"),
        Decision("1", "fix", "neno  jipya"),
        Decision("2", "accept", "counts with fix only"),
    ]
    report, clips = prepared(tmp_path, decisions, rows(4))
    assert {name: clip.text for name, clip in clips.items()} == {
        "1": "neno jipya",
        "2": "neno c",
        "3": "neno d",
    }
    assert report.rejected == {"DEC-DROP": 1}
    assert report.notes == {"DEC-ACCEPT": 1, "DEC-FIX": 1, "TXT-SPACE": 1}
    (rejection,) = report.first_rejections
    assert rejection.reason == "dropped by decision (MISPAIRED)"
    assert rejection.row["audio"] == "0.wav"
    report.require_ok()  # although a quarter of the rows is gone: this was asked for


def test_a_fix_saves_a_row_without_a_text_and_a_drop_one_that_cannot_be_read(
    tmp_path: Path,
) -> None:
    given = rows(3)
    given[0] |= {"id": "a", "text": ""}
    given[1] |= {"id": "b"}
    decisions = [Decision("a", "fix", "neno"), Decision("b", "drop")]
    (tmp_path / "1.wav").write_bytes(b"")
    report, clips = prepared(tmp_path, decisions, given)
    assert clips["a"].text == "neno" and set(clips) == {"a", "2"}
    assert report.rejected == {"DEC-DROP": 1}


def test_clips_of_one_stem_go_by_the_ids_that_the_manifest_gives_them(tmp_path: Path) -> None:
    given = rows(3)
    given[0]["audio"], given[1]["audio"] = "a/x.wav", "b/x.wav"
    report, clips = prepared(tmp_path, [Decision("b/x.wav", "drop")], given)
    assert set(clips) == {"x", "2"} or set(clips) == {"a/x.wav", "2"}
    assert clips.popitem()[1].text != "neno b"
    assert report.rejected == {"DEC-DROP": 1}


@pytest.mark.parametrize("decision", [Decision("x", "fix", "neno jipya"), Decision("x", "drop")])
def test_a_change_that_may_be_of_several_clips_is_refused(
    tmp_path: Path, decision: Decision
) -> None:
    """An earlier manifest had one x, while the other was dropped or rejected."""
    given = rows(3)
    given[0]["audio"], given[1]["audio"] = "a/x.wav", "b/x.wav"
    with pytest.raises(DataError, match="2 different clips are called x; expected one"):
        prepared(tmp_path, [decision], given)
    (tmp_path / "b/x.wav").unlink()
    given[1]["audio"] = "a/x.wav"  # the same sound again
    prepared(tmp_path, [decision], given)


def test_a_decision_on_a_clip_for_review_is_on_no_other_clip_of_its_name(tmp_path: Path) -> None:
    for number, name in enumerate(("a/x", "b/x", "c/x")):
        write_clip(tmp_path / f"corpus/{name}.wav", tone(0.5, hertz=200 + 10 * number))
    (tmp_path / "corpus/a/x.txt").write_text("habari")

    def ids(*decisions: Decision) -> tuple[set[str], dict[str, str]]:
        write_decisions(tmp_path / "decisions.jsonl", decisions)
        options = PrepareOptions(
            language="sw", workers=1, max_reject_fraction=1, decisions=tmp_path / "decisions.jsonl"
        )
        prepare(detect(tmp_path / "corpus"), tmp_path / "out", options, lambda text, language: 9)
        lines = (tmp_path / "out/review.jsonl").read_text().splitlines()
        kept = {clip.id: clip.text for clip in read_manifest(tmp_path / "out")}
        return {json.loads(line)["id"] for line in lines}, kept

    assert ids() == ({"b/x.wav", "c/x.wav"}, {"x": "habari"})
    fixes = Decision("x", "fix", "habari yako"), Decision("b/x.wav", "fix", "asante")
    assert ids(*fixes) == ({"c/x.wav"}, {"x": "habari yako", "b/x.wav": "asante"})


def test_a_decision_on_no_clip_is_told(tmp_path: Path) -> None:
    report, _ = prepared(tmp_path, [Decision("gone", "drop"), Decision("0", "accept")], rows(2))
    assert "1 decisions are on clips that are not there, such as gone" in report.warnings


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"decisions\.jsonl:2: .*no JSON"),
        ('{"id": "x", "decision": "keep"}', r"decisions\.jsonl:2: .*decision"),
        ('{"id": "x", "decision": "fix", "text": " "}', "fix x without a text; write what is said"),
        ('{"id": "a", "decision": "drop"}', "a was decided above"),
    ],
)
def test_a_line_that_is_no_decision_is_refused(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_text(f'{{"id": "a", "decision": "accept"}}\n{line}\n')
    with pytest.raises(DataError, match=message):
        read_decisions(path)


def test_decisions_are_read_as_they_were_written(tmp_path: Path) -> None:
    given = [Decision("a", "fix", 'na "ng\'ombe"\u2028', "EMPTY"), Decision("b", "drop")]
    write_decisions(tmp_path / "x.jsonl", given)
    assert [*read_decisions(tmp_path / "x.jsonl").values()] == given


def test_a_clip_for_review_is_examined_once_somebody_has_decided() -> None:
    """A clip whose speaker is held out stays set aside, whatever was decided on its text."""

    def examine(row: Row) -> Rejection | SetAside:
        if row.aside:
            return SetAside(row.aside, {"id": row.id})
        return reject_row(row, Fault("EXAMINED", str(row.text), ""))

    decided = Decided(examine, {"a": Decision("a", "fix", "habari"), "b": Decision("b", "accept")})
    found = [
        decided(Row("t:1", id="a", aside="untranscribed")),
        decided(Row("t:2", id="b", text="karibu", aside="unassigned")),
        decided(Row("t:3", id="c", aside="untranscribed")),
        decided(Row("t:4", id="a", aside="held-out speaker")),
    ]
    assert [each.reason for each in found] == [
        *("habari", "karibu", "untranscribed", "held-out speaker")
    ]
    assert [type(each) for each in found] == [Rejection, Rejection, SetAside, SetAside]
