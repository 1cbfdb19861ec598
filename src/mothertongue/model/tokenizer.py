"""Convert text to Whisper's tokens and back. No torch; text never gives control tokens.

L is the number of label tokens. Special-token ids are read from the tokenizer's own file: the
defaults of `WhisperConfig` are the English-only ids, and large-v3 shifts most of the others.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer

from mothertongue.errors import ConfigError, DataError, refusing
from mothertongue.model.locate import BaseFiles, locate

MAX_LABEL_TOKENS = 448  # Whisper's decoder has 448 positions
MAX_PROMPT_TOKENS = 448 // 2 - 1  # as openai/whisper, decoding.py: half of them, less one
PREFIX_TOKENS = 4  # start, language, task, no timestamps
CONTROL_TOKENS = PREFIX_TOKENS + 1  # of a label: those of its prefix, and the end
TIMESTAMPS_PER_S = 50  # 0.02 s apart, as openai/whisper, tokenizer.py; the last is at 30 s
ENGLISH_ONLY_END = 50256  # one text token fewer than in the multilingual tokenizer
LABEL_RULES = 2
"""The version of the rules by which a text becomes label tokens (`Tokens.encode`).

It is raised whenever they change: a run that began under other rules must not go on, since its
weights learned other labels. 1: every text begins with a space token. 2: but no bare one."""
LANGUAGE_TOKEN = re.compile(r"<\|([a-z]{2,3})\|>")
SIZES = {51865: "openai/whisper-base", 51866: "openai/whisper-large-v3"}


@dataclass(frozen=True)
class Tokens:
    """Whisper's multilingual tokenizer: byte-level BPE for text, named ids for control."""

    definition: dict[str, Any]
    """The content of tokenizer.json."""
    origin: str
    borrowed: Mapping[str, str] = field(default_factory=dict)
    """Languages without a token of their own, each with the one whose token it takes."""

    @cached_property
    def _text(self) -> Tokenizer:
        # Without its added tokens the tokenizer cannot turn "<|en|>" in a transcript into control.
        plain = {**self.definition, "added_tokens": [], "post_processor": None}
        with refusing(Path(self.origin), "a Whisper tokenizer"):
            return Tokenizer.from_str(json.dumps(plain))

    @cached_property
    def special(self) -> dict[str, int]:
        """The id of every control token, by its text."""
        return {token["content"]: token["id"] for token in self.definition["added_tokens"]}

    @cached_property
    def languages(self) -> dict[str, int]:
        """The id of each language's own token, by Whisper's code ("sw"); none is borrowed."""
        first, last = self.start, min(self.translate, self.transcribe)
        return {
            match.group(1): token
            for text, token in self.special.items()
            if first < token < last and (match := LANGUAGE_TOKEN.fullmatch(text))
        }

    @property
    def start(self) -> int:
        return self._id("<|startoftranscript|>")

    @property
    def end(self) -> int:
        return self._id("<|endoftext|>")

    @property
    def transcribe(self) -> int:
        return self._id("<|transcribe|>")

    @property
    def translate(self) -> int:
        return self._id("<|translate|>")

    @property
    def previous(self) -> int:
        return self._id("<|startofprev|>")

    @property
    def no_timestamps(self) -> int:
        return self._id("<|notimestamps|>")

    def timestamp(self, tick: int) -> int:
        """Return the token of a time in ticks of 0.02 s, from 0 to 1500."""
        return self.no_timestamps + 1 + tick

    @property
    def vocabulary_size(self) -> int:
        """V, the rows of the embedding: the 1,501 timestamps of 0.02 s come last."""
        return self.no_timestamps + 1 + 1501

    def language(self, code: str) -> int:
        """Return the token of a language, its own or borrowed. Raises ConfigError without one."""
        owner = self.borrowed.get(code, code)
        if owner not in self.languages:
            raise ConfigError(
                f"language {code!r}: Whisper has no token for it; let it borrow that of a related "
                f"one of its {len(self.languages)} languages, such as `borrow: {{{code}: sw}}` in "
                "the experiment, or --language sw on the command line"
            )
        return self.languages[owner]

    def borrowing(self, lenders: Mapping[str, str]) -> "Tokens":
        """Return a copy of the tokenizer in which each language takes the token of its lender.

        `lenders` maps codes without a token to codes with one ("tw" to "yo"). Raises ConfigError
        where a borrower has a token of its own, or a lender has none.
        """
        for code, lender in lenders.items():
            if code in self.languages:
                raise ConfigError(f"borrow: {code} has its own token; remove {code!r} from borrow")
            if lender not in self.languages:
                raise ConfigError(
                    f"borrow: {code} cannot take the token of {lender!r}, which has none; expected "
                    f"one of Whisper's {len(self.languages)} languages, such as sw"
                )
        return replace(self, borrowed={**self.borrowed, **lenders})

    def prefix(
        self,
        language: str,
        task: Literal["transcribe", "translate"] = "transcribe",
        prompt: Sequence[int] = (),
    ) -> list[int]:
        """Return the first four tokens of a transcript: start, language, task, no timestamps.

        Before them the end of `prompt`, text tokens taken for an earlier transcript, if any.
        """
        doing = self.transcribe if task == "transcribe" else self.translate
        before = [self.previous, *prompt[-MAX_PROMPT_TOKENS:]] if prompt else []
        return [*before, self.start, self.language(language), doing, self.no_timestamps]

    def label(self, text: str, language: str) -> list[int]:
        """Return the L tokens of a training label: prefix, text, end."""
        return [*self.prefix(language), *self.encode(text), self.end]

    def count_label(self, text: str, language: str) -> int:
        """Return the number of label tokens of a transcript; Whisper takes MAX_LABEL_TOKENS."""
        del language  # the prefix has four tokens in every language, known to Whisper or not
        return CONTROL_TOKENS + len(self.encode(text))

    def encode(self, text: str) -> list[int]:
        """Return the tokens of plain text, without prefix or end.

        The text starts with a space, as in OpenAI's own training data, so that its first word has
        the token it has inside a sentence. But where the vocabulary joins no space with the first
        byte, as in most scripts of Asia and Africa, the space would be a token of its own, and that
        one every Whisper decoder forbids at the start (`begin_suppress_tokens`): there the text
        starts without it. `decode` gives the same text either way.
        """
        ids = self.encode_exact(" " + text.strip())
        return ids[1:] if ids[:1] == self.encode_exact(" ") else ids

    def encode_exact(self, text: str) -> list[int]:
        """Return the tokens of exactly these characters, without an added space."""
        ids: list[int] = self._text.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens without control tokens and timestamps."""
        return self.decode_exact(tokens).strip()

    def decode_exact(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens as `decode` does, with its first and last spaces."""
        text: str = self._text.decode([token for token in tokens if token < self.end])
        return text

    def piece(self, token: int) -> str:
        """Return a text token as the vocabulary writes it: without white space, unique."""
        return str(self._text.id_to_token(token))

    def _id(self, text: str) -> int:
        if text not in self.special:
            raise DataError(
                f"{self.origin}: the tokenizer has no {text}; expected a multilingual Whisper "
                "(English-only models cannot learn another language)"
            )
        return self.special[text]


