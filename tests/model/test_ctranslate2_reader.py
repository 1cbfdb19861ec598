import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mothertongue.errors import DataError
from mothertongue.model.ctranslate2_reader import dequantized, read_model_bin

DTYPES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def variable(name: str, array: np.ndarray, kind: int | None = None) -> bytes:
    kind = DTYPES[array.dtype.name] if kind is None else kind
    shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    return text(name) + shape + struct.pack("<BI", kind, array.nbytes) + array.tobytes()


def model_bin(
    variables: list[bytes],
    aliases: list[tuple[str, str]] = [],  # noqa: B006
    *,
    version: int = 6,
    specification: str = "WhisperSpec",
) -> bytes:
    head = struct.pack("<I", version) + text(specification) + struct.pack("<I", 3)
    tail = struct.pack("<I", len(aliases)) + b"".join(text(a) + text(b) for a, b in aliases)
    return head + struct.pack("<I", len(variables)) + b"".join(variables) + tail


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "model.bin"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("dtype", DTYPES)
def test_variables_come_as_stored(write, dtype: str) -> None:
    stored = np.arange(-3, 3).reshape(2, 3).astype(dtype)
    read = read_model_bin(write(model_bin([variable("a/weight", stored)])))["a/weight"]
    assert read.dtype == stored.dtype
    np.testing.assert_array_equal(read, stored)


def test_bfloat16_is_widened_exactly(write) -> None:
    values = np.array([1.0, -2.5, 3.0e38, 0.0, 1 / 128], np.float32)
    upper = (values.view(np.uint32) >> 16).astype(np.uint16)
    truncated = (upper.astype(np.uint32) << 16).view(np.float32)
    read = read_model_bin(write(model_bin([variable("a", upper, kind=5)])))["a"]
    np.testing.assert_array_equal(read, truncated)
    np.testing.assert_array_equal(read[[0, 1, 3, 4]], values[[0, 1, 3, 4]])


def test_scalar_and_alias(write) -> None:
    stored = variable("encoder/num_heads", np.array(8, np.int16))
    variables = read_model_bin(write(model_bin([stored], [("same", "encoder/num_heads")])))
    assert int(variables["encoder/num_heads"]) == int(variables["same"]) == 8


def test_int8_rows_are_divided_by_their_scale() -> None:
    stored = {"w": np.array([[10, -20], [30, 127]], np.int8), "w_scale": np.array([10.0, 2.0])}
    np.testing.assert_array_equal(
        dequantized(stored, "w"), np.array([[1, -2], [15, 63.5]], np.float32)
    )


def test_int8_convolution_has_a_scale_a_row() -> None:
    stored = {"w": np.full((2, 3, 3), 8, np.int8), "w_scale": np.array([4.0, 2.0])}
    weights = dequantized(stored, "w")
    assert weights.dtype == np.float32
    assert (weights[0] == 2).all()
    assert (weights[1] == 4).all()


GOOD = model_bin(
    [variable("a", np.ones((2, 3), np.float32)), variable("b", np.ones(4, np.float16))],
    [("c", "a")],
)


@pytest.mark.parametrize("length", range(0, len(GOOD), 7))
def test_truncated_anywhere(write, length: int) -> None:
    path = write(GOOD[:length])
    with pytest.raises(DataError) as caught:
        read_model_bin(path)
    assert str(caught.value) == f"{path}: truncated; copy the file again"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (model_bin([], version=7), "binary version 7, expected one of (5, 6)"),
        (
            model_bin([], specification="TransformerSpec"),
            "holds a TransformerSpec, expected a WhisperSpec",
        ),
        (
            model_bin([variable("a", np.ones(2, np.float32), kind=9)]),
            "variable a has type 9, expected one of [0, 1, 2, 3, 4, 5]",
        ),
        (
            model_bin([text("a") + struct.pack("<BIBI", 1, 3, 0, 8) + b"\0" * 8]),
            "damaged (cannot reshape array of size 2 into shape (3,)); copy the file again",
        ),
        (model_bin([], [("a", "b")]), "damaged ('b'); copy the file again"),
    ],
)
def test_other_content(write, content: bytes, message: str) -> None:
    path = write(content)
    with pytest.raises(DataError) as caught:
        read_model_bin(path)
    assert str(caught.value) == f"{path}: {message}"
