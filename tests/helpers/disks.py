"""A disk that is full, as far as a test can fill one."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from mothertongue.system import files as files


@contextmanager
def no_file_above(num_bytes: int) -> Iterator[None]:
    """Inside, the system itself refuses to let a file of this process grow further."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def leave_free(patch: pytest.MonkeyPatch, num_bytes: int) -> None:
    """Let every disk have so many bytes free."""
    patch.setattr(files.shutil, "disk_usage", lambda _: SimpleNamespace(free=num_bytes))
