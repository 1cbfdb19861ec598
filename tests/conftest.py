"""Settings for all tests, and the fixtures of helpers/shared_fixtures.py where tests run."""

import gc
import os

import mothertongue  # noqa: F401  (first: it keeps libraries from reporting that they are used)

# Before anything imports huggingface_hub, which reads it once. No test may touch the network.
os.environ["HF_HUB_OFFLINE"] = "1"
# One thread each: where cores are shared, two that wait for each other are 20 times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Most tests ask for the same bits, which a CPU alone promises; tests/test_gpu.py is for a GPU.
if "MOTHERTONGUE_TEST_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

from collections.abc import Iterator
from itertools import groupby

import pytest

# No test can see what a disk has when the power goes, and a run waits for it after each file.
os.fsync = lambda descriptor: None


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures, which import torch: not where xdist only hands the tests out."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.pluginmanager.import_plugin("shared_fixtures")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let every worker begin with its share of the files that have slow tests.

    xdist cuts the list into a piece for each worker, and a worker that is done takes tests from
    the end of another's: quick ones are left for then. A file stays together, for its fixtures.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 0)
    if not workers:
        return
    files = [list(group) for _, group in groupby(items, lambda item: item.path)]
    files.sort(key=lambda file: all(item.get_closest_marker("slow") is None for item in file))
    pieces: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for file in files:
        min(pieces, key=len).extend(file)
    items[:] = [item for piece in pieces for item in piece]


def pytest_collection_finish() -> None:
    """Let garbage collection pass over all that was imported: each training looks at it once."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """Undo what a verb that runs in this process sets for the processes that it starts."""
    before = dict(os.environ)
    yield
    for name in [*os.environ]:
        if name not in before:
            del os.environ[name]
    os.environ.update(before)
