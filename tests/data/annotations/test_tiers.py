from dataclasses import replace

import pytest

from mothertongue.data.annotations.segments import Annotations, Segment, Tier
from mothertongue.data.annotations.tiers import (
    Kinds,
    add_kinds,
    check_names,
    is_wanted,
    likeliest,
    told,
)
from mothertongue.errors import ConfigError


def survey(documents: list[Annotations]) -> Kinds:
    kinds: Kinds = {}
    for document in documents:
        add_kinds(kinds, document)
    return kinds


def tier(kind: str, *texts: str, seconds: float = 2.0, is_aligned: bool = True) -> Tier:
    segments = (
        Segment(str(i), i * seconds, (i + 1) * seconds, text) for i, text in enumerate(texts)
    )
    return Tier(f"{kind}@A", kind, tuple(segments), f"{kind}-type", is_aligned)


def likely(*tiers: Tier) -> str | None:
    return likeliest(survey([Annotations(tiers)]))


def test_most_time_and_text_is_likeliest() -> None:
    speech = tier("speech", *["mtu huyu ni mwema"] * 5)
    assert likely(tier("note", "cough"), speech, tier("pause", *[""] * 50)) == "speech"
    assert likely(tier("topic", "all about fishing", seconds=40.0), speech) == "speech"


def test_a_translation_has_its_parents_time_and_comes_after_it() -> None:
    speech = tier("speech", "mtu huyu")
    translation = tier("translation", "this very person here", is_aligned=False)
    assert likely(translation, speech) == "speech"
    assert likely(translation) == "translation"


def test_names_of_segments_are_no_transcript() -> None:
    names = tier("ref", "Fisherman-story-2024.001", "Fisherman-story-2024.002")
    speech = tier("tx", "mtu", "huyu", is_aligned=False)
    assert likely(names, speech) == "tx"
    assert likely(names) == "ref"


def test_a_translation_with_times_of_its_own_comes_after_the_transcript() -> None:
    speech, longer = tier("speech", "mtu huyu"), "this very person here"
    for name in ("Translation", "traducción", "ft", "A_phrase-gls-en", "free gloss", "notes"):
        assert likely(tier(name, longer), speech) == "speech"
    for name in ("transliteration", "gesprochen", "after", "keynote"):
        assert likely(tier(name, longer), speech) == name


def test_words_come_before_their_morphemes() -> None:
    words = tier("words", "mtu huyu", is_aligned=False)
    words, parts = (
        replace(words, depth=1),
        replace(tier("mb", "m tu hu yu", is_aligned=False), depth=2),
    )
    assert likely(parts, words) == "words"


def test_utterances_come_before_their_words_and_sounds() -> None:
    words = tier("words", "mtu", "huyu", "ni", "mwema")
    phones = tier("phones", *"mtuhuyunimwema", seconds=8 / 14)
    assert likely(phones, words) == "words"
    assert likely(phones, words, tier("utterance", "mtu huyu ni mwema", seconds=8.0)) == "utterance"


def test_no_text_is_no_transcript() -> None:
    assert likely(tier("a", "", "")) is None
    assert likely() is None


def test_what_was_not_taken_is_listed_with_a_sample() -> None:
    kinds = survey([Annotations((tier("tx", "mtu huyu"), tier("free text", "x" * 50), tier("e")))])
    assert list(told(kinds, ["tx"])) == [
        "tiers taken: 'tx': 1 tier, 2 s, such as 'mtu huyu'",
        f"tiers not taken: 'free text': 1 tier, 2 s, such as '{'x' * 40}...'; "
        "--tier 'free text' takes them",
        "tiers not taken: 'e': 1 tier without text; --tier e takes them",
    ]
    assert next(told(kinds, ["tx@A", "free text", "e"])) == "tiers taken: 'tx@A'"
    many = survey([Annotations(tuple(tier(f"t{i}", "x") for i in range(12)))])
    assert list(told(many, ["t0"]))[-1] == "tiers not taken: 3 more names, with less text"


@pytest.mark.parametrize("name", ["tx", "tx@A", "tx-type"])
def test_a_tier_is_named_by_its_kind_its_name_or_its_type(name: str) -> None:
    found = tier("tx", "mtu")
    assert is_wanted(found, [name])
    assert not is_wanted(found, ["other"])
    check_names([name], survey([Annotations((found,))]), "a.eaf")


def test_a_tier_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"--tier nothing: no tier or type .* found 'tx', 'tx"):
        check_names(["tx", "nothing"], survey([Annotations((tier("tx", "mtu"),))]), "a.eaf")
