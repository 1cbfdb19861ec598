"""Export to ONNX: an encoder and a decoder with its cache, for every strategy.

encoder.onnx: mel_BMF -> cross_KBHTd, the keys and values that the decoder attends to.
decoder.onnx: tokens_BL, past_KBHPd, cross_KBHTd -> logits_BV of the last token, present_KBHSd.

B clips, M mels, F frames, T encoder frames, K = 2 x decoder layers (each layer's keys, then its
values), H heads, d their width, L new tokens, P cached ones (none at first), S = P + L,
V vocabulary.
"""

import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mothertongue.decoding.transcript import Samples, token_limit
from mothertongue.export.base import (
    DECODER_TOKENS,
    Exported,
    Exporter,
    ExportTranscriber,
    require,
    seconds,
)
from mothertongue.export.formats.hf import write_processor, write_tokenizer
from mothertongue.model.adapters import AdaptedLayer
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.model.load import Base
from mothertongue.model.tokenizer import Tokens
from mothertongue.strategies.base import Whisper
from mothertongue.system.files import folder_atomically, temporary_folder, write_json

ENCODER, DECODER = "encoder.onnx", "decoder.onnx"
OPSET = 18
MOST_IN_ONE_FILE_BYTES = 1_500_000_000  # a protocol buffer ends at 2 GiB


class OnnxExporter(Exporter):
    """Writes two graphs, the tokenizer and the generation config (suppressed tokens)."""

    format: ClassVar[str] = "onnx"
    types: ClassVar[tuple[str, ...]] = ("float32", "int8")
    engine: ClassVar[str] = "onnxruntime"
    max_tokens: ClassVar[int] = DECODER_TOKENS
    max_tokens_source: ClassVar[str] = "decoder.onnx: 448 positions less the prefix"
    shorter_windows: ClassVar[str] = "cut recordings into pieces of at most {} s first"

    @classmethod
    def recognizes(cls, folder: Path) -> bool:
        """Return whether the folder has the decoder's graph."""
        return (folder / DECODER).is_file()

    def check(self, exported: Exported) -> None:
        require("onnxscript", "onnx")

    def write(self, exported: Exported, folder: Path, type_: str) -> None:
        strategy = exported.tuned.experiment.strategy
        model = exported.plain() if strategy.can_merge else exported.tuned.base.model
        with folder_atomically(folder) as fresh:
            if type_ == "int8":
                _write_rounded_graphs(model, fresh)
            else:
                _write_graphs(model, fresh)
            write_tokenizer(exported.tokens, fresh)
            write_processor(model.config.num_mel_bins, fresh)
            model.generation_config.save_pretrained(fresh)
            shape = {"num_mel_bins": model.config.num_mel_bins, "heads": _heads(model)}
            layers = {"decoder_layers": model.config.decoder_layers, "width": model.config.d_model}
            write_json(fresh / "config.json", {"model_type": "whisper", **shape, **layers})

    def open(self, folder: Path, tokens: Tokens, base: Base | None) -> ExportTranscriber:
        return OnnxTranscriber(folder, tokens, self.max_tokens)


class Encoder(nn.Module):
    """The encoder's graph, which gives the keys and values that the decoder attends to."""

    def __init__(self, model: Whisper) -> None:
        super().__init__()
        self.encoder, self.heads = model.model.encoder, _heads(model)
        self.layers = nn.ModuleList(_inner(layer) for layer in model.model.decoder.layers)

    def forward(self, mel_BMF: Tensor) -> Tensor:
        hidden_BTD = self.encoder(mel_BMF).last_hidden_state
        attentions: list[Any] = [layer.encoder_attn for layer in self.layers]
        projections = [each for a in attentions for each in (a.k_proj, a.v_proj)]
        return torch.stack([_split(project(hidden_BTD), self.heads) for project in projections])


