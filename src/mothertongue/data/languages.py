"""Convert the language codes and names of corpora to Whisper's codes."""

from functools import lru_cache
from typing import Literal

import langcodes
from langcodes.tag_parser import LanguageTagError

from mothertongue.errors import ConfigError

# The languages with a token in Whisper's vocabulary (openai/whisper, tokenizer.py, LANGUAGES).
# large-v3 and its turbo have all 100; earlier models lack the last one, Cantonese.
WHISPER_LANGUAGES = {
    "en": "english", "zh": "chinese", "de": "german", "es": "spanish", "ru": "russian",
    "ko": "korean", "fr": "french", "ja": "japanese", "pt": "portuguese", "tr": "turkish",
    "pl": "polish", "ca": "catalan", "nl": "dutch", "ar": "arabic", "sv": "swedish",
    "it": "italian", "id": "indonesian", "hi": "hindi", "fi": "finnish", "vi": "vietnamese",
    "he": "hebrew", "uk": "ukrainian", "el": "greek", "ms": "malay", "cs": "czech",
    "ro": "romanian", "da": "danish", "hu": "hungarian", "ta": "tamil", "no": "norwegian",
    "th": "thai", "ur": "urdu", "hr": "croatian", "bg": "bulgarian", "lt": "lithuanian",
    "la": "latin", "mi": "maori", "ml": "malayalam", "cy": "welsh", "sk": "slovak",
    "te": "telugu", "fa": "persian", "lv": "latvian", "bn": "bengali", "sr": "serbian",
    "az": "azerbaijani", "sl": "slovenian", "kn": "kannada", "et": "estonian",
    "mk": "macedonian", "br": "breton", "eu": "basque", "is": "icelandic", "hy": "armenian",
    "ne": "nepali", "mn": "mongolian", "bs": "bosnian", "kk": "kazakh", "sq": "albanian",
    "sw": "swahili", "gl": "galician", "mr": "marathi", "pa": "punjabi", "si": "sinhala",
    "km": "khmer", "sn": "shona", "yo": "yoruba", "so": "somali", "af": "afrikaans",
    "oc": "occitan", "ka": "georgian", "be": "belarusian", "tg": "tajik", "sd": "sindhi",
    "gu": "gujarati", "am": "amharic", "yi": "yiddish", "lo": "lao", "uz": "uzbek",
    "fo": "faroese", "ht": "haitian creole", "ps": "pashto", "tk": "turkmen", "nn": "nynorsk",
    "mt": "maltese", "sa": "sanskrit", "lb": "luxembourgish", "my": "myanmar", "bo": "tibetan",
    "tl": "tagalog", "mg": "malagasy", "as": "assamese", "tt": "tatar", "haw": "hawaiian",
    "ln": "lingala", "ha": "hausa", "ba": "bashkir", "jw": "javanese", "su": "sundanese",
    "yue": "cantonese",
}  # fmt: skip
# Languages whose usual script puts no space between words: Han, Kana, Thai, Lao, Khmer, Burmese and
# Tibetan, with the other languages that are written in them.
UNSPACED = frozenset({
    "bo", "dz", "gan", "hak", "hsn", "ja", "km", "ksw", "lo", "lzh", "mnw", "my", "nod", "shn",
    "th", "wuu", "yue", "zh",
})  # fmt: skip
Measure = Literal["wer", "cer"]

# Names that Whisper accepts besides its own (openai/whisper, tokenizer.py, TO_LANGUAGE_CODE).
OTHER_NAMES = {
    "burmese": "my", "valencian": "ca", "flemish": "nl", "haitian": "ht", "letzeburgesch": "lb",
    "pushto": "ps", "panjabi": "pa", "moldavian": "ro", "moldovan": "ro", "sinhalese": "si",
    "castilian": "es", "mandarin": "zh",
}  # fmt: skip
# Where Whisper's code is not the one that ISO 639 recommends.
WHISPER_SPELLING = {"jv": "jw", "fil": "tl", "nb": "no"}
NAMES = {name: code for code, name in WHISPER_LANGUAGES.items()} | OTHER_NAMES


@lru_cache(maxsize=1024)
def language_code(code: str) -> str:
    """Return Whisper's code for a language, or the shortest ISO 639 code if Whisper has no token.

    Takes ISO 639-1 and 639-3 codes, BCP-47 tags in any spelling, and Whisper's English names:
    `sw_ke`, `swa`, `swh`, `sw-KE` and `Swahili` are all `sw`. The standard variety of a
    macrolanguage takes its token (`arb` is `ar`); another variety keeps its code (`ary`, Moroccan
    Arabic). Raises ConfigError when the code is malformed or names no language.
    """
    name = NAMES.get(code.strip().casefold())
    if name:
        return name
    language = _primary_language(code)
    for candidate in (language, _macrolanguage(language)):
        spelled = WHISPER_SPELLING.get(candidate, candidate)
        if spelled in WHISPER_LANGUAGES:
            return spelled
    return language


def usual_measure(code: str) -> Measure:
    """Return the error rate that compares systems of a language, given a code of `language_code`.

    "cer" where words are written without spaces between them: there a whole phrase counts as one
    word, and its WER stays at 100 % until it has no error left. "wer" everywhere else.
    """
    return "cer" if code in UNSPACED else "wer"


def _primary_language(code: str) -> str:
    try:
        tag = langcodes.get(code.strip())
    except LanguageTagError:
        raise _unknown(code) from None
    language = tag.language
    if not language or language == "und" or not langcodes.Language.make(language).is_valid():
        raise _unknown(code)
    return language


def _macrolanguage(language: str) -> str:
    return langcodes.get(language).prefer_macrolanguage().language or language


def _unknown(code: str) -> ConfigError:
    return ConfigError(
        f"language {code!r}: names no language; expected an ISO 639 code such as sw, swh or sw-KE,"
        " or one of Whisper's English names; look codes up at iso639-3.sil.org"
    )


def separator(language: str) -> str:
    """Return what stands between two texts of a language that are joined: a space, or nothing."""
    return "" if language in UNSPACED else " "
