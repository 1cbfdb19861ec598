"""Hot words: what a text gains, counted word by word, and what both engines then write."""

import os
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from talker import eight_clips, talkative

from mothertongue.config import parse
from mothertongue.decoding.ctranslate2_transcriber import CTranslate2Model, CTranslate2Transcriber
from mothertongue.decoding.hotwords import HotWords, read_words
from mothertongue.decoding.lm.folder import build
from mothertongue.decoding.lm.scorer import open_scorer
from mothertongue.decoding.scorers import scorer_of
from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig, Transcriber
from mothertongue.errors import ConfigError, DataError
from mothertongue.model.ctranslate2_writer import write_ctranslate2
from mothertongue.model.tokenizer import Tokens


def value(tokens: Tokens, word: str) -> int:
    """Return what a whole word gains at weight 1."""
    return min(len(tokens.encode(word)), len(word))


def test_a_text_gains_with_its_whole_words(tokens: Tokens) -> None:
    names = ["Nairobi", "Nai", "Kilimanjaro", "Ali", "nyumba"]
    others = ["Alisema", "Nairobini", "Kili", "habari", "nyumbani", "Ali-Baba", "na"]
    scorer, draw = HotWords(names, tokens, 0.5), random.Random(0)
    gained = set()
    for _ in range(200):
        text = "".join(
            draw.choice(names + others) + draw.choice([" ", " ", ", ", ". "]) for _ in range(6)
        ).strip()
        found = re.findall(rf"\b(?:{'|'.join(names)})\b", text)
        # A hyphen is punctuation: Ali-Baba is the word Ali, and another one.
        expected = 0.5 * sum(value(tokens, each) for each in found)
        assert scorer.gain(tokens.encode(text)) == pytest.approx(expected), text
        gained.add(expected)
    assert len(gained) > 5


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        (["Dar es Salaam", "Dar"], "yuko Dar es Salaam leo", ["Dar es Salaam"]),
        (["Dar es Salaam", "Dar"], "yuko Dar es kwetu", ["Dar"]),
        (["Dar es Salaam"], "yuko Dar es kwetu", []),
        (["Maria Juma Ali", "Juma"], "yuko Maria Juma leo", ["Juma"]),
        (["Maria Juma Ali", "Juma"], "Maria Juma", ["Juma"]),
        (["Maria Juma Ali", "Juma"], "Maria Jumani leo", []),
        (["Maria Juma Ali", "Juma", "Maria"], "Maria Juma leo", ["Maria", "Juma"]),
        (["Maria Juma Ali Hamisi", "Juma Ali"], "Maria Juma Ali leo", ["Juma Ali"]),
        (["Salaam"], "Salaam", ["Salaam"]),
        (["东京"], "我在东京都", ["东京"]),
        (["我在东京都", "东京"], "我在东京市", ["东京"]),
        (["เชียงใหม่"], "ไปเชียงใหม่กัน", ["เชียงใหม่"]),
        (["አበበ"], "አበበ ወደ ቤት", ["አበበ"]),
        (["አበበ"], "እና አበበ ወደ", ["አበበ"]),
        (["አበበ"], "እና አቤት", []),
        (["አበበ"], "እና አበበ።", ["አበበ"]),
        (["አበበ", "አበበች"], "አበበ፣ አበበች። አበበና", ["አበበ", "አበበች"]),
        (["सीता"], "यह सीता।", ["सीता"]),
        (["सीता"], "यह सीताजी।", []),
        (["कलम सीता राम", "सीता"], "यह कलम सीता। राम", ["सीता"]),
        (["བོད", "ཡིག"], "བོད་ཡིག་ཡིགས", ["བོད", "ཡིག"]),
    ],
)
def test_phrases_and_scripts(words: list[str], text: str, found: list[str], tokens: Tokens) -> None:
    expected = sum(
        min(len(tokens.encode_exact(each)), len(each))
        if not each.isascii()
        else value(tokens, each)
        for each in found
    )
    assert HotWords(words, tokens, 1.0).gain(tokens.encode(text)) == pytest.approx(expected)