def load_tokens(files: BaseFiles) -> Tokens:
    """Return the tokenizer of a base model. Raises DataError if its folder has no valid one."""
    path = files.folder / "tokenizer.json"
    if not path.is_file():
        raise DataError(
            f"{files.folder}: no tokenizer.json; copy it there from the model's page on the Hub, "
            "or from the page of the OpenAI model that it was tuned from"
        )
    return read_tokens(path)


def tokens_for_vocabulary(size: int) -> Tokens:
    """Return the tokenizer of OpenAI's models with this number of embedding rows."""
    if size not in SIZES:
        raise DataError(
            f"vocabulary of {size} tokens: expected one of {', '.join(map(str, SIZES))} "
            "(English-only models have 51864 and cannot learn another language)"
        )
    return load_tokens(locate(SIZES[size]))


def read_tokens(path: Path) -> Tokens:
    """Return the tokenizer in a tokenizer.json file. Raises DataError if it is not Whisper's."""
    with refusing(path, "a Whisper tokenizer"):
        definition = json.loads(path.read_text(encoding="utf-8"))
        tokens = Tokens(definition, str(path))
        if not tokens.languages or tokens.end == ENGLISH_ONLY_END:
            raise DataError(
                f"{path}: an English-only tokenizer; expected a multilingual Whisper's "
                "(English-only models cannot learn another language)"
            )
    return tokens
