"""Find where the host waits for the device, in operations that ask for values."""

import traceback
from pathlib import Path
from typing import Any

import torch
from op_counts import operation_name
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

READS = {"_local_scalar_dense", "equal", "is_nonzero", "masked_select", "nonzero", "_unique2"}
"""Operations whose result the host must know before it goes on."""

IN_THE_HOST = "batch.py counted"
"""Reads a batch before it goes to the device."""


class Waits(TorchDispatchMode):
    """Lists the functions in which the host waits for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = operation_name(operation)
        indices = args[1] if name in ("index", "index_put", "index_put_") else ()
        is_mask = any(isinstance(x, Tensor) and x.dtype == torch.bool for x in indices)
        if is_mask or name in READS:
            self._note()
        return operation(*args, **(kwargs or {}))

    def _note(self) -> None:
        names = [f"{Path(x.filename).name} {x.name}" for x in traceback.extract_stack()]
        if IN_THE_HOST not in names:
            self.found.append(names[-3])