def test_a_word_that_breaks_off_returns_its_gain_at_once(tokens: Tokens) -> None:
    scorer = HotWords(["Kilimanjaro"], tokens, 2.0)
    word = tokens.encode("Kilimanjaro")
    state_N, gains = np.array([scorer.start]), []
    for token in [*word[:-1], tokens.encode("na")[0]]:
        gains_NC, states_NC = scorer.advance(state_N, np.array([[token]]))
        gains.append(float(gains_NC[0, 0]))
        state_N = states_NC[:, 0]
    assert gains == [2.0] * (len(word) - 1) + [-2.0 * (len(word) - 1)]


def test_with_a_language_model_both_count(tokens: Tokens, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("habari ya asubuhi\nhabari ya jioni\n")
    build([tmp_path / "text.txt"], [], tokens, 3, tmp_path / "lm")
    (tmp_path / "names.txt").write_text("asubuhi\n")
    config = DecodeConfig(lm=tmp_path / "lm", lm_weight=0.5, hotwords=tmp_path / "names.txt")
    both, text = scorer_of(config, tokens), tokens.encode("habari ya asubuhi")
    assert both is not None
    state_N, total = np.array([both.start]), 0.0
    for token in [*text, tokens.end]:
        gains_NC, states_NC = both.advance(state_N, np.array([[token]]))
        state_N, total = states_NC[:, 0], total + float(gains_NC[0, 0])
    alone = open_scorer(tmp_path / "lm", 0.5, tokens)
    assert alone is not None
    assert total == pytest.approx(both.gain(text))
    assert total == pytest.approx(alone.gain(text) + 1.5 * value(tokens, "asubuhi"))


@torch.inference_mode()
def test_both_engines_write_a_hot_word_more_often(tokens: Tokens, tmp_path: Path) -> None:
    talker = talkative(tokens)
    write_ctranslate2(talker, tokens, tmp_path / "model")
    clips, names = eight_clips(), tmp_path / "names.txt"

    def heard(**settings: object) -> list[str]:
        """Return the texts that torch and CTranslate2 write, each joined to one."""
        config = DecodeConfig(beam_size=5, **settings)
        exported = CTranslate2Model(tmp_path / "model", "float32", tokens)
        engines: list[Transcriber] = [
            TorchTranscriber(talker, tokens, context="full", config=config),
            CTranslate2Transcriber(exported, config=config),
        ]
        return [" ".join(each.text for each in engine(clips, "sw")) for engine in engines]

    plain = heard()
    words = sorted(set(re.findall(r"(?<= )[a-z]{3,}(?= )", plain[0])))
    more = {"torch": 0, "CTranslate2": 0}
    for word in words[:6]:
        names.write_text(word, encoding="utf-8")
        for engine, before, after in zip(
            more, plain, heard(hotwords=names, hotwords_weight=20.0), strict=True
        ):
            written = [len(re.findall(rf"\b{word}\b", text)) for text in (before, after)]
            more[engine] += written[1] > written[0]
    assert all(more.values()), (more, words)


def test_the_file_of_words(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("\ufeff# places\n Dar  es Salaam \n\nNairobi\nNairobi\n", encoding="utf-8")
    assert read_words(path) == ["Dar es Salaam", "Nairobi"]
    path.write_text("O\u0323la\u0301\u200e\r\n", encoding="utf-8")  # as a Mac writes it
    assert read_words(path) == ["Ọlá"]
    path.write_text("# nothing\n")
    with pytest.raises(DataError, match="no words; expected UTF-8 text with one word"):
        read_words(path)
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DataError, match=str(path)):
        read_words(path)
    with pytest.raises(DataError, match="missing"):
        read_words(tmp_path / "missing")


@pytest.mark.parametrize("name", ["pipe", "device", "circle"])
def test_what_is_no_file_is_not_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if name == "device" else name)
    with pytest.raises(DataError, match=f"{name}: no such file; expected UTF-8 text"):
        read_words(path)


def test_a_text_in_one_line_is_no_word(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("Nairobi\n" + "neno " * 40_000, encoding="utf-8")
    with pytest.raises(DataError, match="a line of 199,999 characters, and at most 448"):
        read_words(path)


def test_scores_belong_to_the_words(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("Ali\n")
    first = DecodeConfig(hotwords=path).facts()
    path.write_text("Abebe\n")
    assert first != DecodeConfig(hotwords=path).facts()
    assert not {each for each in DecodeConfig().facts() if each.startswith("hotwords")}
    with pytest.raises(ConfigError, match="hotwords_weight without hotwords"):
        parse(DecodeConfig, {"hotwords_weight": 1.0}, "options")
