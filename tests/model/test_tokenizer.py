import json
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import LETTERS

from mothertongue.errors import ConfigError, DataError
from mothertongue.model.load import generation_config
from mothertongue.model.locate import BaseFiles
from mothertongue.model.tokenizer import Tokens, load_tokens, read_tokens, tokens_for_vocabulary

SCRIPTS = [
    "Habari ya asubuhi, rafiki yangu!",
    "Ndị Igbo ọ̀ṣọ́ ẹ̀kọ́ n̄",
    "እንደምን አደርክ፣ ወዳጄ።",
    "नमस्ते दुनिया, कैसे हो?",
    "আমি বাংলায় গান গাই",
    "മലയാളം ഒരു ഭാഷയാണ്",
    "မြန်မာဘာသာ",
    "ภาษาไทยง่ายนิดเดียว",
    "שלום עולם",
    "مرحبا بالعالم",
    "សួស្តី​ពិភពលោក",
    "你好，世界。",
    "ᐃᓄᒃᑎᑐᑦ",
    "ߒߞߏ",
    "ꆈꌠꉙ 🎵",
]
CONTROL = ["<|en|>", "<|0.00|>", "<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"]


def test_ids_are_those_of_the_tokenizer(tokens: Tokens) -> None:
    assert (tokens.end, tokens.start) == (50257, 50258)
    assert (tokens.translate, tokens.transcribe, tokens.no_timestamps) == (50358, 50359, 50363)
    assert tokens.vocabulary_size == 51865
    # <|0.00|>, <|2.40|> and <|30.00|>, as openai/whisper's vocabulary has them.
    assert [tokens.timestamp(tick) for tick in (0, 120, 1500)] == [50364, 50484, 51864]
    assert len(tokens.languages) == 99
    assert tokens.language("en") == 50259
    assert tokens.language("sw") == tokens.special["<|sw|>"]


def test_one_more_language_shifts_the_ids_after_it(tokens: Tokens, tokens_v3: Tokens) -> None:
    assert tokens_v3.vocabulary_size == 51866
    assert tokens_v3.language("yue") == 50358
    assert (tokens_v3.transcribe, tokens_v3.no_timestamps) == (50360, 50364)
    assert tokens_v3.timestamp(1500) == 51865
    assert tokens_v3.language("sw") == tokens.language("sw")


def test_label_is_prefix_text_end(tokens: Tokens) -> None:
    label = tokens.label("habari", "sw")
    prefix = [tokens.start, tokens.language("sw"), tokens.transcribe, tokens.no_timestamps]
    assert tokens.prefix("sw") == prefix
    assert label == [*prefix, *tokens.encode_exact(" habari"), tokens.end]
    assert tokens.count_label("habari", "sw") == len(label)


def test_label_of_no_text(tokens: Tokens) -> None:
    assert tokens.decode(tokens.label("", "sw")) == ""


def test_first_word_has_the_token_it_has_inside_a_sentence(tokens: Tokens) -> None:
    assert tokens.encode("the cat the")[0] == tokens.encode("the cat the")[-1]


def test_letters_are_of_their_scripts() -> None:
    assert len(LETTERS) == 157
    assert all(regex.fullmatch(rf"\p{{Script={name}}}", each) for name, each in LETTERS.items())


def test_no_label_begins_with_what_decoding_forbids(tokens: Tokens) -> None:
    """A model that learned such a label could not write it: its first token is -inf."""
    config = generation_config(tokens, None)
    forbidden = {*config.begin_suppress_tokens, *config.suppress_tokens}
    texts = {script: f"{letter}{letter} a{letter}" for script, letter in LETTERS.items()}
    labels = {script: tokens.label(text, "sw") for script, text in texts.items()}
    assert [script for script, label in labels.items() if label[4] in forbidden] == []
    assert {script: tokens.decode(label) for script, label in labels.items()} == texts
    assert all(tokens.count_label(texts[each], "sw") == len(labels[each]) for each in texts)


@pytest.mark.parametrize(("text", "first"), [("habari", " hab"), ("Ɔpanda", None), ("한국", " 한")])
def test_only_a_bare_space_is_left_out(tokens: Tokens, text: str, first: str | None) -> None:
    ids, exact = tokens.encode(text), tokens.encode_exact(" " + text)
    assert ids == (exact if first else exact[1:])
    assert first is None or tokens.decode_exact(ids).startswith(first)


def test_unknown_language(tokens: Tokens) -> None:
    with pytest.raises(ConfigError) as caught:
        tokens.prefix("ig")
    assert str(caught.value) == (
        "language 'ig': Whisper has no token for it; let it borrow that of a related one of its 99 "
        "languages, such as `borrow: {ig: sw}` in the experiment, or --language sw on the command "
        "line"
    )


