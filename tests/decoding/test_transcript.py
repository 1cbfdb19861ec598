from typing import Any

import numpy as np
import pytest
from scripts import LETTERS

from mothertongue.data.clip_checks import MAX_CHARACTERS_PER_S
from mothertongue.decoding.transcript import (
    Clip,
    DecodeConfig,
    make_transcript,
    token_limit,
    with_word_times,
)
from mothertongue.decoding.word_timestamps import Alignment
from mothertongue.model.tokenizer import Tokens


@pytest.mark.parametrize(
    ("duration_s", "limit"),
    [(0, 20), (0.01, 22), (1.0, 140), (2.5, 320), (3.53, 444), (3.54, 444), (30, 444)],
)
def test_token_limit(duration_s: float, limit: int) -> None:
    assert token_limit(duration_s) == limit


# Lines of the Universal Declaration and of talk, where a character takes most tokens.
DENSE = {
    "Burmese": "လူတိုင်းသည်တူညီလွတ်လပ်သောဂုဏ်သိက္ခာဖြင့်လည်းကောင်း",
    "Tibetan": "འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ་སྐྱེས་ཙམ་ཉིད་ནས་ཆེ་མཐོངས་དང་",
    "Lao": "ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີສິດທິເສລີພາບແລະຄວາມສະເໝີພາບ",
    "Adlam": "𞤋𞤲𞥆𞤢𞤥𞤢 𞤢𞥄𞤣𞤫𞥅𞤶𞤭 𞤬𞤮𞤬 𞤨𞤮𞤼𞤭",
    "Malayalam": "മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും അന്തസ്സോടും",
    "Gujarati": "પ્રતિષ્ઠા અને અધિકારોની દૃષ્ટિએ સર્વ માનવો",
    **{script: letter * 40 for script, letter in LETTERS.items()},
}


def test_no_script_meets_its_limit_before_the_room_is_full(tokens: Tokens) -> None:
    """Speech as quick as `prepare` takes without a note, of every length with room for it."""
    met = []
    for script, text in DENSE.items():
        for duration_s in (0.5, 1.0, 2.0, 3.0, 5.0, 10.0):
            said = (text * 20)[: int(MAX_CHARACTERS_PER_S * duration_s)].strip()
            ids = tokens.encode(said)
            if token_limit(duration_s) <= len(ids) < token_limit(30):
                met.append((script, duration_s))
    assert met == []


def test_transcript_of_raw_tokens(tokens: Tokens) -> None:
    ids = tokens.encode("habari yako")
    made = make_transcript(tokens, "sw", ids, 20, -0.5)
    assert (made.text, made.language, made.tokens) == ("habari yako", "sw", tuple(ids))
    assert (made.average_log_probability, made.looped, made.is_cut) == (-0.5, False, False)


@pytest.mark.parametrize("more", [0, 1, 50])
def test_transcript_that_met_its_limit(tokens: Tokens, more: int) -> None:
    ids = tokens.encode("moja mbili tatu nne tano")
    made = make_transcript(tokens, "sw", ids, len(ids) - more if more < len(ids) else 1, -0.5)
    assert made.is_cut and not made.looped
    assert len(made.tokens) == max(1, len(ids) - more)


def test_transcript_of_a_loop(tokens: Tokens) -> None:
    word = tokens.encode("ndiyo")
    made = make_transcript(tokens, "sw", word * 200, 444, -0.1)
    assert (made.text, made.tokens, made.looped) == ("ndiyo", tuple(word), True)
    assert not made.is_cut


def test_control_tokens_that_a_model_writes_are_not_text(tokens: Tokens) -> None:
    """In a language that it hardly knows, a base wrote `<|ja|>` amid the text."""
    said = tokens.encode("habari yako")
    made = make_transcript(tokens, "am", [*said, tokens.languages["ja"], *said], 40, -0.5)
    assert made.tokens == (*said, *said)
    assert made.text == "habari yako habari yako"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ["h", "mo", "ob"]),
        ({"task": "translate"}, ["hmoob"]),
        ({"text_language": "hmn"}, ["hmoob"]),
    ],
)
def test_words_are_those_of_the_language_of_the_text(
    tokens: Tokens, settings: dict[str, Any], words: list[str]
) -> None:
    """Chinese is spoken, or lends its token; the text has spaces between words."""
    ids = [each for part in ("h", "mo", "ob") for each in tokens.encode_exact(part)]
    clip = Clip(np.zeros(16_000, np.float32), "zh", **settings)
    alignment = Alignment((0.0, 0.2, 0.4, 0.6), (0.5,) * 3)
    found = with_word_times(make_transcript(tokens, "zh", ids, 40, -0.1), clip, alignment, tokens)
    assert [each.text for each in found.words or ()] == words


def test_scores_do_not_depend_on_graphs() -> None:
    """A record of scores is the same whether steps were replayed or not."""
    assert DecodeConfig(graphs="auto").facts() == DecodeConfig().facts()
    assert DecodeConfig(beam_size=2).facts() != DecodeConfig().facts()
