"""Transformers' own decoder on a base of ours."""

from pathlib import Path

import pytest
from runs import save_base
from tiny import noise

from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.export.base import DECODER_TOKENS
from mothertongue.export.formats.hf import TransformersTranscriber
from mothertongue.model.load import load_base


@pytest.mark.parametrize("seed", range(3))
def test_the_byte_level_base_writes_the_same_with_transformers(tmp_path: Path, seed: int) -> None:
    """Transformers does not suppress timestamps, and ours does: the base must not choose them."""
    folder = save_base(tmp_path / "base", seed)
    base = load_base(str(folder))
    engine = TransformersTranscriber(folder, base.tokens, DECODER_TOKENS)
    clips = [noise(seconds, seed) for seconds in (0.6, 2.0)]
    ours = TorchTranscriber(base.model, base.tokens, context="full", config=DecodeConfig())
    texts = [found.text for found in ours(clips, "sw")]
    assert texts == [found.text for found in engine(clips, "sw")]
    assert all(texts)
    assert all(max(engine.generate(clip, "sw")) <= base.tokens.no_timestamps for clip in clips)
