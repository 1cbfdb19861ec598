"""A language model in both engines: what it likes is written, and what it adds is told apart."""

from pathlib import Path

import numpy as np
import pytest
import torch
from talker import eight_clips, talkative

from mothertongue.decoding.ctranslate2_transcriber import CTranslate2Model, CTranslate2Transcriber
from mothertongue.decoding.lm.folder import build
from mothertongue.decoding.lm.scorer import open_scorer
from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig, Transcript
from mothertongue.errors import ConfigError
from mothertongue.model.ctranslate2_writer import write_ctranslate2
from mothertongue.model.tokenizer import Tokens


@pytest.fixture(scope="module")
def folder(tokens: Tokens, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("lm")
    (home / "text.txt").write_text("habari ya asubuhi\nhabari ya jioni\nasante sana\n")
    build([home / "text.txt"], [], tokens, 3, home / "lm")
    return home / "lm"


@pytest.fixture(scope="module")
def engines(tokens: Tokens, tmp_path_factory: pytest.TempPathFactory):
    """The same talker in torch and in CTranslate2."""
    talker = talkative(tokens)
    home = tmp_path_factory.mktemp("talker") / "model"
    write_ctranslate2(talker, tokens, home)
    model = CTranslate2Model(home, "float32", tokens)

    def make(**settings: object) -> list[object]:
        config = DecodeConfig(**settings)
        return [
            TorchTranscriber(talker, tokens, context="full", config=config),
            CTranslate2Transcriber(model, config=config),
        ]

    return make


def test_steps_add_up_to_the_sentence(folder: Path, tokens: Tokens) -> None:
    scorer = open_scorer(folder, 0.5, tokens)
    assert scorer is not None
    text = tokens.encode("habari ya mchana")
    state, total = np.array([scorer.start]), 0.0
    for token in [*text, tokens.end]:
        gains, states = scorer.advance(state, np.array([[token]]))
        state, total = states[:, 0], total + gains[0, 0]
    assert total == pytest.approx(scorer.gain(text))
    assert scorer.gain(text) == pytest.approx(open_scorer(folder, 1.0, tokens).gain(text) / 2)
    assert scorer.gain(tokens.encode("habari ya jioni")) > scorer.gain(text)


@torch.inference_mode()
def test_a_heavy_model_changes_what_is_written_and_not_how_sure_the_engine_is(
    tokens: Tokens, engines, tmp_path: Path
) -> None:
    clips = eight_clips()
    # What it says of some clips is likely in others: it knows few words.
    said = [each.text for each in engines()[0](clips[4:], "sw")]
    (tmp_path / "text.txt").write_text("\n".join(said), encoding="utf-8")
    build([tmp_path / "text.txt"], [], tokens, 2, tmp_path / "lm")
    scorer, clips = open_scorer(tmp_path / "lm", 2.0, tokens), clips[:4]

    def gain(each: Transcript) -> float:
        """Per token, as the search counts it."""
        return scorer.gain(list(each.tokens)) / len(each.tokens)

    def heard(each: Transcript) -> float:
        return each.average_log_probability * (len(each.tokens) + 1) / len(each.tokens)

    for kind in (0, 1):
        plain = engines(beam_size=5)[kind](clips, "sw")
        weighed = engines(beam_size=5, lm=tmp_path / "lm", lm_weight=2.0)[kind](clips, "sw")
        assert [each.tokens for each in plain] != [each.tokens for each in weighed]
        assert sum(map(gain, weighed)) > sum(map(gain, plain))
        if kind == 1:  # it orders what a search without it found, the best of which is `plain`
            for before, after in zip(plain, weighed, strict=True):
                assert heard(after) + gain(after) >= heard(before) + gain(before) - 1e-6
                assert heard(after) <= heard(before) + 1e-6


@torch.inference_mode()
def test_a_model_without_weight_is_none(folder: Path, engines) -> None:
    clips = eight_clips()[:3]
    for plain, weighed in zip(engines(), engines(lm=folder, lm_weight=0.0), strict=True):
        assert plain(clips, "sw") == weighed(clips, "sw")


def test_what_does_not_fit_is_refused(folder: Path, tokens: Tokens, engines) -> None:
    with pytest.raises(ConfigError, match="was not chosen"):
        open_scorer(folder, None, tokens)
    with pytest.raises(ConfigError, match="add --beam-size 5"):
        engines(lm=folder, lm_weight=0.5)
