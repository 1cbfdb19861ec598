import subprocess
import sys

import pytest

from mothertongue.data.languages import (
    WHISPER_LANGUAGES,
    language_code,
    usual_measure,
)
from mothertongue.errors import ConfigError


@pytest.mark.parametrize("code", ["sw", "sw_ke", "swa", "swh", "sw-KE", "Swahili", " SW ", "swc"])
def test_every_name_of_swahili_is_whispers(code: str) -> None:
    assert language_code(code) == "sw"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("jv_id", "jw"),
        ("fil_ph", "tl"),
        ("nb_no", "no"),
        ("nn-NO", "nn"),
        ("cmn_hans_cn", "zh"),
        ("yue_hant_hk", "yue"),
        ("npi", "ne"),
        ("iw", "he"),
        ("arb", "ar"),
        ("plt", "mg"),
        ("br", "br"),
        ("haitian creole", "ht"),
    ],
)
def test_code_is_spelled_as_whisper_spells_it(code: str, expected: str) -> None:
    assert language_code(code) == expected
    assert expected in WHISPER_LANGUAGES


@pytest.mark.parametrize(("code", "expected"), [("tw", "tw"), ("lug", "lg"), ("ary", "ary")])
def test_language_without_a_token_keeps_its_code(code: str, expected: str) -> None:
    assert language_code(code) == expected
    assert expected not in WHISPER_LANGUAGES


def test_every_whisper_code_is_a_fixed_point() -> None:
    assert all(language_code(code) == code for code in WHISPER_LANGUAGES)
    assert all(language_code(name) == code for code, name in WHISPER_LANGUAGES.items())


@pytest.mark.parametrize("code", ["", "x", "xx", "und", "sw sw", "sw;rm", "klingonish", "<|sw|>"])
def test_what_names_no_language_is_refused(code: str) -> None:
    with pytest.raises(ConfigError, match="names no language; expected an ISO 639 code"):
        language_code(code)


@pytest.mark.parametrize(
    ("code", "measure"),
    [("th", "cer"), ("yue", "cer"), ("bo", "cer"), ("sw", "wer"), ("ko", "wer")],
)
def test_languages_without_spaces_between_words_are_judged_by_characters(
    code: str, measure: str
) -> None:
    assert usual_measure(code) == measure


def test_needs_neither_torch_nor_transformers() -> None:
    code = "import sys, mothertongue.data.languages; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
