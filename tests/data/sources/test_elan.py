from pathlib import Path

import pytest
from eaf_files import aligned, eaf, media, reference, tier

from mothertongue.data.annotations.segments import Annotations, Media, Segment, Tier
from mothertongue.data.sources.elan import read_eaf
from mothertongue.errors import Fault

SLOTS = {"t1": 0, "t2": 1500, "t3": 2000, "t4": 4000}


def read(folder: Path, text: str) -> Annotations:
    path = folder / "a.eaf"
    path.write_text(text, encoding="utf-8")
    return read_eaf(path)


def test_an_aligned_tier_has_times_speaker_and_type(tmp_path: Path) -> None:
    said = (aligned("a1", "t1", "t2", "habari & <karibu>"), aligned("a2", "t3", "t4", ""))
    found = read(tmp_path, eaf(SLOTS, tier("tx@A", *said, participant="Anna")))
    segments = (
        Segment("a1", 0.0, 1.5, "habari & <karibu>", "Anna"),
        Segment("a2", 2.0, 4.0, "", "Anna"),
    )
    assert found.tiers == (Tier("tx@A", "utterance", segments, "utterance"),)


def test_elans_first_type_is_no_kind_but_the_name_is(tmp_path: Path) -> None:
    said = aligned("a1", "t1", "t2", "habari")
    (found,) = read(tmp_path, eaf(SLOTS, tier("tx@Anna", said, type_="default-lt"))).tiers
    assert (found.kind, found.type, found.segments[0].speaker) == ("tx", "default-lt", "Anna")


