import json
from pathlib import Path
from typing import Any

import pytest

from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import ReadingOptions, detect
from mothertongue.data.sources.label_studio import LabelStudioSource
from mothertongue.errors import Fault

Json = dict[str, Any]


def region(name: str, start: object, end: object, text: object = None) -> list[Json]:
    """Return a labelled region, and its transcript if it has one, as Label Studio writes them."""
    times = {"start": start, "end": end, "channel": 0}
    known = {"id": name, "to_name": "audio", "original_length": 9.0}
    label = {"from_name": "labels", "type": "labels", "value": times | {"labels": ["Speech"]}}
    area = {"from_name": "transcription", "type": "textarea", "value": times | {"text": text}}
    return [known | label, *([] if text is None else [known | area])]


def task(*regions: list[Json], audio: object = "a.wav", **values: object) -> Json:
    result = [each for group in regions for each in group]
    known: Json = {"id": 7, "annotations": [{"id": 1, "result": result, "was_cancelled": False}]}
    return known | {"predictions": [], "data": {"audio": audio, "speaker": "p"}} | values


def rows(folder: Path, *tasks: object, **options: str) -> list[Row | Rejection]:
    path = folder / "project-1.json"
    path.write_text(json.dumps(tasks, ensure_ascii=False, indent=1), encoding="utf-8")
    source = detect(folder, ReadingOptions.model_validate(options))
    assert isinstance(source, LabelStudioSource)
    return list(source.rows())


def test_regions_are_joined_with_their_transcripts(tmp_path: Path) -> None:
    given = task(region("x", 0.5, 2.0, ["habari", "yako"]), region("y", 2, 3), audio="a.wav")
    where = f"{tmp_path}/project-1.json:task 1"
    known = {"audio": "a.wav", "speaker": "p"}
    assert rows(tmp_path, given) == [
        Row(where, text="habari yako", id="7-x", start_s=0.5, duration_s=1.5, **known),
        Row(where, id="7-y", start_s=2.0, duration_s=1.0, aside="untranscribed", **known),
    ]


def test_texts_of_a_region_are_joined_as_their_script_is_written(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, task(region("x", 0.5, 2.0, ["สวัสดี", "ครับ", "TV"])))
    assert isinstance(row, Row) and row.text == "สวัสดีครับ TV"


def test_a_transcript_without_times_is_of_the_whole_sound(tmp_path: Path) -> None:
    value = {"text": ["habari"]}
    whole = [{"id": "x", "from_name": "any", "type": "textarea", "value": value}]
    (row,) = rows(tmp_path, task(whole))
    assert isinstance(row, Row)
    assert (row.text, row.start_s, row.duration_s, row.id) == ("habari", None, None, None)


def test_tasks_without_annotations_are_for_review(tmp_path: Path) -> None:
    skipped = {"result": region("x", 0, 1, ["hi"])[1:], "was_cancelled": True}
    found = rows(tmp_path, task(annotations=[]), task(annotations=[skipped]), task())
    assert [row.aside for row in found if isinstance(row, Row)] == ["untranscribed"] * 3


def test_one_annotation_of_a_task_is_read_and_the_others_are_counted(tmp_path: Path) -> None:
    first, second = ({"result": region("x", 0, 1, [text])} for text in ("moja", "mbili"))
    for annotations, text in (
        ([first, second], "moja"),
        ([first, second | {"ground_truth": True}], "mbili"),
    ):
        used, other = rows(tmp_path, task(annotations=annotations))
        assert isinstance(used, Row) and isinstance(other, Row)
        assert (used.text, used.aside, other.aside) == (text, None, "of another annotator")


