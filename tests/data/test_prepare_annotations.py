"""Test each format: from a folder of one recording and its annotations to a manifest."""

from pathlib import Path

import pytest
from clips import write_clip
from eaf_files import aligned, eaf, media, tier
from tiny import noise

from mothertongue.data.data_report import DataReport
from mothertongue.data.manifest import Utterance, read_manifest
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.detect import ReadingOptions, detect

# Start and end in seconds, text, speaker. The last is too long; the one before has no text.
SAID = [
    (0.5, 2.0, "habari gani", "Anna"),
    (2.2, 4.0, "njema sana", "Anna"),
    (5.125, 6.0, "na wewe", "Ben"),
    (6.5, 7.0, "", "Ben"),
    (8.0, 38.5, "hadithi ndefu", "Anna"),
]
GRID = 'File type = "ooTextFile"\nObject class = "TextGrid"\n0\n40\n<exists>\n2\n'


def as_eaf() -> str:
    slots = {f"{edge}{i}": int(1000 * row[edge]) for i, row in enumerate(SAID) for edge in (0, 1)}
    tiers = [
        tier(
            f"tx@{speaker[0]}",
            *(aligned(f"a{i}", f"0{i}", f"1{i}", row[2]) for i, row in enumerate(SAID)
              if row[3] == speaker),
            participant=speaker,
        )
        for speaker in ("Anna", "Ben")
    ]  # fmt: skip
    return eaf(slots, *tiers, media=media("file:///C:/Users/anna/story.wav", "./story.wav"))


def as_textgrid() -> str:
    tiers = ""
    for name in ("Anna", "Ben"):
        rows = [f'{start} {end} "{text}"' for start, end, text, speaker in SAID if speaker == name]
        tiers += f'"IntervalTier" "{name} - tx" 0 40 {len(rows)} {" ".join(rows)}\n'
    return GRID + tiers


def as_vtt() -> str:
    cues = "\n".join(
        f"00:{start:06.3f} --> 00:{end:06.3f}\n<v {speaker}>{text}\n"
        for start, end, text, speaker in SAID
    )
    return f"WEBVTT\n\n{cues}"


def as_flextext() -> str:
    phrases = "".join(
        f'<phrase begin-time-offset="{int(1000 * start)}" end-time-offset="{int(1000 * end)}" '
        f'speaker="{speaker}"><item type="txt" lang="sw">{text}</item></phrase>'
        for start, end, text, speaker in SAID
    )
    return f"<document>{phrases}</document>"


def as_trs() -> str:
    turns = "".join(
        f'<Turn startTime="{start}" endTime="{end}" speaker="{speaker}">'
        f'<Sync time="{start}"/>{text}</Turn>'
        for start, end, text, speaker in SAID
    )
    names = "".join(f'<Speaker id="{each}" name="{each}"/>' for *_, each in SAID)
    return f'<Trans audio_filename="story"><Speakers>{names}</Speakers>{turns}</Trans>'


def as_cha() -> str:
    lines = "".join(
        f"*{name}:\t{text} \x15{round(1000 * start)}_{round(1000 * end)}\x15\n"
        for start, end, text, name in SAID
    )
    return f"@UTF8\n@Begin\n@Media:\tstory, audio\n{lines}@End\n"


def as_labels() -> str:
    return "".join(f"{start}\t{end}\t{text}\n" for start, end, text, _ in SAID)


def as_stm() -> str:
    return "".join(f"story 1 {name} {start} {end} {text}\n" for start, end, text, name in SAID)


def prepared(
    folder: Path, name: str, text: str, **options: object
) -> tuple[DataReport, dict[str, Utterance], Path]:
    corpus = folder / "corpus"
    write_clip(corpus / "story.wav", noise(40.0))
    (corpus / name).write_text(text, encoding="utf-8")
    settings = PrepareOptions(language="sw", workers=1, max_reject_fraction=0.5)
    reading = ReadingOptions.model_validate(options)
    report = prepare(
        detect(corpus, reading), folder / "out", settings, lambda text, _: len(text) + 5
    )
    return report, {clip.text: clip for clip in read_manifest(folder / "out")}, corpus


@pytest.mark.parametrize(
    ("name", "text", "has_speakers"),
    [
        ("story.eaf", as_eaf(), True),
        ("story.TextGrid", as_textgrid(), True),
        ("story.vtt", as_vtt(), True),
        ("story.txt", as_labels(), False),
        ("story.flextext", as_flextext(), True),
        ("story.trs", as_trs(), True),
        ("story.cha", as_cha(), True),
        ("story.stm", as_stm(), True),
    ],
)
def test_a_manifest_points_into_the_recording(
    tmp_path: Path, name: str, text: str, has_speakers: bool
) -> None:
    report, clips, corpus = prepared(tmp_path, name, text)
    found = [(each.start_s, each.duration_s, each.text, each.speaker) for each in clips.values()]
    assert sorted(found) == [
        (start_s, round(end_s - start_s, 3), text, speaker if has_speakers else None)
        for start_s, end_s, text, speaker in SAID[:3]
    ]
    assert {each.audio for each in clips.values()} == {str(corpus / "story.wav")}
    assert list(corpus.rglob("*.wav")) == [corpus / "story.wav"]
    assert report.rejected == {"AUD-LONG": 1}
    assert "30.50 s; expected at most 30 s" in report.first_rejections[0].reason
    assert "segments without text, left out: 1" in report.warnings


def test_joined_segments_are_noted(tmp_path: Path) -> None:
    report, clips, _ = prepared(tmp_path, "story.eaf", as_eaf(), join=15.0)
    joined = clips["habari gani njema sana"]
    assert (joined.start_s, joined.duration_s, joined.speaker) == (0.5, 3.5, "Anna")
    assert report.notes["SEG-JOINED"] == 1


def test_times_beyond_the_end_cost_their_row(tmp_path: Path) -> None:
    report, clips, _ = prepared(tmp_path, "story.txt", "1\t2\thabari\n39\t41\tnjema\n50\t51\tna\n")
    assert list(clips) == ["habari"]
    assert report.rejected == {"AUD-TRUNCATED": 2}
    assert "ends at 40.00 s; the row asks for" in report.first_rejections[0].reason


def test_a_recording_outside_needs_leave(tmp_path: Path) -> None:
    outside = write_clip(tmp_path / "elsewhere.wav", noise(40.0))
    (tmp_path / "corpus").mkdir()
    text = eaf({"a": 500, "b": 2000}, tier("tx", aligned("a1", "a", "b", "habari")),
               media=media(f"file://{outside}"))  # fmt: skip
    (tmp_path / "corpus/a.eaf").write_text(text)
    source = detect(tmp_path / "corpus")
    for allow_outside, kept in ((False, 0), (True, 1)):
        settings = PrepareOptions(language="sw", workers=1, allow_outside=allow_outside)
        report = prepare(source, tmp_path / "out", settings, lambda text, _: len(text))
        assert (
            report.rejected.get("PATH-OUTSIDE", 0),
            len([*read_manifest(tmp_path / "out")]),
        ) == (
            1 - kept,
            kept,
        )
