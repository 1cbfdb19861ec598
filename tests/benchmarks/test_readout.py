"""Test benchmarks/readout.py on errors that are known, and on a tiny run."""

import argparse
import json
from pathlib import Path

import pytest
from readout import ARMS, BEAM, GREEDY, HOTWORDS, LM, LM_TEXT, PLAIN, lines, read_out, summary

from mothertongue.evaluation.rates import UtteranceRow
from mothertongue.experiment.config import read_experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.system.files import write_json

REFERENCES = ["moja mbili tatu nne", "tano sita", "saba nane tisa kumi"]
"""Ten words."""


def kept(out: Path, name: str, own: str, wrong: dict[str, list[int]]) -> None:
    """Write a run whose arms have so many words wrong in each text."""

    def rows(counts: list[int]) -> list[UtteranceRow]:
        pairs = zip(REFERENCES, counts, strict=True)
        texts = [(text, " ".join(["x"] * n + text.split()[n:])) for text, n in pairs]
        return [UtteranceRow(said, "sw", said, found, 1.0, None, False) for said, found in texts]

    arms = {
        arm: {
            "decoding": {"lm_weight": 0.2} if arm == LM else {},
            "sets": {own: {"seconds": 1.0 + number, "rows": rows(counts)}},
        }
        for number, (arm, counts) in enumerate(wrong.items())
    }
    path = out / "runs" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"run": name, "own": own, "names": {own: own}, "arms": arms})


def test_rates_are_means_of_runs_and_sets_and_gains_are_between_them(tmp_path: Path) -> None:
    kept(tmp_path, "sw0", "sw", {GREEDY: [2, 1, 2], LM: [1, 1, 1]})
    kept(tmp_path, "sw1", "sw", {GREEDY: [2, 1, 0], LM: [0, 1, 0]})
    kept(tmp_path, "sw-plain", "sw", {PLAIN: [4, 2, 2]})
    kept(tmp_path, "yo0", "yo", {GREEDY: [2, 2, 4], LM: [2, 2, 4]})
    kept(tmp_path, "yo-plain", "yo", {PLAIN: [4, 2, 2]})
    found = summary(tmp_path)
    sw, both = found["sets"]["sw"], found["all"]
    assert [sw[arm]["wer"] for arm in (PLAIN, GREEDY, LM)] == [0.8, 0.4, 0.2]
    assert sw[LM]["errors_less_than"][GREEDY]["relative"] == 0.5
    assert sw[LM]["errors_less_than"][PLAIN]["relative"] == 0.75
    assert [both[arm]["wer"] for arm in (PLAIN, GREEDY, LM)] == [0.8, 0.6, 0.5]
    assert both[LM]["errors_less_than"][GREEDY]["relative"] == pytest.approx(1 / 6, abs=1e-4)
    low, high = both[LM]["errors_less_than"][GREEDY]["interval95"]
    assert low < 1 / 6 < high
    assert sw[LM]["lm_weights"] == [[0.2, 0.2]] and sw[LM]["seconds"] == 2.0
    assert "| beam 5 + LM | 2 + 1 | 50.0 % |" in "\n".join(lines(found))


def test_runs_that_decode_in_two_ways_are_drawn_together(tmp_path: Path) -> None:
    """Both runs gain a third of their errors everywhere: nothing in this varies."""
    kept(tmp_path, "sw0", "sw", {GREEDY: [3, 0, 3], LM: [2, 0, 2]})
    kept(tmp_path, "sw1", "sw", {GREEDY: [3, 0, 3], LM: [2, 0, 2]})
    gain = summary(tmp_path)["sets"]["sw"][LM]["errors_less_than"][GREEDY]
    assert gain["interval95"] == pytest.approx([1 / 3, 1 / 3], abs=1e-3)


@pytest.mark.slow
def test_a_run_is_decoded_in_every_way_and_only_once(
    tiny_runs: dict[str, Path], tmp_path: Path
) -> None:
    run, text, words = tiny_runs["full"], tmp_path / "text.txt", tmp_path / "words.txt"
    held_out = read_experiment(RunDir(run)).manifests
    text.write_text("neno jipya la maana\nmoja\n")
    words.write_text("jipya\n")
    options = argparse.Namespace(
        out=tmp_path / "out", text=[text], hotwords=words, also=list(held_out), order=3
    )
    read_out(run, options, is_plain=False)
    (path,) = (options.out / "runs").iterdir()
    found = json.loads(path.read_text())
    assert list(found["arms"]) == [arm for arm in ARMS if arm != PLAIN]
    assert len(found["arms"][LM]["trials"]) == 6
    made = found["arms"][LM_TEXT]["lm"]
    assert made["sentences"] + made["taken_out"] == 14 and made["taken_out"] >= 1
    (digest,) = found["arms"][HOTWORDS]["sets"]
    assert len(found["arms"][BEAM]["sets"][digest]["rows"]) == 3
    path.write_text(json.dumps(found | {"own": "not read again"}))
    read_out(run, options, is_plain=False)
    assert json.loads(path.read_text())["own"] == "not read again"
    path.write_text(json.dumps(found | {"run": "/elsewhere/run"}))
    with pytest.raises(SystemExit, match="is of /elsewhere/run"):
        read_out(run, options, is_plain=False)
