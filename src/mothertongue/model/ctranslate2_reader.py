"""Read the tensors of a CTranslate2 `model.bin` without the engine.

The engine itself never gives its weights back. Layout (CTranslate2 `model_spec.py`, binary version
6; all integers little-endian): version u32, specification name, revision u32, number of variables
u32, then for each a name, rank u8, shape u32 each, type u8, size in bytes u32, data; last the
aliases. A string is its length u16, counting a final zero byte, then its bytes.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mothertongue.errors import DataError

Array = np.ndarray[Any, np.dtype[Any]]
BINARY_VERSIONS = (5, 6)
TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16, 5: np.uint16}
BFLOAT16 = 5  # numpy has no bfloat16: the 16 bits are the upper half of a float32


def read_model_bin(path: Path) -> dict[str, Array]:
    """Return every variable of a CTranslate2 model by name; bfloat16 becomes float32.

    Raises DataError when the file is truncated or is no CTranslate2 Whisper.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path)
    except DataError:
        raise
    except EOFError:
        raise DataError(f"{path}: truncated; copy the file again") from None
    except (ValueError, KeyError) as error:
        raise DataError(f"{path}: damaged ({error}); copy the file again") from None


def dequantized(variables: dict[str, Array], name: str) -> Array:
    """Return a weight as float32: int8 rows divided by their stored scale, others converted."""
    stored = variables[name]
    scale = variables.get(f"{name}_scale")
    if scale is None:
        return stored.astype(np.float32)
    rows = scale.reshape(-1, *[1] * (stored.ndim - 1))
    return stored.astype(np.float32) / rows.astype(np.float32)


def _read(file: BinaryIO, path: Path) -> dict[str, Array]:
    version = _number(file, "<I")
    if version not in BINARY_VERSIONS:
        raise DataError(f"{path}: binary version {version}, expected one of {BINARY_VERSIONS}")
    specification = _string(file)
    if specification != "WhisperSpec":
        raise DataError(f"{path}: holds a {specification}, expected a WhisperSpec")
    _number(file, "<I")  # revision
    variables = dict(_variable(file, path) for _ in range(_number(file, "<I")))
    for _ in range(_number(file, "<I")):
        alias, name = _string(file), _string(file)
        variables[alias] = variables[name]
    return variables


def _variable(file: BinaryIO, path: Path) -> tuple[str, Array]:
    name = _string(file)
    shape = [_number(file, "<I") for _ in range(_number(file, "<B"))]
    kind, size = _number(file, "<B"), _number(file, "<I")
    if kind not in TYPES:
        raise DataError(f"{path}: variable {name} has type {kind}, expected one of {list(TYPES)}")
    array = np.frombuffer(_bytes(file, size), TYPES[kind]).reshape(shape)
    if kind == BFLOAT16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return name, array


def _number(file: BinaryIO, layout: str) -> int:
    (value,) = struct.unpack(layout, _bytes(file, struct.calcsize(layout)))
    return int(value)


def _string(file: BinaryIO) -> str:
    return _bytes(file, _number(file, "<H")).rstrip(b"\0").decode()


def _bytes(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise EOFError
    return data
