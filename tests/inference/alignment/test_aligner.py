"""Test `prepare` with an aligner: from recordings and their texts to manifest and review."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile as sf
from hearing import OTHER, sentence
from narrator import RATE_HZ, Narrator, Recording, narrate

from mothertongue.data.audio.load import load_audio
from mothertongue.data.card import read_card
from mothertongue.data.clip_checks import LongClip
from mothertongue.data.data_report import DataReport
from mothertongue.data.long_rows import TOO_LONG
from mothertongue.data.manifest import Utterance, read_manifest
from mothertongue.data.prepare import PrepareOptions, check, prepare
from mothertongue.data.sources.detect import detect
from mothertongue.decoding.transcript import ClipTranscriber
from mothertongue.errors import ConfigError
from mothertongue.inference.alignment.aligner import Aligner, AlignOptions
from mothertongue.inference.engine import Engine
from mothertongue.inference.speech_detection import everything
from mothertongue.model.tokenizer import Tokens

SENTENCES = [sentence(seed, num_words=6 + seed % 5) for seed in range(20)]
Json = dict[str, object]


def count_characters(text: str, language: str) -> int:
    return len(text) + 5


def engine_of(recording: Recording, tokens: Tokens, **changes: object) -> Engine:
    narrator = Narrator(recording)
    engine = Engine("base", lambda *_: narrator, {}, tokens)
    return replace(engine, **changes)  # type: ignore[arg-type]


def aligner_of(
    recording: Recording,
    tokens: Tokens,
    count: Callable[[str, str], int] = count_characters,
    **options: object,
) -> Aligner:
    chosen = AlignOptions.model_validate(options)
    return Aligner("a-model", lambda: engine_of(recording, tokens), everything, count, chosen)


def prepared(
    corpus: Path, align: Aligner | None, **options: object
) -> tuple[DataReport, list[Utterance], list[Json], list[Json]]:
    """Return the report, the clips, and the records of review.jsonl and rejected.jsonl."""
    out = corpus.parent / "out"
    settings = PrepareOptions.model_validate({"language": "sw", "workers": 1} | options)
    report = prepare(detect(corpus), out, settings, count_characters, align=align)
    records = [
        [json.loads(line) for line in (out / name).read_text().splitlines()]
        for name in ("review.jsonl", "rejected.jsonl")
    ]
    return report, list(read_manifest(out)), records[0], records[1]


def story(folder: Path, recording: Recording, text: str, name: str = "story") -> Path:
    recording.write(folder / f"{name}.wav")
    (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def test_a_recording_with_its_text_becomes_clips(tmp_path: Path, tokens: Tokens) -> None:
    recording = narrate(SENTENCES)
    corpus = story(tmp_path / "corpus", recording, "\n".join(SENTENCES))
    report, clips, review, rejected = prepared(corpus, aligner_of(recording, tokens, max_s=12))
    clips.sort(key=lambda each: each.start_s or 0)
    assert " ".join(each.text for each in clips) == " ".join(SENTENCES)
    assert {each.audio for each in clips} == {str(corpus / "story.wav")}
    assert [each.name for each in corpus.iterdir() if each.suffix == ".wav"] == ["story.wav"]
    assert all(each.duration_s <= 12 for each in clips)
    for each in clips:
        end_s = round((each.start_s or 0) + each.duration_s, 3)
        assert each.id == f"story@{each.start_s}-{end_s}"
        inside = [
            said.text
            for said in recording.phrases
            if (each.start_s or 0) <= said.start_s and said.end_s <= end_s
        ]
        assert each.text == " ".join(inside)
        assert len(load_audio(corpus / "story.wav", each.start_s or 0, each.duration_s))
    assert (review, rejected) == ([], [])
    assert report.notes["SEG-ALIGNED"] == len(clips) == report.num_rows
    found = report.alignment
    assert found is not None and found.kept_characters == found.characters == len(
        "".join(SENTENCES).replace(" ", "")
    )
    assert found.kept_sound_s == pytest.approx(found.sound_s)
    assert (found.recordings, found.clips, found.model) == (1, len(clips), "a-model")
    card = read_card(tmp_path / "out")
    assert card is not None and card.alignment == found
    assert check(tmp_path / "out", PrepareOptions(workers=1), count_characters).num_rejected == 0


def test_it_gives_the_same_manifest_again(tmp_path: Path, tokens: Tokens) -> None:
    recording = narrate(SENTENCES)
    corpus = story(tmp_path / "corpus", recording, " ".join(SENTENCES))
    first = prepared(corpus, aligner_of(recording, tokens))[1]
    assert first == prepared(corpus, aligner_of(recording, tokens))[1]


def test_what_the_model_wrote_is_kept(tmp_path: Path, tokens: Tokens) -> None:
    recording = narrate(SENTENCES)
    corpus = story(tmp_path / "corpus", recording, " ".join(SENTENCES))
    align = replace(aligner_of(recording, tokens), cache=tmp_path / "transcripts.jsonl")
    clips = prepared(corpus, align)[1]

    def refuse(*_: object) -> ClipTranscriber:
        raise AssertionError

    silent = SimpleNamespace(decode=refuse)
    engine = engine_of(recording, tokens, make=lambda *_: silent)
    again = replace(align, open_engine=lambda: engine)
    assert prepared(corpus, again)[1] == clips
    retuned = replace(again, model="another")
    with pytest.raises(AssertionError):
        prepared(corpus, retuned)


def test_what_does_not_agree_is_for_review(tmp_path: Path, tokens: Tokens) -> None:
    wrong, extra, missing = (sentence(300 + seed, OTHER, 12) for seed in range(3))
    said = [*SENTENCES[:6], SENTENCES[6], *SENTENCES[7:11], extra, *SENTENCES[11:17]]
    text = [*SENTENCES[:6], wrong, *SENTENCES[7:11], *SENTENCES[11:15], missing, *SENTENCES[15:17]]
    recording = narrate(said)
    corpus = story(tmp_path / "corpus", recording, " ".join(text))
    report, clips, review, _ = prepared(corpus, aligner_of(recording, tokens))
    kept = " ".join(each.text for each in sorted(clips, key=lambda each: each.start_s or 0))
    assert kept == " ".join(each for each in text if each not in (wrong, missing))
    assert [(each["reason"], each.get("text")) for each in review] == [
        ("unaligned", wrong),
        ("untranscribed", None),
        ("unspoken", missing),
    ]
    for record, phrase in zip(review, (6, 11), strict=False):
        start_s, duration_s = record["start_s"], record["duration_s"]
        assert isinstance(start_s, float) and isinstance(duration_s, float)
        for time_s, number in ((start_s, phrase), (start_s + duration_s, phrase + 1)):
            begin_s, end_s = recording.pause_before(number)
            assert begin_s <= time_s <= end_s
    assert report.aside == {"unaligned": 1, "unspoken": 1, "untranscribed": 1}
    assert report.ok
    found = report.alignment
    lost = len(wrong.replace(" ", "")) + len(missing.replace(" ", ""))
    assert found is not None and found.characters - found.kept_characters == lost
    assert 0.75 < found.kept_sound_s / found.sound_s < 0.95


def test_a_reviewer_may_correct_what_did_not_agree(tmp_path: Path, tokens: Tokens) -> None:
    recording = narrate(SENTENCES)
    text = [*SENTENCES[:8], sentence(300, OTHER, 12), *SENTENCES[9:]]
    corpus = story(tmp_path / "corpus", recording, " ".join(text))
    (record,) = prepared(corpus, aligner_of(recording, tokens))[2]
    decisions = tmp_path / "decisions.jsonl"
    decision = {"id": record["id"], "decision": "fix", "text": SENTENCES[8]}
    decisions.write_text(json.dumps(decision), encoding="utf-8")
    report, clips, review, _ = prepared(corpus, aligner_of(recording, tokens), decisions=decisions)
    assert SENTENCES[8] in [each.text for each in clips]
    assert review == [] and report.notes["DEC-FIX"] == 1


def test_a_text_of_another_recording_is_rejected(tmp_path: Path, tokens: Tokens) -> None:
    recording = narrate(SENTENCES)
    corpus = story(tmp_path / "corpus", recording, sentence(300, OTHER, 200))
    report, clips, review, rejected = prepared(corpus, aligner_of(recording, tokens))
    assert (clips, review) == ([], [])
    assert [each["code"] for each in rejected] == ["SEG-APART"]
    assert "no part of its text agrees" in str(rejected[0]["reason"])
    assert not report.ok
    found = report.alignment
    assert found is not None and found.worst[0].where.endswith("story.txt:1")
    assert found.worst[0].kept_sound_s == 0


@pytest.mark.parametrize(("language", "first", "letters"), [("am", 0x1208, 300), ("pa", 0xA15, 18)])
def test_a_label_with_too_many_tokens_is_cut_with_its_sound(
    tmp_path: Path, tokens: Tokens, language: str, first: int, letters: int
) -> None:
    """The clip is short enough, but a letter of its script takes up to three tokens.

    In Gurmukhi the space between two words is a token too.
    """
    draw = random.Random(0)
    words = ["".join(chr(first + draw.randrange(letters)) for _ in range(5)) for _ in range(45)]
    phrases = [" ".join(words[i : i + 5]) + "።" for i in range(0, 45, 5)]
    recording, text = narrate(phrases), " ".join(phrases)
    count = tokens.count_label
    assert recording.duration_s < 30 and count(text, language) > 448
    corpus = story(tmp_path / "corpus", recording, text)
    settings, out = PrepareOptions(language=language, workers=1), tmp_path / "out"
    assert prepare(detect(corpus), out, settings, count).rejected == {"TXT-LONG": 1}
    align = aligner_of(recording, tokens, count)
    report = prepare(detect(corpus), out, settings, count, align=align)
    clips = sorted(read_manifest(out), key=lambda each: each.start_s or 0)
    assert report.rejected == {} and len(clips) > 1
    assert " ".join(each.text for each in clips) == text
    assert all(count(each.text, language) <= 448 for each in clips)


def test_a_segment_over_30_s_is_cut_at_pauses(tmp_path: Path, tokens: Tokens) -> None:
    recording = narrate(SENTENCES)
    pauses = [recording.pause_before(number) for number in range(21)]
    edges = [sum(pauses[number]) / 2 for number in (2, 3, 18, 20)]
    recording.write(tmp_path / "corpus/story.wav")
    rows = [
        (edges[0], edges[1], SENTENCES[2]),
        (edges[1], edges[2], " ".join(SENTENCES[3:18])),
        (edges[2], edges[3], " ".join(SENTENCES[18:])),
    ]
    labels = "".join(f"{start}\t{end}\t{text}\n" for start, end, text in rows)
    (tmp_path / "corpus/story.txt").write_text(labels)
    report, clips, review, _ = prepared(tmp_path / "corpus", aligner_of(recording, tokens))
    clips.sort(key=lambda each: each.start_s or 0)
    assert " ".join(each.text for each in clips) == " ".join(SENTENCES[2:])
    assert (clips[0].start_s, clips[-1].text) == (round(edges[0], 3), rows[2][2])
    assert report.notes["SEG-ALIGNED"] == len(clips) - 2 >= 2
    assert review == []
    for each in clips[1:-1]:
        for time_s in (each.start_s or 0, (each.start_s or 0) + each.duration_s):
            assert any(start_s - 0.05 <= time_s <= end_s + 0.05 for start_s, end_s in pauses)


def test_without_the_option_the_message_names_it(tmp_path: Path) -> None:
    corpus = story(tmp_path / "corpus", narrate(SENTENCES), " ".join(SENTENCES))
    report, _, _, rejected = prepared(corpus, None)
    assert report.alignment is None
    assert rejected[0]["code"] in TOO_LONG
    assert "prepare ... --align-with MODEL" in str(rejected[0]["fix"])


def test_a_damaged_recording_costs_its_row(tmp_path: Path, tokens: Tokens) -> None:
    recording = narrate(SENTENCES)
    corpus = story(tmp_path / "corpus", recording, " ".join(SENTENCES))
    story(corpus, recording, " ".join(SENTENCES), "broken")
    whole = (corpus / "broken.wav").read_bytes()
    (corpus / "broken.wav").write_bytes(whole[: len(whole) // 2])
    _, clips, _, rejected = prepared(corpus, aligner_of(recording, tokens))
    assert {each.audio for each in clips} == {str(corpus / "story.wav")}
    assert [each["code"] for each in rejected] == ["AUD-TRUNCATED"]


def test_short_clips_open_no_model(tmp_path: Path) -> None:
    def opened() -> Engine:
        raise AssertionError

    recording = narrate(SENTENCES[:2])
    corpus = story(tmp_path / "corpus", recording, " ".join(SENTENCES[:2]))
    align = Aligner("a-model", opened, everything, count_characters)
    report, clips, _, _ = prepared(corpus, align)
    assert len(clips) == 1 and report.alignment.recordings == 0


def test_a_model_without_word_times_is_refused(tmp_path: Path, tokens: Tokens) -> None:
    recording = narrate(SENTENCES)
    corpus = story(tmp_path / "corpus", recording, " ".join(SENTENCES))
    align = aligner_of(recording, tokens)
    limited = replace(align, open_engine=lambda: engine_of(recording, tokens, is_limited=True))
    with pytest.raises(ConfigError, match="--align-with a-model: this format gives no word times"):
        prepared(corpus, limited)


def test_a_language_without_a_token_is_detected(tmp_path: Path, tokens: Tokens) -> None:
    recording = narrate(SENTENCES)
    path = tmp_path / "a.wav"
    sf.write(path, recording.samples_N, RATE_HZ, subtype="FLOAT")
    clip = LongClip(path, 0.0, None, " ".join(SENTENCES), "tw")
    found = aligner_of(recording, tokens)(clip)
    assert " ".join(each.text for each in found.spans) == clip.text
