import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from talker import talkative
from tiny import noise

from mothertongue.data.audio.load import load_audio
from mothertongue.data.manifest import read_manifest
from mothertongue.decoding.ctranslate2_transcriber import CTranslate2Model, CTranslate2Transcriber
from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig, Transcript, token_limit
from mothertongue.model.ctranslate2_writer import write_ctranslate2
from mothertongue.model.load import load_base
from mothertongue.model.locate import BaseFiles
from mothertongue.model.tokenizer import Tokens

DEMO_DATA = Path(__file__).parents[2] / "src/mothertongue/recipes/demo_data"


def assert_same(ours: list[Transcript], theirs: list[Transcript]) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.tokens, mine.text, mine.language) == (other.tokens, other.text, other.language)
        if not mine.looped:  # CTranslate2 goes on in a loop, and its mean counts that
            assert mine.average_log_probability == pytest.approx(
                other.average_log_probability, rel=1e-3
            )


@pytest.fixture
def engines(talker, talker_folder: Path, tokens: Tokens):
    """The same weights in torch and in CTranslate2."""

    def make(beam_size: int = 1, **options: object) -> tuple[object, object]:
        config = DecodeConfig(beam_size=beam_size, batch_size=3, **options)
        return (
            TorchTranscriber(talker, tokens, context="full", config=config),
            CTranslate2Transcriber(CTranslate2Model(talker_folder, "float32"), config=config),
        )

    return make


def test_greedy_is_the_same_in_both_engines(engines, clips: list[np.ndarray]) -> None:
    ours, theirs = (engine(clips, "sw") for engine in engines())
    assert_same(ours, theirs)
    assert len({each.tokens for each in ours}) >= 5


def test_beam_is_the_same_in_both_engines(engines, clips: list[np.ndarray]) -> None:
    ours, theirs = (engine(clips, "sw") for engine in engines(beam_size=3))
    ended = [i for i, each in enumerate(theirs) if not (each.looped or ours[i].looped)]
    assert len(ended) >= 3
    assert_same([ours[i] for i in ended], [theirs[i] for i in ended])


def test_language_is_the_same_in_both_engines(engines, clips: list[np.ndarray]) -> None:
    ours, theirs = (engine(clips, None) for engine in engines())
    assert_same(ours, theirs)


def test_what_is_heard_is_the_same_in_both_engines(engines, clips: list[np.ndarray]) -> None:
    ours, theirs = (engine(clips, "sw") for engine in engines(detect_language=True))
    assert_same(ours, theirs)
    heard = [each.detected_language for each in theirs]
    assert heard == [each.detected_language for each in ours]
    assert None not in heard
    assert {each.detected_language for each in engines()[1](clips[:2], "sw")} == {None}


def test_longest_text_is_the_same_in_both_engines(engines, no_guard) -> None:
    """Two clips, one with room for all 444 tokens of the decoder."""
    clips = [noise(10, 4), noise(0.1, 4)]
    ours, theirs = (engine(clips, "sw") for engine in engines())
    limits = [token_limit(10), token_limit(0.1)]
    assert limits == [444, 32]
    for mine, other, limit in zip(ours, theirs, limits, strict=True):
        assert mine.tokens == other.tokens
        assert len(mine.tokens) <= limit


def test_never_ending_text_has_its_limit(
    talker_folder: Path, tokens: Tokens, tmp_path: Path, no_guard
) -> None:
    """A model that may not say its end."""
    folder = Path(shutil.copytree(talker_folder, tmp_path / "endless"))
    config = json.loads((folder / "config.json").read_text())
    config["suppress_ids"].append(tokens.end)
    (folder / "config.json").write_text(json.dumps(config))
    endless = CTranslate2Transcriber(CTranslate2Model(folder), config=DecodeConfig(batch_size=4))
    clips = [noise(1.0), noise(9.0), noise(0.3)]
    lengths = [len(each.tokens) for each in endless(clips, "sw")]
    assert lengths == [140, 444, 56]


