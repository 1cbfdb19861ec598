"""What the benchmark of a cluster calls equal."""

from cluster import different, what_counts


def test_times_do_not_count_and_everything_else_does() -> None:
    front = {"parameters": True, "time": True}
    row = {"wer": 0.5, "wall_s": 3.0, "pareto": front}
    one = {"rows": [row], "environment": {"python": "3"}}
    assert what_counts(one) == {"rows": [{"wer": 0.5, "pareto": {"parameters": True}}]}
    slower = {"rows": [row | {"wall_s": 9.0, "pareto": front | {"time": False}}]}
    assert not list(different(what_counts(one), what_counts(slower)))
    other = {"rows": [row | {"wer": 0.6, "wall_s": 4.0}], "environment": {}}
    assert list(different(what_counts(one), what_counts(other))) == [".rows[0].wer: 0.5, 0.6"]
    assert list(different({"a": [1]}, {"a": [1, 2]})) == [".a: [1], [1, 2]"]
    assert list(different({"a": 1}, {"b": 1})) in (
        [".a: 1, None", ".b: None, 1"],
        [".b: None, 1", ".a: 1, None"],
    )