def test_slots_without_a_time_are_spread_between_those_of_their_tier(tmp_path: Path) -> None:
    slots = {"t1": 1000, "x": 1100, "t2": None, "y": 1200, "t3": None, "t4": 4000}
    words = [aligned(f"w{i}", f"t{i}", f"t{i + 1}", word) for i, word in enumerate("abc", 1)]
    other = tier("other", aligned("o", "x", "y", "z"))
    found = read(tmp_path, eaf(slots, tier("words", *words), other)).tiers[0].segments
    assert [(each.start_s, each.end_s) for each in found] == [(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]
    assert all(each.notes == ("SEG-EVEN",) for each in found)


def test_a_slot_without_a_time_at_an_end_stays_without(tmp_path: Path) -> None:
    found = read(tmp_path, eaf({"t1": 0, "t2": None}, tier("tx", aligned("a", "t1", "t2", "x"))))
    assert (found.tiers[0].segments[0].start_s, found.tiers[0].segments[0].end_s) == (0.0, None)


def test_a_referring_annotation_has_the_time_and_speaker_above_it(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        eaf(
            SLOTS,
            tier("gloss", reference("g", "w", "greeting"), type_="gloss", parent="word"),
            tier("word", reference("w", "a", "habari"), type_="word", parent="tx"),
            tier("tx", aligned("a", "t1", "t2", "habari"), participant="Anna"),
            tier("lost", reference("l", "nobody", "x")),
        ),
    )
    gloss, word, tx, lost = found.tiers
    assert gloss.segments == (Segment("g", 0.0, 1.5, "greeting", "Anna"),)
    assert (gloss.is_aligned, word.is_aligned, tx.is_aligned) == (False, False, True)
    assert lost.segments == (Segment("l", None, None, "x"),)


def test_a_subdivision_is_one_segment_in_the_order_of_its_chain(tmp_path: Path) -> None:
    words = (
        reference("w2", "a1", "gani", previous="w1"),
        reference("w1", "a1", "habari"),
        reference("w3", "a2", "njema"),
    )
    tx = tier("tx", aligned("a1", "t1", "t2", "Habari gani?"), aligned("a2", "t3", "t4", "Njema."))
    found = read(tmp_path, eaf(SLOTS, tx, tier("words", *words, parent="tx")))
    assert [(each.start_s, each.text) for each in found.tiers[1].segments] == [
        (0.0, "habari gani"),
        (2.0, "njema"),
    ]


def test_words_of_a_script_without_spaces_get_none(tmp_path: Path) -> None:
    words = (reference("w1", "a1", "สวัสดี"), reference("w2", "a1", "ครับ", previous="w1"))
    tx = tier("tx", aligned("a1", "t1", "t2", "x"))
    found = read(tmp_path, eaf(SLOTS, tx, tier("words", *words, parent="tx")))
    assert [each.text for each in found.tiers[1].segments] == ["สวัสดีครับ"]


@pytest.mark.parametrize("previous", ["w1", "nobody"])
def test_a_broken_chain_keeps_the_order_of_the_file(tmp_path: Path, previous: str) -> None:
    words = (reference("w1", "a", "one", previous=previous), reference("w2", "a", "two"))
    text = eaf(SLOTS, tier("tx", aligned("a", "t1", "t2", "x")), tier("w", *words, parent="tx"))
    assert read(tmp_path, text).tiers[1].segments[0].text in ("one two", "two one")


def test_parents_in_a_circle_end(tmp_path: Path) -> None:
    tiers = (
        tier("one", reference("a", "b", "x"), parent="two"),
        tier("two", reference("b", "a", "y"), parent="one"),
    )
    found = read(tmp_path, eaf({}, *tiers))
    assert [each.segments[0].start_s for each in found.tiers] == [None, None]


def test_media_are_named_sound_first_each_with_its_origin(tmp_path: Path) -> None:
    named = media("file:///D:/a.mpg", mime="video/mpeg", origin=700)
    named += media("file:///D:/a.wav", "./a.wav", origin=250)
    assert read(tmp_path, eaf({}, media=named)).media == (
        Media(("./a.wav", "file:///D:/a.wav"), 0.25),
        Media(("file:///D:/a.mpg",), 0.7),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (eaf({"t1": 0})[:-30], r"MAN-FORMAT: .*a.eaf: not well-formed XML: .* line 1"),
        ("", "not well-formed XML: no element found"),
        ("<html></html>", "root <html>; expected <ANNOTATION_DOCUMENT>"),
        (eaf({}).replace("milliseconds", "PAL-frames"), "TIME_UNITS is 'PAL-frames'"),
        (eaf({"t1": 0}).replace('"0"', '"soon"'), "MAN-TYPE: .*TIME_VALUE is 'soon'"),
        (eaf({"t1": 0}).replace('"0"', f'"{"9" * 5000}"'), "TIME_VALUE is '9999"),
    ],
)
def test_what_is_no_eaf_is_described(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(Fault, match=expected):
        read(tmp_path, text)


def test_what_refers_to_words_is_one_segment_for_each_phrase(tmp_path: Path) -> None:
    """ELAN writes FLEx's texts so: numbered phrases, their words, and what refers to the words."""
    words = (reference("w1", "a1", ","), reference("w2", "a1", ","), reference("w3", "a2", "."))
    texts = (
        reference("x2", "w2", "gani"),
        reference("x3", "w3", "njema"),
        reference("x1", "w1", "habari"),
    )
    found = read(
        tmp_path,
        eaf(
            SLOTS,
            tier("A_word-txt-sw", *texts, type_="txt", parent="A_word"),
            tier("A_word", *words, type_="word", parent="A_phrase-segnum-en"),
            tier(
                "A_phrase-segnum-en", aligned("a1", "t1", "t2", "1"), aligned("a2", "t3", "t4", "2")
            ),
        ),
    )
    phrases = {(each.start_s, each.end_s, each.text) for each in found.tiers[0].segments}
    assert phrases == {(0.0, 1.5, "habari gani"), (2.0, 4.0, "njema")}
    assert [each.depth for each in found.tiers] == [2, 1, 0]


def test_a_type_of_several_tiers_below_one_is_no_kind(tmp_path: Path) -> None:
    tx = tier("ref", aligned("a", "t1", "t2", "1"), type_="ref")
    below = [
        tier(name, reference(name, "a", name), type_="assoc", parent="ref")
        for name in ("orth@A", "ft@A")
    ]
    word = tier("word", reference("w", "a", "x"), type_="sub", parent="ref")
    assert [each.kind for each in read(tmp_path, eaf(SLOTS, tx, *below, word)).tiers] == [
        "ref",
        "orth",
        "ft",
        "sub",
    ]
    speakers = [
        tier(name, aligned(name, "t1", "t2", "x"), parent="ref") for name in ("Anna", "Ben")
    ]
    assert {each.kind for each in read(tmp_path, eaf(SLOTS, *speakers)).tiers} == {"utterance"}


@pytest.mark.parametrize("text", ["%ignore%", "%junk%"])
def test_what_saymore_ignores_has_no_text(tmp_path: Path, text: str) -> None:
    (found,) = read(
        tmp_path, eaf(SLOTS, tier("Transcription", aligned("a", "t1", "t2", text)))
    ).tiers
    assert [each.text for each in found.segments] == [""]
