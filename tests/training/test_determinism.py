"""Contexts of a training leave the process as they found it."""

import gc
from collections.abc import Iterator

import pytest

from mothertongue.training.determinism import frozen_garbage


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.freeze()  # as tests/conftest.py does


def test_what_is_there_is_frozen_for_a_while() -> None:
    with frozen_garbage():
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_what_the_caller_froze_stays_frozen() -> None:
    gc.freeze()
    with frozen_garbage():
        pass
    assert gc.get_freeze_count() > 0
