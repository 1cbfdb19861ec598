import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mothertongue.data.text_cleaning import clean_text, sentence_key, suspects


@pytest.mark.parametrize(
    ("text", "cleaned", "notes"),
    [
        ("habari ya asubuhi", "habari ya asubuhi", ()),
        ("  habari\tya  asubuhi\r\n", "habari ya asubuhi", ("TXT-SPACE",)),
        ("a\u00a0b\u2028c\u0085d", "a b c d", ("TXT-SPACE",)),
        ("\ufeffhabari", "habari", ("TXT-CONTROL",)),
        ("ha\u200bba\u00adri\u2060", "habari", ("TXT-CONTROL",)),
        ("\u202eirabah\u202c \u2066x\u2069\u200e", "irabah x", ("TXT-CONTROL",)),
        ("ha\x00ba\x1b[31mri\x07", "haba[31mri", ("TXT-CONTROL",)),
        ("s\uffffa\ufffe\ufdd0 b\U0010ffff", "sa b", ("TXT-CONTROL",)),
        ("\u0378 not assigned yet", "\u0378 not assigned yet", ()),
        ("cafe\u0301", "caf\u00e9", ("TXT-NFC",)),
        ("o\u0323do\u0300 ẹ", "ọdò ẹ", ("TXT-NFC",)),
        ("hi <|en|> you", "hi <|en|> you", ("TXT-SPECIAL",)),
        ("สวัสดี\nครับ", "สวัสดีครับ", ("TXT-SPACE",)),
        ("ខ្ញុំ\u200b\nទៅ", "ខ្ញុំ\u200bទៅ", ("TXT-SPACE",)),
        ("日本\u200b\r\n語", "日本語", ("TXT-CONTROL", "TXT-SPACE")),
        ("a<|end\u200boftext|>", "a<|endoftext|>", ("TXT-CONTROL", "TXT-SPECIAL")),
    ],
)
def test_what_is_put_right_is_said(text: str, cleaned: str, notes: tuple[str, ...]) -> None:
    assert clean_text(text) == (cleaned, notes)


@pytest.mark.parametrize("text", ["ക്‍ഷ ന്‌", "می‌خواهم", "नेपाली भाषा", "ᠨᠢᠭᠡ᠎", "\u06dd٣", "👩‍💻"])
def test_joiners_marks_and_signs_of_a_script_stay(text: str) -> None:
    assert clean_text(text)[0] == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "cleaned", "notes"),
    [
        ("ខ្ញុំ\u200bទៅ\u200bផ្សារ", "ខ្ញុំ\u200bទៅ\u200bផ្សារ", ()),
        ("မြန်မာ\u200bစာ", "မြန်မာ\u200bစာ", ()),
        ("ພາສາ\u200bລາວ", "ພາສາ\u200bລາວ", ()),
        ("ใช้\u200bWhatsApp\u200bได้", "ใช้\u200bWhatsApp\u200bได้", ()),
        ("\u200bខ្ញុំ \u200bទៅ\u200b\u200bផ្សារ\u200b", "ខ្ញុំ ទៅ\u200bផ្សារ", ("TXT-CONTROL",)),
        ("日\u200b本", "日本", ("TXT-CONTROL",)),
    ],
)
def test_a_zero_width_space_stays_where_it_separates_words(
    text: str, cleaned: str, notes: tuple[str, ...]
) -> None:
    assert clean_text(text) == (cleaned, notes)


@given(st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from("\u200b \n\x1cកไa")))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once, _ = clean_text(text)
    again, notes = clean_text(once)
    assert again == once
    assert set(notes) <= {"TXT-SPECIAL"}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("ọ̀dọ̀ ng'ombe, می‌خواهم - ndiyo!", ()),
        ("watoto 3", ("TXT-DIGIT",)),
        ("صفحة ٣", ("TXT-DIGIT",)),
        ("[noise] habari", ("TXT-TAG",)),
        ("<b>habari</b>", ("TXT-TAG",)),
        ("waxal bippé :fra", ("TXT-TAG",)),
        ("%e waaw", ("TXT-TAG",)),
        ("(%hesitation) waaw", ("TXT-TAG",)),
        (f"{{ {'neno ' * 9}/ jina / @ }} waaw", ("TXT-TAG",)),
        ("waaw (50 %)", ("TXT-DIGIT",)),
        ("basi saa 4:habari 5 % a=b", ("TXT-DIGIT",)),
        ("SPK_1: habari", ("TXT-DIGIT", "TXT-TAG")),
        ("Alisema: habari", ()),
        ("<|en|> habari", ()),
        ("Simba &amp; Yanga", ("TXT-ENTITY",)),
        ("it&#39;s", ("TXT-DIGIT", "TXT-ENTITY")),
        ("Simba & Yanga; basi", ()),
        ("m\u03b5", ("TXT-SCRIPT",)),  # a Greek epsilon in a Twi word
        ("m\u025b", ()),
        ("h\u0430bari", ("TXT-SCRIPT",)),  # a Cyrillic a
        ("Тойота Toyota", ()),
        ("T恤 ใช้WhatsApp カタカナひらがな漢字", ()),
        ("a" * 99, ()),
        ("a" * 10_000, ("TXT-WORD",)),
        ("漢" * 200, ()),
    ],
)
def test_what_was_hardly_said_is_counted(text: str, codes: tuple[str, ...]) -> None:
    assert suspects(text) == codes


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Habari, gani?", "habari gani", True),
        ("cafe\u0301", "CAFÉ", True),
        ("नेपाली", "नपल", False),
        ("ọ̀dọ̀", "odo", False),
        ("...", "", True),
        ("ខ្ញុំ\u200bទៅ", "ខ្ញុំទៅ", True),
        ("می\u200cخواهم", "میخواهم", True),
        ("محـــمد", "محمد", True),
        ("\ufee3\ufea4\ufee4\ufeaa", "محمد", True),  # Arabic from a PDF
        ("ｈａｂａｒｉ １２", "Habari 12", True),
        ("ng\u02bcombe", "ng'ombe", True),
        ("ng\u00b4ombe", "ng\u2019ombe", True),
        ("ngombe", "ng'ombe", False),
        ("\u00b4", "", True),
    ],
)
def test_sentences_are_the_same_by_letters_and_marks(one: str, other: str, is_same: bool) -> None:
    assert (sentence_key(one) == sentence_key(other)) == is_same
