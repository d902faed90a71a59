"""Limits on any measure, and what cannot promote."""

import json

import numpy as np
import pytest

from holdfast import InvalidInputError, Policy, compare
from holdfast.comparison.measure_limits import MeasureLimit
from holdfast.rules import Costs

RNG = np.random.default_rng(0)
TRUTH = np.where(np.arange(3_000) < 300, "fraud", "fine")
BASE = np.where((TRUTH == "fraud") & (RNG.random(3_000) < 0.7), "fraud", "fine")
LESS = np.where(RNG.random(3_000) < 0.35, "fine", BASE)  # finds a third less
COSTS = Costs([[0, 10], [1, 0]], answers=["fine", "fraud"], classes=["fine", "fraud"])


def decide(new=LESS, truth=TRUTH, **policy):
    return Policy(**policy).decide(compare(BASE, new, truth))


def test_each_kind_of_limit_looks_at_its_interval():
    found = compare(BASE, LESS, TRUTH)
    own = found.measures()["recall[fraud]"]
    limits = {"min": 0.3, "max": 0.6, "min_change": -0.1, "max_change": 0.0}
    decision = Policy(limits={"recall[fraud]": limits}).decide(found)
    assert [check.name for check in decision.checks] == [
        *["recall[fraud]"] * 2,
        *["recall[fraud] change"] * 2,
    ]
    assert [check.interval for check in decision.checks[::2]] == [own.new_interval, own.interval]
    assert [check.status for check in decision.checks] == ["pass", "pass", "fail", "pass"]
    assert decision.verdict == "REJECT"
    assert "breaks the limit of at least -10.00%" in decision.reasons[0]
    json.dumps(decision.to_dict())


def test_a_name_without_a_class_is_of_the_positive_one():
    one = decide(limits={"recall": {"min_change": -0.5}}, positive="fraud")
    other = decide(limits={"recall[fraud]": MeasureLimit(min_change=-0.5)})
    assert one.checks == other.checks
    assert one.verdict == "PROMOTE"


def test_a_model_that_never_says_fraud_is_not_promoted():
    never = np.full(3_000, "fine")
    assert decide(never, max_churn=0.2).verdict == "PROMOTE"
    limits = {"recall": {"min": 0.5}, "rate": {"min": 0.01}}
    assert decide(never, max_churn=0.2, limits=limits, positive="fraud").verdict == "REJECT"


def test_costs():
    found = decide(limits={"cost": {"max": 0.2, "max_change": 0.1}}, costs=COSTS)
    assert found.verdict == "REJECT"
    expected = np.mean(10 * ((LESS == "fine") & (TRUTH == "fraud")) + (LESS > TRUTH))
    assert found.checks[0].value == pytest.approx(expected)
    assert decide(limits={"cost": {"max": 2.0}}, costs=COSTS).verdict == "PROMOTE"


def test_too_few_positives_cannot_promote():
    truth = np.where(np.arange(3_000) < 9, "fraud", "fine")
    found = Policy(limits={"recall[fraud]": {"min": 0.1}}).decide(
        compare(truth, truth.copy(), truth)
    )
    assert found.verdict == "HOLD"
    assert "there are only 9 positives, and ten are needed" in found.reasons[0]


def test_labels_that_are_missing_selectively_cannot_promote():
    rng = np.random.default_rng(1)
    known = rng.random(3_000) < np.where(BASE == LESS, 0.9, 0.2)
    truth = np.where(known, TRUTH, None)
    assert decide(truth=TRUTH, min_gain=-0.9).verdict == "PROMOTE"
    found = decide(truth=truth, min_gain=-0.9, max_churn=0.9)
    assert found.verdict == "HOLD"
    assert [check.status for check in found.checks] == ["pass", "underpowered"]
    assert "labels are missing otherwise" in found.reasons[0]
    assert decide(truth=truth, limits={"churn_rate": {"max": 0.9}}).verdict == "PROMOTE"


def test_limits_of_a_file(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(
        """
        [policy]
        max_churn = 0.3
        positive = "fraud"
        [policy.limits.recall]
        min_change = -0.5
        [policy.limits.cost]
        max = 2.0
        [policy.costs]
        matrix = [[0, 10], [1, 0]]
        answers = ["fine", "fraud"]
        classes = ["fine", "fraud"]
        """
    )
    policy = Policy.from_toml(path)
    assert policy.costs == COSTS
    found = policy.decide(compare(BASE, LESS, TRUTH))
    assert [check.name for check in found.checks] == ["churn_rate", "recall[fraud] change", "cost"]
    assert found.verdict == "PROMOTE"


@pytest.mark.parametrize(
    ("policy", "match"),
    [
        ({"limits": {"recall": {"min": 0.5}}}, "positive must be given with a limit on recall"),
        ({"limits": {"recal[fraud]": {"min": 0.5}}}, r"got 'recal\[fraud\]' and not churn_rate"),
        ({"limits": {"cost": {"max": 1}}}, "give costs"),
        ({"limits": {"accuracy": {"least": 1}}}, r"limits\['accuracy'\] must be min, max"),
        ({"limits": {"accuracy": {"min": "x"}}}, r"\['min'\] must be a number, got 'x'"),
        ({"limits": {"accuracy": {}}}, "got none"),
        ({"limits": 0.5}, "limits must name measures, got float"),
        ({"limits": {"churn_rate": {"max_change": 0.1}}}, "a measure without a change"),
    ],
)
def test_wrong_limits(policy, match):
    with pytest.raises(InvalidInputError, match=match):
        decide(**policy)


def test_without_labels():
    with pytest.raises(InvalidInputError, match="needs labels"):
        Policy(limits={"accuracy": {"min": 0.5}}).decide(compare(BASE, LESS))
