"""From runs that were really trained to figures: exactly 1 where frozen, less where tuned."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from mothertongue.analysis.activations import read_states
from mothertongue.analysis.drift import analyze_runs, first_below, layers_to_freeze
from mothertongue.analysis.records import Analysis
from mothertongue.analysis.similarity import cka
from mothertongue.data.clips import load_clip
from mothertongue.data.manifest import read_manifest
from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment import checkpoints
from mothertongue.experiment.load import load_run
from mothertongue.model.load import load_base
from mothertongue.system.json_files import to_json

METRICS = ("cka", "svcca", "pwcca")


@pytest.fixture(scope="module")
def result(made: Path) -> Analysis:
    """All three runs, decoder included, at their clips' own context."""
    names = ("freeze-seed0", "freeze-seed1", "lora")
    paths = [made / "runs" / name for name in names]
    return analyze_runs(paths, split="test", n=5, seed=2, context="bucket", decoder=True)


def test_frozen_states_are_exactly_one_and_tuned_ones_are_not(result: Analysis) -> None:
    for group in result.groups:
        stem, frozen, tuned = group.encoder.states
        assert [each.state for each in (stem, frozen, tuned)] == ["stem", "layer 1", "layer 2"]
        for metric in METRICS:
            assert set(stem.band(metric).values) == set(frozen.band(metric).values) == {1.0}
            assert 0 < max(tuned.band(metric).values) < 1
        heatmap_SS = np.array(group.encoder.heatmap)
        assert heatmap_SS.shape == (3, 3)
        assert heatmap_SS[0, 0] == heatmap_SS[1, 1] == 1.0 > heatmap_SS[2, 2]


def test_two_seeds_are_a_band_and_one_is_not(result: Analysis) -> None:
    freeze, lora = result.groups
    assert (freeze.group, lora.group) == ("freeze", "lora")
    assert (freeze.train_seeds, lora.train_seeds) == ([0, 1], [0])
    band = freeze.encoder.states[2].cka
    assert band.min < band.mean < band.max
    assert band.mean == pytest.approx(sum(band.values) / 2)
    single = lora.encoder.states[2].cka
    assert single.min == single.mean == single.max


def test_the_decoder_is_measured_on_request(result: Analysis, made: Path) -> None:
    freeze = result.groups[0].decoder
    assert freeze.states[0].state == "decoder embedding"
    assert all(each.cka.max < 1 for each in freeze.states)  # the embedding trains as well
    lora = result.groups[1].decoder
    assert lora.states[0].cka.values == [1.0]
    without = analyze_runs([made / "runs/lora"], n=2, context="bucket")
    assert without.groups[0].decoder is None


def test_figures_are_those_of_all_valid_frames_at_once(made: Path) -> None:
    found = analyze_runs([made / "runs/lora"], split="test", n=6).groups[0]
    before = load_base(str(made / "base")).model
    after = load_run(made / "runs/lora").base.model.eval()
    x, y = [], []
    for each in read_manifest(made / "data"):
        if each.split == "test":
            clip = load_clip(made / "data", each)
            x.append(read_states(before, clip, "full", None)["encoder"][2])
            y.append(read_states(after, clip, "full", None)["encoder"][2])
    x_ND, y_ND = np.concatenate(x), np.concatenate(y)
    assert found.encoder.n_rows == len(x_ND)
    assert found.encoder.states[2].cka.mean == pytest.approx(cka(x_ND, y_ND), abs=1e-9)


def test_every_figure_says_what_it_is_of(result: Analysis, made: Path) -> None:
    json.dumps(to_json(result), allow_nan=False)  # plain values
    assert (result.split, result.seed, result.context) == ("test", 2, "bucket")
    assert result.base == str(made / "base")
    assert result.environment.packages["torch"]
    group = result.groups[0]
    assert group.runs == [str(made / "runs" / f"freeze-seed{i}") for i in (0, 1)]
    assert (group.n_utterances, group.n_usable, group.n_unusable) == (5, 6, 0)
    assert group.data == [str(made / "data")]
    clips = {each.id: each for each in read_manifest(made / "data")}
    frames = sum(round(50 * clips[name].duration_s) for name in group.utterances)
    assert group.encoder.n_rows == frames


def test_all_clips_are_taken_where_more_are_asked_for(made: Path) -> None:
    heard: list[int] = []
    found = analyze_runs(
        [made / "runs/lora"], split="validation", context="bucket", advance=heard.append
    )
    assert (found.n_asked, found.groups[0].n_utterances) == (100, 3)
    assert sum(heard) == 3


def test_the_suggestion_is_where_similarity_leaves_the_threshold(made: Path) -> None:
    run, options = [made / "runs/lora"], {"n": 6, "context": "bucket"}
    group = analyze_runs(run, threshold=1.0, **options).groups[0]
    assert (group.first_below, group.freeze_encoder_layers) == (2, 1)
    lowest = group.encoder.states[2].cka.mean
    group = analyze_runs(run, threshold=lowest / 2, **options).groups[0]
    assert (group.first_below, group.freeze_encoder_layers) == (None, 2)


@pytest.mark.parametrize(
    ("cka_S", "below", "layers"),
    [
        ([1.0, 0.99, 0.96, 0.93, 0.97, 0.90], 3, 2),  # one above again does not count
        ([1.0, 0.95, 0.949], 2, 1),
        ([0.99, 0.98, 0.97], None, 2),
        ([0.99, 0.90, 0.99], 1, 0),
        ([0.90, 0.99, 0.99], 0, 0),  # the stem itself moved
    ],
)
def test_layers_to_freeze(cka_S: list[float], below: int | None, layers: int) -> None:
    assert first_below(cka_S, 0.95) == below
    assert layers_to_freeze(cka_S, 0.95) == layers


def test_a_run_that_diverged_is_named(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "runs/lora", tmp_path / "lora")
    tensors = load_file(tmp_path / "lora/best" / checkpoints.TRAINED)
    next(iter(tensors.values())).fill_(float("nan"))
    checkpoints.save(tmp_path / "lora/best", {checkpoints.TRAINED: tensors}, {})
    with pytest.raises(
        DataError, match=r"lora: 1 weights are not finite.*lower train\.learning_rate"
    ):
        analyze_runs([tmp_path / "lora"], n=2)


@pytest.mark.parametrize("threshold", [0.0, 1.2, float("nan")])
def test_a_threshold_out_of_range_is_refused(made: Path, threshold: float) -> None:
    with pytest.raises(ConfigError, match=r"expected above 0 and at most 1, such as 0\.95"):
        analyze_runs([made / "runs/lora"], threshold=threshold)