@pytest.mark.parametrize(
    ("audio", "path"),
    [
        ("/data/local-files/?d=corpus/my%20sounds/a.wav", "my sounds/a.wav"),
        ("/data/local-files/?d=my%20sounds%2Fa.wav", "my sounds/a.wav"),
        ("/data/local-files/?d=corpus%5Cmy%20sounds%5Ca.wav", "my sounds/a.wav"),
        ("/data/upload/3/1a2b3c4d-b.wav", "1a2b3c4d-b.wav"),
        ("/data/upload/3/00000000-c.wav", "c.wav"),
        ("http://localhost:8080/data/upload/3/00000000-c.wav", "c.wav"),
        ("/data/upload/3/00000000-none.wav", "upload/3/00000000-none.wav"),
        ("s3://bucket/a.wav", "s3://bucket/a.wav"),
        ("s3://bucket/corpus/my%20sounds/a.wav", "my sounds/a.wav"),
        ("/etc/a.wav", "/etc/a.wav"),
    ],
)
def test_what_label_studio_served_is_found_in_the_folder(
    tmp_path: Path, audio: str, path: str
) -> None:
    for name in ("my sounds/a.wav", "1a2b3c4d-b.wav", "c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (row,) = rows(tmp_path, task(region("x", 0, 1, ["hi"]), audio=audio))
    assert isinstance(row, Row)
    assert row.audio == path


def test_a_text_area_can_be_named(tmp_path: Path) -> None:
    both = region("x", 0, 1, ["habari"])
    both.append(both[1] | {"from_name": "translation", "value": {"text": ["hello"]}})
    (row,) = rows(tmp_path, task(both))
    (chosen,) = rows(tmp_path, task(both), text_column="translation")
    assert isinstance(row, Row) and isinstance(chosen, Row)
    assert (row.text, chosen.text) == ("habari", "hello")
    both[1]["from_name"] = "words"
    (unknown,) = rows(tmp_path, task(both))
    assert isinstance(unknown, Rejection)
    assert (unknown.code, "words and translation" in unknown.reason) == ("MAN-COLUMN", True)


FAULTS: dict[str, tuple[str, str, object]] = {
    "backwards": ("MAN-SEGMENT", "from 2 to 1", task(region("x", 2, 1, ["hi"]))),
    "no number": ("MAN-SEGMENT", "from soon to 1", task(region("x", "soon", 1, ["hi"]))),
    "infinite": ("MAN-TYPE", "duration_s is 'inf'", task(region("x", 0, float("inf"), ["hi"]))),
    "no audio": ("MAN-COLUMN", "data has 'image'; expected audio", task(data={"image": "a.png"})),
    "no data": ("MAN-TYPE", "data: Field required", {"annotations": []}),
    "no task": ("MAN-TYPE", "task: Input should be a valid dictionary", ["a.wav"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_of_a_task_costs_that_task(tmp_path: Path, name: str) -> None:
    code, message, bad = FAULTS[name]
    good = task(region("x", 0, 1, ["hi"]))
    first, found, last = rows(tmp_path, good, bad, good)
    assert isinstance(first, Row) and isinstance(last, Row)
    assert isinstance(found, Rejection)
    assert (found.code, found.where) == (code, f"{tmp_path}/project-1.json:task 2")
    assert message in found.reason


@pytest.mark.parametrize(
    ("content", "code"),
    [(b'[{"annotations": [', "JSON"), (b'[{"annotations": "\xe9"}]', "ENCODING")],
)
def test_a_damaged_export_is_named(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "export.json"
    path.write_bytes(content)
    with pytest.raises(Fault, match=rf"MAN-{code}: .*export\.json"):
        list(detect(path).rows())


def flat(number: int, audio: str = "a.wav", **values: object) -> Json:
    known = {"annotator": 1, "annotation_id": number, "created_at": "2026-01-01", "lead_time": 2.5}
    return {"audio": audio, "id": number} | known | values


def times(start: float, end: float, **values: object) -> Json:
    return {"start": start, "end": end, "channel": 0} | values


def test_json_min_of_whole_sounds_is_read(tmp_path: Path) -> None:
    (tmp_path / "b.wav").touch()
    served = "/data/upload/1/1a2b3c4d-b.wav"
    given = (
        flat(1, transcription="habari", speaker="p"),
        flat(2, audio=served, transcription=["asante", "sana"], text="what was to be read"),
        flat(3),
        flat(4, transcription={"text": ["ndiyo", "sawa"]}),
        flat(1, transcription="another one's"),
    )
    where = f"{tmp_path}/project-1.json:task"
    assert rows(tmp_path, *given) == [
        Row(f"{where} 1", audio="a.wav", text="habari", speaker="p"),
        Row(f"{where} 2", audio="b.wav", text="asante sana"),
        Row(f"{where} 3", audio="a.wav", aside="untranscribed"),
        Row(f"{where} 4", audio="a.wav", text="ndiyo sawa"),
        Row(f"{where} 5", aside="of another annotator"),
    ]


@pytest.mark.parametrize(
    ("text", "second"),
    [
        (["habari", "yako"], "yako"),
        ([times(0.5, 2.0, text=["habari"]), times(2, 3, text=["yako"])], "yako"),
        (["habari", times(2, 3, text=["ya", "ko"])], "ya ko"),
    ],
)
def test_json_min_of_regions_is_read(tmp_path: Path, text: object, second: str) -> None:
    label = [times(0.5, 2.0, labels=["Speech"]), times(2, 3, labels=["Noise"])]
    known = {"audio": "a.wav"}
    where = f"{tmp_path}/project-1.json:task 1"
    assert rows(tmp_path, flat(7, label=label, transcription=text, speaker=label)) == [
        Row(where, text="habari", id="7-1", start_s=0.5, duration_s=1.5, **known),
        Row(where, text=second, id="7-2", start_s=2.0, duration_s=1.0, **known),
    ]


def test_several_texts_of_a_json_min_task_are_joined_as_their_script_is_written(
    tmp_path: Path,
) -> None:
    texts = (["habari", "yako"], ["สวัสดี", "ครับ"])
    tasks = [flat(number, transcription=each) for number, each in enumerate(texts)]
    found = [row.text for row in rows(tmp_path, *tasks) if isinstance(row, Row)]
    assert found == ["habari yako", "สวัสดีครับ"]


def test_that_texts_are_paired_with_regions_in_their_order_is_said(tmp_path: Path) -> None:
    label = [times(0.5, 2.0, labels=["Speech"]), times(2, 3, labels=["Speech"])]
    for number, texts in ((1, ["habari"]), (2, ["habari", "yako"])):
        export = tmp_path / f"{number}.json"
        export.write_text(json.dumps([flat(7, label=label[:number], transcription=texts)]))
        source = LabelStudioSource(path=export)
        assert len(list(source.rows())) == number
        assert len(source.remarks) == number - 1


def test_json_min_with_text_in_its_regions_is_read(tmp_path: Path) -> None:
    label = [times(0, 1, labels=["Speech"], text=["habari"]), times(1, 2, labels=["Speech"])]
    first, second = rows(tmp_path, flat(7, label=label, transcription=[]))
    assert isinstance(first, Row) and isinstance(second, Row)
    assert (first.text, second.text, second.aside) == ("habari", None, "untranscribed")


@pytest.mark.parametrize("text", ["habari", ["a", "b", "c"]])
def test_json_min_whose_texts_have_no_known_region_is_refused(tmp_path: Path, text: object) -> None:
    label = [times(0, 1, labels=["Speech"]), times(1, 2, labels=["Speech"])]
    bad, good = rows(tmp_path, flat(1, label=label, transcription=text), flat(2, transcription="x"))
    assert isinstance(bad, Rejection) and isinstance(good, Row)
    assert (bad.code, "2 regions without text and" in bad.reason) == ("MAN-SEGMENT", True)
    assert bad.fix == "export the project again, as JSON"


def test_json_min_needs_a_key_with_transcripts(tmp_path: Path) -> None:
    given = flat(1, answer="habari")
    with pytest.raises(Fault, match=r"MAN-COLUMN: .*no text column; found 'audio'.*--text-column"):
        rows(tmp_path, given)
    (row,) = rows(tmp_path, given, text_column="answer")
    assert isinstance(row, Row) and row.text == "habari"
