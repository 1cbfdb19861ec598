import pytest
from hypothesis import given
from hypothesis import strategies as st

from mothertongue.data.splits import TOLERANCES, assign, connected, is_balanced


def seconds_of(groups: list[tuple[int, float]], tolerance: float) -> dict[str, float]:
    total_s = sum(seconds for _, seconds in groups)
    found: dict[str, float] = {}
    sizes = dict(groups)
    for group, split in assign(groups, total_s, tolerance):
        found[split] = found.get(split, 0.0) + sizes[group]
    return found


def test_connected_nodes_share_their_smallest() -> None:
    assert list(connected(7, [(5, 3), (1, 2), (3, 1)])) == [0, 1, 1, 1, 4, 1, 6]


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19))))
def test_both_ends_of_an_edge_share_a_root(edges: list[tuple[int, int]]) -> None:
    roots = connected(20, edges)
    assert all(roots[left] == roots[right] for left, right in edges)
    assert all(root <= node and roots[root] == root for node, root in enumerate(roots))


def test_many_small_groups_fill_80_10_10() -> None:
    found = seconds_of([(group, 1.0) for group in range(1000)], TOLERANCES[0])
    assert found == {"test": 100.0, "validation": 100.0, "train": 800.0}


def test_five_equal_groups_are_split_three_to_one_to_one() -> None:
    groups = [(group, 1.0) for group in range(5)]
    assert not is_balanced(seconds_of(groups, TOLERANCES[0]))
    found = seconds_of(groups, TOLERANCES[1])
    assert found == {"test": 1.0, "validation": 1.0, "train": 3.0}
    assert is_balanced(found)


def test_a_group_with_most_of_the_hours_is_train() -> None:
    groups = [(0, 80.0), *((group, 1.0) for group in range(1, 21))]
    assert seconds_of(groups, TOLERANCES[0])["train"] == 80.0


@pytest.mark.parametrize("groups", [[], [(0, 5.0)], [(0, 9.0), (1, 9.0)]])
def test_too_few_groups_are_not_balanced(groups: list[tuple[int, float]]) -> None:
    assert not any(is_balanced(seconds_of(groups, tolerance)) for tolerance in TOLERANCES)


@given(st.lists(st.floats(0.1, 30.0), min_size=1), st.sampled_from(TOLERANCES))
def test_no_held_out_split_is_above_its_tolerance(seconds: list[float], tolerance: float) -> None:
    found = seconds_of(list(enumerate(seconds)), tolerance)
    limit_s = tolerance * 0.1 * sum(seconds) + 1e-6
    assert max(found.get("test", 0.0), found.get("validation", 0.0)) <= limit_s
