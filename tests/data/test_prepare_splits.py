"""Test splits that `prepare` makes or is given, and clips that are in two of them."""

from pathlib import Path

from prepared import count_characters, options, record, run

from mothertongue.data.prepare import check


def test_the_same_sound_in_two_splits_stays_in_the_one_held_out(tmp_path: Path) -> None:
    given = [record(1, split="train"), record(1, split="test", id="t"), record(3, split="train")]
    _, clips, rejected = run(tmp_path, given)
    assert set(clips) == {"t", "3"}
    assert [row["code"] for row in rejected] == ["LEAK-AUDIO"]


def test_a_sentence_in_two_splits_stays_in_the_one_held_out(tmp_path: Path) -> None:
    text = {"text": "Habari gani?"}
    given = [
        record(1, split="train", **text),
        record(2, split="dev", **text),
        record(3, split="test", text="habari GANI"),
        record(4, split="train"),
        record(5, split="dev"),
    ]
    report, clips, rejected = run(tmp_path, given)
    assert set(clips) == {"3", "4", "5"}
    place = f"{tmp_path}/corpus/table.jsonl:3"
    assert [(row["code"], row["reason"]) for row in rejected] == [
        ("LEAK-TEXT", f"same sentence in test, at {place}")
    ] * 2
    report, clips, _ = run(tmp_path, given, text_leaks="warn")
    assert len(clips) == 5
    assert report.notes == {"LEAK-TEXT": 2, "TXT-DIGIT": 2}
    assert "LEAK-TEXT: 2 rows share a sentence" in report.warnings[0]


def test_a_speaker_in_two_splits_is_named_or_rejected(tmp_path: Path) -> None:
    given = [
        record(1, split="train", speaker="Amina"),
        record(2, split="test", speaker="Amina"),
        record(3, split="train", speaker="Juma"),
        record(4, split="train"),
    ]
    report, clips, _ = run(tmp_path, given)
    assert len(clips) == 4
    assert report.notes == {"LEAK-SPEAKER": 1, "TXT-DIGIT": 4}
    warning = "LEAK-SPEAKER: 1 rows share a speaker with a held-out split, such as Amina"
    assert warning in report.warnings
    _, clips, rejected = run(tmp_path, given, speaker_leaks="reject")
    assert set(clips) == {"2", "3", "4"}
    assert [row["code"] for row in rejected] == ["LEAK-SPEAKER"]


def test_splits_made_keep_speakers_and_sentences_apart(tmp_path: Path) -> None:
    # Speakers 2k and 2k + 1 read the same three sentences.
    given = [
        record(
            number, speaker=f"s{number % 40}", text=f"maneno {number % 40 // 2} na {number // 40}"
        )
        for number in range(120)
    ]
    report, clips, rejected = run(tmp_path, given)
    assert not rejected
    assert (report.split_by, report.warnings) == ("speaker and sentence", ())
    assert report.notes == {"TXT-DIGIT": 120}
    assert 0.08 <= report.splits["test"].clips / 120 <= 0.12
    assert 0.08 <= report.splits["validation"].clips / 120 <= 0.12
    for field in ("speaker", "text"):
        splits = {(getattr(clip, field), clip.split) for clip in clips.values()}
        assert len(splits) == len({getattr(clip, field) for clip in clips.values()})


def test_splits_made_depend_on_the_seed_and_not_on_the_order(tmp_path: Path) -> None:
    given = [record(number) for number in range(60)]
    _, clips, _ = run(tmp_path, given)
    _, reversed_clips, _ = run(tmp_path, given[::-1])
    assert {clip.id: clip.split for clip in clips.values()} == {
        clip.id: clip.split for clip in reversed_clips.values()
    }
    _, others, _ = run(tmp_path, given, seed=1)
    assert any(clips[name].split != others[name].split for name in clips)


def test_one_speaker_is_split_by_sentence_and_the_report_says_so(tmp_path: Path) -> None:
    given = [record(number, speaker="Amina", text=f"neno {number % 30}") for number in range(60)]
    report, clips, rejected = run(tmp_path, given)
    assert not rejected
    assert report.split_by == "sentence"
    assert "split by sentence, speakers shared" in report.warnings[0]
    assert len({(clip.text, clip.split) for clip in clips.values()}) == 30
    report, clips, rejected = run(tmp_path, given, speaker_leaks="reject")
    assert (report.split_by, len(clips), rejected) == ("nothing", 60, [])
    assert "too few clips, sentences or speakers" in report.warnings[0]


def test_one_sentence_is_split_by_clip_only_where_sentences_may_be_shared(tmp_path: Path) -> None:
    given = [record(number, text="Habari Siri") for number in range(30)]
    assert run(tmp_path, given)[0].split_by == "nothing"
    report, clips, rejected = run(tmp_path, given, text_leaks="warn")
    assert not rejected
    assert report.split_by == "clip"
    assert report.notes == {"LEAK-TEXT": 27}
    assert {clip.split for clip in clips.values()} == {"train", "validation", "test"}


def test_a_few_shared_sentences_are_left_out_to_keep_speakers_apart(tmp_path: Path) -> None:
    # Every speaker greets with one of two sentences, so all speakers are connected.
    given = [
        record(n, speaker=f"s{n % 20}", text=f"salamu {n % 2}" if n < 20 else f"neno {n}")
        for n in range(400)
    ]
    report, clips, rejected = run(tmp_path, given, max_reject_fraction=0.2)
    assert report.split_by == "speaker"
    assert {row["code"] for row in rejected} == {"LEAK-TEXT"}
    assert len(rejected) <= 20
    assert len({(clip.speaker, clip.split) for clip in clips.values()}) == 20
    assert check(tmp_path / "out", options(), count_characters).rejected == {}
    assert run(tmp_path, given, max_reject_fraction=0.01)[0].split_by == "sentence"


def test_rows_without_speakers_are_split_by_sentence_and_counted(tmp_path: Path) -> None:
    report, _, _ = run(tmp_path, [record(n) for n in range(30)], speaker_leaks="reject")
    assert report.split_by == "sentence"
    assert report.warnings[-1] == "30 rows name no speaker, who may be in several splits"


def test_three_clips_are_all_train(tmp_path: Path) -> None:
    report, clips, _ = run(tmp_path, [record(number) for number in range(3)])
    assert report.split_by == "nothing"
    assert {clip.split for clip in clips.values()} == {"train"}
    assert "too few clips, sentences or speakers" in report.warnings[0]


def test_a_row_without_a_split_beside_rows_with_one_is_rejected(tmp_path: Path) -> None:
    _, clips, rejected = run(tmp_path, [record(1, split="train"), record(2)])
    assert set(clips) == {"1"}
    assert [(row["code"], row["reason"]) for row in rejected] == [
        ("MAN-SPLIT", "no split, while 1 rows have one")
    ]


def test_speakers_whose_names_are_almost_the_same_are_told(tmp_path: Path) -> None:
    names = ("Anna", "anna", "?", "!", "ben", "ana")
    given = [record(i, speaker=name) for i, name in enumerate(names)]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    report, _, _ = run(tmp_path / "one", given)
    told = [each for each in report.warnings if "two people" in each]
    assert [each.split(" are ")[0] for each in told] == ["speakers 'Anna' and 'anna'"]
    assert "two people" not in str(run(tmp_path / "two", given[1:])[0].warnings)