class Decoder(nn.Module):
    """The decoder's graph, which gives the next token's logits and the cache with new tokens."""

    def __init__(self, model: Whisper) -> None:
        super().__init__()
        self.decoder, self.heads = model.model.decoder, _heads(model)

    def forward(
        self, tokens_BL: Tensor, past_KBHPd: Tensor, cross_KBHTd: Tensor
    ) -> tuple[Tensor, Tensor]:
        decoder = self.decoder
        past, new = past_KBHPd.shape[3], tokens_BL.shape[1]
        places_L = torch.arange(new, device=tokens_BL.device) + past
        x_BLD = decoder.embed_tokens(tokens_BL) + decoder.embed_positions.weight[places_L]
        # A token sees those before it and itself.
        seen_LS = torch.arange(past + new, device=tokens_BL.device)[None, :] <= places_L[:, None]
        present = []
        for i, layer in enumerate(decoder.layers):
            inner = _inner(layer)
            normed_BLD = inner.self_attn_layer_norm(x_BLD)
            keys = _split(inner.self_attn.k_proj(normed_BLD), self.heads)
            values = _split(inner.self_attn.v_proj(normed_BLD), self.heads)
            keys = torch.cat([past_KBHPd[2 * i], keys], 2)
            values = torch.cat([past_KBHPd[2 * i + 1], values], 2)
            present += [keys, values]
            x_BLD = x_BLD + self._attend(inner.self_attn, normed_BLD, keys, values, seen_LS)
            normed_BLD = inner.encoder_attn_layer_norm(x_BLD)
            cross = cross_KBHTd[2 * i], cross_KBHTd[2 * i + 1]
            x_BLD = x_BLD + self._attend(inner.encoder_attn, normed_BLD, *cross, None)
            normed_BLD = inner.final_layer_norm(x_BLD)
            x_BLD = x_BLD + inner.fc2(nn.functional.gelu(inner.fc1(normed_BLD)))
            if isinstance(layer, AdaptedLayer):
                x_BLD = layer.adapt(x_BLD)
        last_BD = decoder.layer_norm(x_BLD[:, -1])
        return last_BD @ decoder.embed_tokens.weight.T, torch.stack(present)

    def _attend(
        self, attention: Any, x_BLD: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None
    ) -> Tensor:
        queries = _split(attention.q_proj(x_BLD), self.heads) * attention.head_dim**-0.5
        scores = queries @ keys.transpose(2, 3)
        if seen is not None:
            scores = scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
        mixed_BHLd = scores.softmax(-1) @ values
        projected: Tensor = attention.out_proj(mixed_BHLd.transpose(1, 2).flatten(2))
        return projected


class OnnxTranscriber(ExportTranscriber):
    """Transcribes with onnxruntime and a greedy loop, without timestamps."""

    def __init__(self, folder: Path, tokens: Tokens, max_tokens: int) -> None:
        super().__init__(tokens, max_tokens)
        runtime = require("onnxruntime", "onnx")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.encoder: Any = runtime.InferenceSession(str(folder / ENCODER), options)
        self.decoder: Any = runtime.InferenceSession(str(folder / DECODER), options)
        past = {each.name: each for each in self.decoder.get_inputs()}["past"]
        self.empty = np.zeros((past.shape[0], 1, past.shape[2], 0, past.shape[4]), np.float32)
        self.mel_bins = self.encoder.get_inputs()[0].shape[1]
        self.always_V, self.first_V = self._rules(folder)

    def generate(self, samples_N: Samples, language: str) -> list[int]:
        cross, past = self._encode(samples_N), self.empty
        fed = self.tokens.prefix(language)
        written: list[int] = []
        for _ in range(token_limit(seconds(samples_N))):
            logits_V, past = self._step(fed, past, cross)
            scores_V = logits_V + self.always_V + (self.first_V if not written else 0)
            token = int(scores_V.argmax())
            if token == self.tokens.end:
                break
            written.append(token)
            fed = [token]
        return written

    def detect(self, samples_N: Samples) -> str:
        logits_V, _ = self._step([self.tokens.start], self.empty, self._encode(samples_N))
        return max(self.tokens.languages, key=lambda code: logits_V[self.tokens.languages[code]])

    def timestamps(self, samples_N: Samples, language: str) -> list[tuple[float, float]]:
        return []

    def _encode(self, samples_N: Samples) -> Any:
        mel_BMF = log_mel(pad_samples([samples_N], 30), self.mel_bins).numpy()
        return self.encoder.run(None, {"mel": mel_BMF})[0]

    def _step(self, fed: list[int], past: Any, cross: Any) -> tuple[Any, Any]:
        inputs = {"tokens": np.array([fed], np.int64), "past": past, "cross": cross}
        logits_BV, present = self.decoder.run(None, inputs)
        return logits_BV[0], present

    def _rules(self, folder: Path) -> tuple[Any, Any]:
        from transformers import GenerationConfig

        config: Any = GenerationConfig.from_pretrained(folder, local_files_only=True)
        always_V = np.zeros(self.tokens.vocabulary_size, np.float32)
        always_V[list(config.suppress_tokens or [])] = -np.inf
        always_V[self.tokens.no_timestamps + 1 :] = -np.inf
        first_V = np.zeros_like(always_V)
        first_V[list(config.begin_suppress_tokens or [])] = -np.inf
        return always_V, first_V


