"""Normalizers: Whisper's own to the code point, and one that never loses a letter."""

import random
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mothertongue.errors import ConfigError
from mothertongue.evaluation.normalizers import NORMALIZERS, Normalizer, characters, normalizer

NAMES = ("strict", "whisper", "raw")
STRICT, WHISPER, RAW = (NORMALIZERS[name] for name in NAMES)
CODE_POINTS = [chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000]
ASSIGNED = [char for char in CODE_POINTS if unicodedata.category(char) not in ("Cn", "Co")]

# What strict drops although Unicode calls it a letter or a mark: two stretchers, and what chooses
# a glyph and is itself invisible.
INVISIBLE = {
    "\u0640", "\u07fa", *map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]),
    *"\u180b\u180c\u180d\u180f",
}  # fmt: skip
# The six Malayalam letters with two spellings.
CHILLUS = dict(zip("ണനരലളക", "ൺൻർൽൾൿ", strict=True))

# Mostly letters and marks, with all that may stand between them; then the rarer everything.
anything = st.text(
    st.characters(categories=("L", "M"))
    | st.sampled_from("aI'’ʼʻ·-. ́̇ि്\u200c\u200d\u00ad\u0640İßΣन\u0d4d\u0d7b\u0d31\u0d28")
    | st.characters(exclude_categories=("Cs",)),
    max_size=30,
)


# What strict writes in more ways than one: apostrophes, which are letters or marks of punctuation,
# and Malayalam nta, with or without a chillu or a virama.
RESPELLED = str.maketrans("ൻ", "ന", "ʼʻꞌ\u0d4d")


def letters_and_marks(text: str) -> Counter[str]:
    """Those of composed text, counted decomposed: what vanished may let neighbours compose."""
    kept = [char for char in text.translate(RESPELLED) if unicodedata.category(char)[0] in "LM"]
    return Counter(unicodedata.normalize("NFD", "".join(kept)))


def expected_letters_and_marks(text: str) -> Counter[str]:
    composed = unicodedata.normalize("NFC", text).replace("İ", "i")
    for letter, chillu in CHILLUS.items():
        composed = composed.replace(f"{letter}\u0d4d\u200d", chillu)
    folded = unicodedata.normalize("NFD", composed).casefold()
    shown = [char for char in unicodedata.normalize("NFC", folded) if char not in INVISIBLE]
    return letters_and_marks("".join(shown))


def blocks(texts: list[str], size: int = 997) -> Iterator[str]:
    """Many texts in one, as lines: a whole block equal means each of them equal."""
    for start in range(0, len(texts), size):
        yield "\n".join(f"a{text}b" for text in texts[start : start + size])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ng'ombe wetu, ng’ombe!", "ngʼombe wetu ngʼombe"),
        ("C’hwi a lavar: deoc'h…", "cʼhwi a lavar deocʼh"),
        ("vaaze-vaaze kukhala—pansi", "vaaze vaaze kukhala pansi"),
        ("ʼYan makarantaʼ", "ʼyan makarantaʼ"),
        ("rock 'n' roll, 'tis", "rock n roll tis"),
        ("ʻO Kamehameha, 'o Kamehameha", "ʼo kamehameha o kamehameha"),
        ("5' 5′ 1'000 a''b a'-b", "5 5 1 000 a b a b"),
        ("col·lecció", "collecció"),
        ("Ի՞նչ եք ուզում։", "ինչ եք ուզում"),
        ("צה״ל", "צהל"),
        ("ג׳ירפה", "גʼירפה"),
        ("հրապարակ՚ն", "հրապարակʼն"),
        ("Ẹ̀kọ́ ọ̀fẹ́", "ẹ̀kọ́ ọ̀fẹ́"),
        ("o\u0323\u0301'o", "ọ́ʼo"),
        ("नेपाली भाषा।", "नेपाली भाषा"),
        ("می\u200cخواهم", "میخواهم"),
        ("അവന്\u200d", "അവൻ"),
        ("كـــتاب", "كتاب"),
        ("مُحَمَّد", "مُحَمَّد"),
        ("گھر ۾ ۽ ٻاهر", "گھر ۾ ۽ ٻاهر"),
        ("İstanbul", "istanbul"),
        ("Straße ΟΔΟΣ", "strasse οδοσ"),
        ("5 000 ₣ + 3,5 ½", "5 000 3 5 ½"),
        ("❤️ sawa 👍🏽", "sawa"),
        ("ខ្ញុំ\u200bទៅ", "ខ្ញុំ ទៅ"),
        ("co\u00adoperate\u200e", "cooperate"),
        ("ma˥ k꞉a", "ma˥ k꞉a"),
        ("\ta\u00a0 b\x00c\n", "a b c"),
        ("?!…", ""),
    ],
)
def test_strict_keeps_what_is_spoken(text: str, expected: str) -> None:
    assert STRICT(text) == unicodedata.normalize("NFC", expected)


@pytest.mark.parametrize("mark", "'’‘‛＇`´′ʼʻꞌꞋ՚")
def test_strict_takes_every_apostrophe_within_a_word_as_one(mark: str) -> None:
    assert STRICT(f"Ng{mark}ombe o{mark}n") == "ngʼombe oʼn"


