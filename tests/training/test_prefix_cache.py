"""The store of frozen layers' outputs: what it gives back, what it refuses, and its bound."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import warm
from tiny import tiny_model

from mothertongue.model.tokenizer import Tokens
from mothertongue.training.prefix_cache import PrefixStore, group_of

BIG = 10**9
CLIP = bytes(range(32))


def states(seed: int = 0, frames: int = 50, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(frames, 8, generator=torch.Generator().manual_seed(seed)).to(dtype)


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/??/*.safetensors"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_was_put_comes_back(tmp_path: Path, dtype: torch.dtype) -> None:
    store = PrefixStore(tmp_path / "store", BIG, "group")
    key = store.key(CLIP, 4)
    assert store.get(key) is None
    assert not store.put(key, states(dtype=dtype))
    assert torch.equal(PrefixStore(tmp_path / "store", BIG, "group").get(key), states(dtype=dtype))
    assert PrefixStore(tmp_path / "store", BIG, "other").get(key) is None


def test_the_key_knows_the_clip_its_context_and_the_group(tmp_path: Path) -> None:
    store, other = PrefixStore(tmp_path, BIG, "group"), PrefixStore(tmp_path, BIG, "other")
    clip = bytes(reversed(CLIP))
    keys = {store.key(CLIP, 4), store.key(CLIP, 5), store.key(clip, 4), other.key(CLIP, 4)}
    assert len(keys) == 4
    assert store.key(CLIP, 4) == PrefixStore(tmp_path / "elsewhere", BIG, "group").key(CLIP, 4)


def test_the_group_knows_the_weights_below_and_not_those_above(tokens: Tokens) -> None:
    model = tiny_model(tokens)
    encoder = model.model.encoder
    group = group_of(encoder, 1, torch.float32)
    assert group_of(tiny_model(tokens).model.encoder, 1, torch.float32) == group
    assert group_of(encoder, 2, torch.float32) != group
    assert group_of(encoder, 1, torch.bfloat16) != group
    with torch.no_grad():
        encoder.layers[1].fc1.weight += 1
        encoder.layer_norm.bias += 1
        model.model.decoder.layers[0].fc1.weight += 1
    assert group_of(encoder, 1, torch.float32) == group
    for weight in (
        encoder.layers[0].fc1.bias,
        encoder.conv2.weight,
        encoder.embed_positions.weight,
    ):
        with torch.no_grad():
            weight.view(-1)[0] += 1
        assert group_of(encoder, 1, torch.float32) != group
        with torch.no_grad():
            weight.view(-1)[0] -= 1


def test_a_damaged_entry_is_a_miss_and_can_be_put_again(tmp_path: Path) -> None:
    store = PrefixStore(tmp_path, BIG, "group")
    key = store.key(CLIP, 4)
    store.put(key, states())
    (path,) = entries(tmp_path)
    whole = path.read_bytes()
    damaged = [whole[:-1], whole[: len(whole) // 2], b"", whole[:-5] + b"\x55" + whole[-4:]]
    for content in damaged:
        path.write_bytes(content)
        assert store.get(key) is None
        assert store.put(key, states())
        assert torch.equal(store.get(key), states())


def test_the_entry_of_another_clip_is_a_miss(tmp_path: Path) -> None:
    store = PrefixStore(tmp_path, BIG, "group")
    key, other = store.key(CLIP, 4), store.key(CLIP, 5)
    store.put(key, states())
    (path,) = entries(tmp_path)
    target = store._path(other)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    assert store.get(other) is None


def size_of_one(folder: Path) -> int:
    store = PrefixStore(folder, BIG, "x")
    store.put(store.key(CLIP, 1), states())
    return entries(folder)[0].stat().st_size


def test_what_does_not_fit_is_not_kept_and_what_is_there_stays(tmp_path: Path) -> None:
    size = size_of_one(tmp_path / "one")
    store = PrefixStore(tmp_path / "store", 3 * size + size // 2, "group")
    keys = [store.key(CLIP, context) for context in range(1, 6)]
    for key in keys:
        store.put(key, states())
    assert [store.get(key) is not None for key in keys] == [True, True, True, False, False]
    assert sum(path.stat().st_size for path in entries(tmp_path / "store")) <= store.limit_bytes


def test_the_least_recently_used_of_other_groups_go_first(tmp_path: Path) -> None:
    size = size_of_one(tmp_path / "one")
    folder, limit = tmp_path / "store", 4 * size + size // 2
    old = PrefixStore(folder, limit, "old")
    keys = [old.key(CLIP, context) for context in range(1, 5)]
    for i, key in enumerate(keys):
        old.put(key, states())
        os.utime(old._path(key), (i, i))
    assert old.get(keys[0]) is not None  # used now: the oldest is the second
    new = PrefixStore(folder, limit, "new")
    new.put(new.key(CLIP, 9), states())
    assert new.get(new.key(CLIP, 9)) is not None
    assert [path.exists() for path in map(old._path, keys)] == [True, False, True, True]


PUT_MANY = """
import sys
from pathlib import Path
import torch
from mothertongue.training.prefix_cache import PrefixStore
store, first = PrefixStore(Path(sys.argv[1]), 10**9, "group"), int(sys.argv[2])
for i in range(first, first + 40):
    store.put(store.key(bytes(range(32)), i), torch.full((50, 8), float(i)))
"""


def test_two_processes_may_put_at_once(tmp_path: Path) -> None:
    program, folder = tmp_path / "put_many.py", tmp_path / "store"
    program.write_text(PUT_MANY)
    with ThreadPoolExecutor() as pool:
        writers = list(pool.map(lambda first: warm.run(program, folder, first), (0, 20)))
    assert [writer.returncode for writer in writers] == [0, 0]
    store = PrefixStore(folder, BIG, "group")
    for i in range(60):
        assert torch.equal(store.get(store.key(CLIP, i)), torch.full((50, 8), float(i)))
    assert int((folder / "total").read_text()) == sum(
        path.stat().st_size for path in entries(folder)
    )
