from types import SimpleNamespace

import pytest

from mothertongue.errors import ConfigError
from mothertongue.evaluation.lm_weight import WEIGHTS, choose_weight


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([0.5, 0.4, 0.3, 0.4, 0.5, 0.6], 0.2),
        ([0.3, 0.3, 0.3, 0.3, 0.3, 0.3], 0.0),  # no better: nothing
        ([0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 0.0),
        ([0.5, 0.3, 0.4, 0.3, 0.5, 0.6], 0.1),  # of equal ones the smaller
    ],
)
@pytest.mark.parametrize("measure", ["wer", "cer"])
def test_zero_wins_unless_another_is_better(rates, expected, measure) -> None:
    by_weight = dict(zip(WEIGHTS, rates, strict=True))
    other = "cer" if measure == "wer" else "wer"

    def score(weight: float) -> SimpleNamespace:
        return SimpleNamespace(**{measure: by_weight[weight], other: 1 - weight})

    weight, trials = choose_weight(score, measure)
    assert weight == expected
    assert [each.weight for each in trials] == list(WEIGHTS)


def test_an_engine_that_takes_no_model_says_so_before_it_decodes() -> None:
    tried = []

    def score(weight: float) -> SimpleNamespace:
        if weight:
            raise ConfigError("add --beam-size 5")
        tried.append(weight)
        return SimpleNamespace(wer=0.5, cer=0.5)

    with pytest.raises(ConfigError, match="beam-size"):
        choose_weight(score, "wer")
    assert not tried