@pytest.mark.parametrize(("one", "other"), [("t'anta", "tanta"), ("o'n", "on"), ("ʻae", "ae")])
def test_strict_tells_words_apart_by_their_apostrophe(one: str, other: str) -> None:
    assert STRICT(one) != STRICT(other)


def test_strict_takes_the_three_spellings_of_malayalam_nta_as_one() -> None:
    spellings = ["എന്\u200dറെ", "എന്റെ", "എൻ്റെ", "എൻറെ", "എന്\u200d\u00adറെ"]
    assert {STRICT(word) for word in spellings} == {"എന്റെ"}
    assert STRICT("അവൻ റാണി") == "അവൻ റാണി"


def test_strict_takes_both_encodings_of_a_letter_as_one() -> None:
    for char in CODE_POINTS:
        decomposed = unicodedata.normalize("NFD", char)
        if decomposed != char:
            assert STRICT(decomposed) == STRICT(char)


@settings(deadline=None)  # a busy machine is no failure
@given(anything)
def test_strict_is_idempotent(text: str) -> None:
    assert STRICT(STRICT(text)) == STRICT(text)


@settings(deadline=None)
@given(anything)
def test_strict_loses_no_letter_and_no_mark(text: str) -> None:
    assert letters_and_marks(STRICT(text)) == expected_letters_and_marks(text)
    assert STRICT(text).count("ʼ") >= sum(map(text.count, "ʼʻꞌꞋŉ"))


@settings(deadline=None)
@given(anything)
def test_strict_leaves_no_symbol_and_single_spaces(text: str) -> None:
    words = STRICT(text)
    assert words == " ".join(words.split())
    symbols = {char for char in words if unicodedata.category(char)[0] in "PS"} - set("۽۾")
    assert all(unicodedata.name(char).startswith("MODIFIER LETTER") for char in symbols)


def test_strict_holds_on_every_assigned_code_point_within_a_word() -> None:
    for block in blocks(ASSIGNED):
        words = STRICT(block)
        assert STRICT(words) == words
        assert letters_and_marks(words) == expected_letters_and_marks(block)


def test_whisper_equals_transformers_on_every_code_point() -> None:
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer

    theirs = BasicTextNormalizer()
    for block in blocks(CODE_POINTS):
        assert WHISPER(block) == theirs(block)
    # And alone, at the ends of the text; what is not assigned is covered by the blocks.
    for char in ASSIGNED:
        assert WHISPER(char) == theirs(char)


def test_whisper_equals_transformers_on_random_text() -> None:
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer

    theirs, draw = BasicTextNormalizer(), random.Random(0)
    for _ in range(20_000):
        alphabet = draw.choice(("ab<>[]() \t\n.", "aİßΣσς½ﬁ①ﾊﾟ(<]\u0301\u0940", CODE_POINTS))
        text = "".join(draw.choices(alphabet, k=draw.randint(0, 20)))
        assert WHISPER(text) == theirs(text)


def test_raw_only_folds_white_space() -> None:
    assert RAW(" Ng’ombe,\u00a0 WETU!\n") == "Ng’ombe, WETU!"
    assert RAW("e\u0301") == "e\u0301"


def test_every_normalizer_is_found_by_name_and_has_a_version() -> None:
    assert [each for each in NORMALIZERS if each in NAMES] == list(NAMES)
    for name, each in NORMALIZERS.items():
        assert normalizer(name) is each and each.name == name and each.version
        assert isinstance(each, Normalizer)


def test_an_unknown_normalizer_is_refused_with_the_choices() -> None:
    with pytest.raises(ConfigError, match="'none': expected one of strict, whisper"):
        normalizer("none")


def test_characters_are_code_points_with_inner_spaces() -> None:
    assert characters(" की ab ") == ["क", "ी", " ", "a", "b"]
    assert characters("") == []


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("ខ្ញុំ\u200bទៅ ផ្សារ", "ខ្ញុំទៅផ្សារ"),
        ("ไป ตลาด 5 วัน", "ไปตลาด5วัน"),
        ("မြန်မာ စာ", "မြန်မာစာ"),
        ("ພາສາ ລາວ", "ພາສາລາວ"),
        ("我 说 Whisper large v3", "我说Whisper large v3"),
        ("コー ヒー です", "コーヒーです"),
        ("한국어 문장", "한국어 문장"),
        ("བོད་ ཡིག", "བོད་ ཡིག"),
    ],
)
def test_characters_leave_out_spaces_beside_scripts_without_word_spaces(
    text: str, counted: str
) -> None:
    assert "".join(characters(text)) == counted


@pytest.mark.parametrize("name", NORMALIZERS)
@pytest.mark.parametrize(
    "words", [("ខ្ញុំ", "ទៅ", "ផ្សារ"), ("我", "去", "市场"), ("ฉัน", "ไป", "ตลาด")]
)
def test_where_words_are_separated_does_not_change_the_characters(
    name: str, words: tuple[str, ...]
) -> None:
    counted = {tuple(characters(normalizer(name)(gap.join(words)))) for gap in ("", " ", "\u200b")}
    assert len(counted) == 1


def test_is_torch_free() -> None:
    program = (
        "import sys, mothertongue.evaluation.normalizers;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