def test_borrowed_token(tokens: Tokens) -> None:
    borrowing = tokens.borrowing({"tw": "yo", "ig": "yo"})
    assert borrowing.language("tw") == borrowing.language("ig") == tokens.language("yo")
    assert borrowing.prefix("tw") == tokens.prefix("yo")
    assert borrowing.label("Ɛte sɛn?", "tw") == tokens.label("Ɛte sɛn?", "yo")
    assert borrowing.language("sw") == tokens.language("sw")
    assert borrowing.languages == tokens.languages
    with pytest.raises(ConfigError, match="'lg': Whisper has no token"):
        borrowing.language("lg")
    with pytest.raises(ConfigError, match="'tw': Whisper has no token"):
        tokens.language("tw")


def test_what_is_borrowed_adds_up(tokens: Tokens) -> None:
    borrowing = tokens.borrowing({"tw": "yo", "ig": "ha"}).borrowing({"ig": "yo", "lg": "sw"})
    assert borrowing.borrowed == {"tw": "yo", "ig": "yo", "lg": "sw"}


def test_borrower_with_a_token_of_its_own(tokens: Tokens, tokens_v3: Tokens) -> None:
    assert tokens.borrowing({"yue": "zh"}).language("yue") == tokens.language("zh")
    with pytest.raises(ConfigError) as caught:
        tokens_v3.borrowing({"yue": "zh"})
    assert str(caught.value) == "borrow: yue has its own token; remove 'yue' from borrow"


@pytest.mark.parametrize("lender", ["ig", "tw", ""])
def test_lender_without_a_token(tokens: Tokens, lender: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tokens.borrowing({"ig": "yo", "tw": lender})
    assert str(caught.value) == (
        f"borrow: tw cannot take the token of {lender!r}, which has none; expected one of "
        "Whisper's 99 languages, such as sw"
    )


@pytest.mark.parametrize("text", SCRIPTS)
def test_every_script_comes_back(tokens: Tokens, text: str) -> None:
    assert tokens.decode(tokens.label(text, "sw")) == text


@pytest.mark.parametrize("text", [f"a {mark} b{mark}" for mark in CONTROL] + CONTROL)
def test_text_never_becomes_control(tokens: Tokens, text: str) -> None:
    ids = tokens.encode(text)
    assert max(ids) < tokens.end
    assert tokens.decode(ids) == text


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
def test_any_text_comes_back(tokens: Tokens, text: str) -> None:
    ids = tokens.encode_exact(text)
    assert all(0 <= token < tokens.end for token in ids)
    assert tokens.decode(ids) == text.strip()


def test_decode_leaves_control_and_timestamps_out(tokens: Tokens) -> None:
    ids = [*tokens.prefix("sw"), 50364, *tokens.encode("ndiyo"), 50464, tokens.end, tokens.end]
    assert tokens.decode(ids) == "ndiyo"


def test_half_a_character_is_a_replacement_character(tokens: Tokens) -> None:
    assert "\ufffd" in tokens.decode(tokens.encode_exact("ꆈ")[:-1])


def test_vocabulary_of_an_openai_file(tokens: Tokens) -> None:
    assert tokens_for_vocabulary(51865).definition == tokens.definition


def test_vocabulary_of_an_english_only_file() -> None:
    with pytest.raises(DataError) as caught:
        tokens_for_vocabulary(51864)
    assert str(caught.value) == (
        "vocabulary of 51864 tokens: expected one of 51865, 51866 (English-only models have 51864 "
        "and cannot learn another language)"
    )


def test_folder_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_tokens(BaseFiles("x", "transformers", tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}: no tokenizer.json; copy it there from the model's page on the Hub, or from "
        "the page of the OpenAI model that it was tuned from"
    )


def english_only(tokens: Tokens) -> str:
    """openai/whisper-base.en: the same control tokens, each one lower."""
    added = [token | {"id": token["id"] - 1} for token in tokens.definition["added_tokens"]]
    return json.dumps({**tokens.definition, "added_tokens": added})


def without_languages(tokens: Tokens) -> str:
    added = [
        token
        for token in tokens.definition["added_tokens"]
        if token["id"] not in tokens.languages.values()
    ]
    return json.dumps({**tokens.definition, "added_tokens": added})


@pytest.mark.parametrize("damage", [english_only, without_languages])
def test_english_only_tokenizer(tokens: Tokens, tmp_path: Path, damage) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(damage(tokens), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_tokens(path)
    assert str(caught.value) == (
        f"{path}: an English-only tokenizer; expected a multilingual Whisper's (English-only "
        "models cannot learn another language)"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not a Whisper tokenizer (JSONDecodeError: Expecting property name"),
        ("[]", "not a Whisper tokenizer (TypeError: list indices"),
        ("{}", "not a Whisper tokenizer (KeyError: 'added_tokens')"),
        ('{"added_tokens": []}', "the tokenizer has no <|startoftranscript|>; expected a multi"),
    ],
)
def test_no_tokenizer_of_whisper(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_tokens(path)
    assert str(caught.value).startswith(f"{path}: {reason}")
