"""Test that benchmarks/pseudo.py tells right labels from wrong ones."""

from typing import Any

from pseudo import measured

TRUTH = {"a.wav": "moja mbili tatu nne", "b.wav": "moja mbili", "c.wav": "tatu nne"}


def piece(name: str, start_s: float, text: str) -> dict[str, Any]:
    return {"audio": f"radio/{name}", "start_s": start_s, "duration_s": 3.6, "text": text}


def test_pieces_are_joined_in_order_and_each_side_is_scored_alone() -> None:
    kept = [piece("a.wav", 9.0, "tatu tano"), piece("a.wav", 0.0, "moja mbili")]
    found = measured(kept, [piece("b.wav", 0.0, "moja")], TRUTH)
    assert (found["kept"]["recordings"], found["kept"]["wer"], found["kept"]["hours"]) == (
        1,
        0.25,
        0.002,
    )
    assert (found["dropped"]["recordings"], found["dropped"]["wer"]) == (1, 0.5)


def test_a_recording_on_both_sides_is_only_counted() -> None:
    found = measured([piece("c.wav", 0.0, "tatu")], [piece("c.wav", 4.0, "tano")], TRUTH)
    assert (found["in both"], found["kept"]["recordings"], found["dropped"]["recordings"]) == (
        1,
        0,
        0,
    )
