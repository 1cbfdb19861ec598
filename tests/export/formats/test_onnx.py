"""Graphs that are too large for one file, which keep their weights beside it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from transformers import WhisperForConditionalGeneration

from mothertongue.export.formats import onnx as exporting
from mothertongue.model.tokenizer import Tokens

WIDTH = 256


def write_large_graphs(_: Any, folder: Path) -> None:
    """Two graphs that multiply, each with its weights in a second file."""
    rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, WIDTH]) for name in "xy"]
    weight = numpy_helper.from_array(np.eye(WIDTH, dtype=np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "product", rows[:1], rows[1:], [weight])
    for name in (exporting.ENCODER, exporting.DECODER):
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", exporting.OPSET)])
        onnx.save_model(made, folder / name, save_as_external_data=True, location=f"{name}.data")


def test_rounded_graphs_keep_no_exact_weights_beside_them(
    model: WhisperForConditionalGeneration,
    tokens: Tokens,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, "_write_graphs", write_large_graphs)
    strategy = SimpleNamespace(can_merge=False)
    tuned = SimpleNamespace(
        experiment=SimpleNamespace(strategy=strategy), base=SimpleNamespace(model=model)
    )
    exported: Any = SimpleNamespace(tuned=tuned, tokens=tokens)
    sizes = {}
    for type_ in ("float32", "int8"):
        folder = tmp_path / type_
        exporting.OnnxExporter().write(exported, folder, type_)
        graphs = {each.name: each.stat().st_size for each in folder.glob("*coder*")}
        assert {"encoder.onnx", "decoder.onnx"} <= set(graphs)
        sizes[type_] = sum(graphs.values())
    assert sizes["int8"] < 0.5 * sizes["float32"]
