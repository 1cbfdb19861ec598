"""Our engines over a work folder's test split, as one line of JSON. A child of bench.py.

usage: decode.py JSON
"""

from pathlib import Path
from typing import Any

from decoding import COMPUTE_TYPES, run_decoder

from mothertongue.decoding.ctranslate2_transcriber import CTranslate2Model, CTranslate2Transcriber
from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig, Transcriber
from mothertongue.model.devices import best_device, dtype_of, keep_freed_memory
from mothertongue.model.load import load_base


def open_engine(spec: dict[str, Any]) -> Transcriber:
    work, config = Path(spec["work"]), DecodeConfig(batch_size=spec["batch_size"])
    if spec["engine"] == "ctranslate2":
        model = CTranslate2Model(work / "ctranslate2", COMPUTE_TYPES[spec["precision"]])
        return CTranslate2Transcriber(model, config=config, context=spec["context"])
    base = load_base(str(work / "base"))
    return TorchTranscriber(
        base.model,
        base.tokens,
        context=spec["context"],
        config=config,
        dtype=dtype_of(spec["precision"], best_device()),
    )


def opened(spec: dict[str, Any]) -> Any:
    keep_freed_memory()
    engine = open_engine(spec)
    return lambda audio: [each.text for each in engine(audio, spec["language"])]


if __name__ == "__main__":
    run_decoder(opened)