def _write_graphs(model: Whisper, folder: Path) -> None:
    config, heads = model.config, _heads(model)
    head_width = config.d_model // heads
    frames = 2 * config.max_source_positions
    mel_BMF = torch.zeros(2, config.num_mel_bins, frames)
    shape = (2 * config.decoder_layers, 2, heads)
    past = torch.zeros(*shape, 3, head_width)
    cross = torch.zeros(*shape, config.max_source_positions, head_width)
    tokens_BL = torch.zeros(2, 4, dtype=torch.long)
    batch, new, cached = (torch.export.Dim(name) for name in ("batch", "new", "cached"))
    _export(
        Encoder(model).eval(), (mel_BMF,), folder / ENCODER, ["mel"], ["cross"],
        ({0: batch},),
    )  # fmt: skip
    _export(
        Decoder(model).eval(), (tokens_BL, past, cross), folder / DECODER,
        ["tokens", "past", "cross"], ["logits", "present"],
        ({0: batch, 1: new}, {1: batch, 3: cached}, {1: batch}),
    )  # fmt: skip


def _export(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    input_names: list[str],
    output_names: list[str],
    dynamic_shapes: tuple[dict[int, Any], ...],
) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # about its own internals
        torch.onnx.export(
            module,
            inputs,
            str(path),
            input_names=input_names,
            output_names=output_names,
            dynamic_shapes=dynamic_shapes,
            opset_version=OPSET,
            dynamo=True,
            external_data=_size_bytes(module) > MOST_IN_ONE_FILE_BYTES,
            verbose=False,
        )


def _write_rounded_graphs(model: Whisper, folder: Path) -> None:
    """Write the graphs with weights in int8; products are computed in int8 too."""
    quantization = require("onnxruntime.quantization", "onnx")
    # Elsewhere, because large graphs have a file of weights beside them.
    with temporary_folder(folder) as exact:
        _write_graphs(model, exact)
        for name in (ENCODER, DECODER):
            quantization.quantize_dynamic(
                exact / name, folder / name, op_types_to_quantize=["MatMul", "Gemm"]
            )


def _inner(layer: nn.Module) -> Any:
    return layer.base_layer if isinstance(layer, AdaptedLayer) else layer


def _size_bytes(module: nn.Module) -> int:
    return sum(each.numel() * each.element_size() for each in module.parameters())


def _heads(model: Whisper) -> int:
    return int(model.config.decoder_attention_heads)


def _split(x_BLD: Tensor, heads: int) -> Tensor:
    """Reshape (B, L, D) to (B, H, L, d)."""
    return x_BLD.unflatten(2, (heads, -1)).transpose(1, 2)