def test_model_that_suppresses_nothing(tokens: Tokens, tmp_path: Path, clips) -> None:
    """Then it may also end at once; the mean of no tokens is no number in CTranslate2."""
    model = talkative(tokens)
    embedded = model.model.decoder.embed_tokens.weight
    model.model.decoder.embed_positions.weight[3] += 3 * embedded[tokens.end]
    model.generation_config.begin_suppress_tokens = []
    write_ctranslate2(model, tokens, tmp_path / "open")
    config = json.loads((tmp_path / "open/config.json").read_text())
    del config["suppress_ids"]
    (tmp_path / "open/config.json").write_text(json.dumps(config))
    found = CTranslate2Transcriber(CTranslate2Model(tmp_path / "open"), config=DecodeConfig())(
        clips, "sw"
    )
    assert any(not each.tokens for each in found) and any(each.tokens for each in found)
    for each in found:
        average = each.average_log_probability
        assert (average is None) == (not each.tokens) and (average is None or average < 0)


class Indifferent:
    """A scorer that likes all texts alike."""

    start = 0

    def gain(self, text: list[int]) -> float:
        return 0.0


def test_an_empty_text_may_be_the_best_of_several(tokens: Tokens, tmp_path: Path, clips) -> None:
    """Both engines choose among several texts by one rule: an empty text has a score too.

    Here it is the likeliest of all; CTranslate2 divides its score by no tokens.
    """
    model = talkative(tokens)
    model.model.decoder.embed_tokens.weight[tokens.end] *= 1.3
    model.generation_config.begin_suppress_tokens = []
    write_ctranslate2(model, tokens, tmp_path / "open")
    config = DecodeConfig(beam_size=5)
    ours = TorchTranscriber(model, tokens, context="full", config=config)(clips, "sw")
    theirs = CTranslate2Transcriber(CTranslate2Model(tmp_path / "open"), config=config)
    theirs.scorer = Indifferent()
    found = theirs(clips, "sw")
    assert sum(not each.tokens for each in ours) >= 3
    for mine, other in zip(ours, found, strict=True):
        assert mine.tokens == other.tokens
        assert other.average_log_probability == pytest.approx(
            mine.average_log_probability, rel=1e-3
        )


def test_order_progress_and_no_clips(talker_folder: Path, clips: list[np.ndarray]) -> None:
    counts: list[int] = []
    engine = CTranslate2Transcriber(
        CTranslate2Model(talker_folder), config=DecodeConfig(batch_size=3), advance=counts.append
    )
    assert engine([], "sw") == []
    together = engine(clips, "sw")
    assert sum(counts) == len(clips)
    assert [engine([clip], "sw")[0].tokens for clip in clips[:3]] == [
        each.tokens for each in together[:3]
    ]


def test_clip_beyond_30_s(talker_folder: Path) -> None:
    engine = CTranslate2Transcriber(CTranslate2Model(talker_folder), config=DecodeConfig())
    with pytest.raises(ValueError) as caught:
        engine([np.zeros(30 * 16_000 + 1, np.float32)], "sw")
    assert str(caught.value) == "a clip of 30.00 s: Whisper takes at most 30 s"


@pytest.mark.slow
def test_imported_base_writes_what_ctranslate2_writes(packaged: BaseFiles) -> None:
    """The proof of the import: token for token on 4 clips of speech.

    test_attention_alignment.py compares the tokens of 4 others at 30 s, and of 6 cut ones.
    """
    test = [each for each in read_manifest(DEMO_DATA) if each.split == "test"][:4]
    clips = [load_audio(DEMO_DATA / each.audio, each.start_s, each.duration_s) for each in test]
    assert len(clips) == 4
    config = DecodeConfig(batch_size=2)
    base = load_base("openai/whisper-base")
    ours = TorchTranscriber(base.model, base.tokens, context="full", config=config)(clips, "sw")
    theirs = CTranslate2Transcriber(CTranslate2Model(packaged.path, "float32"), config=config)
    assert_same(ours, theirs(clips, "sw"))
