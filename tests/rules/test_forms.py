import json
import tomllib

import numpy as np
import pytest

from holdfast.exceptions import InvalidInputError
from holdfast.rules import Argmax, Bands, Costs, Threshold, TopShare, rule_from_dict

CLASSES = [["no", "yes"], [3, 7], [False, True]]


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("as_numpy", [False, True])
def test_rules_survive_json(classes, as_numpy):
    positive = np.array(classes)[1] if as_numpy else classes[1]
    named = np.array(classes) if as_numpy else classes
    for rule in (
        Argmax(),
        Threshold(0.12),
        Threshold(0.12, positive),
        TopShare(0.01, positive),
        Bands((0.5,), answers=named, positive=positive),
        Costs([[0, 1], [2, 0]]),
        Costs(np.array([[0, 1], [2, 0]]), answers=named, classes=named),
    ):
        read = rule_from_dict(json.loads(json.dumps(rule.to_dict())))
        assert read == rule
        assert repr(read) == repr(rule)  # 1 and True are equal, but differ here


def test_the_forms():
    assert Argmax().to_dict() == {"rule": "argmax"}
    assert Threshold(0.12, "fraud").to_dict() == {
        "rule": "threshold",
        "threshold": 0.12,
        "positive": "fraud",
    }
    assert TopShare(0.01).to_dict() == {"rule": "top_share", "share": 0.01}
    assert Bands([0.1], [0, 1]).to_dict() == {"rule": "bands", "bounds": [0.1], "answers": [0, 1]}
    assert Costs(np.eye(2), classes=["a", "b"]).to_dict() == {
        "rule": "costs",
        "matrix": [[1.0, 0.0], [0.0, 1.0]],
        "classes": ["a", "b"],
    }


def test_a_rule_in_toml():
    text = 'rule = "bands"\nbounds = [0.05, 0.3]\nanswers = ["a", "b", "c"]\npositive = "fraud"'
    rule = Bands((0.05, 0.3), ("a", "b", "c"), "fraud")
    assert rule_from_dict(tomllib.loads(text)) == rule


@pytest.mark.parametrize(
    ("form", "match"),
    [
        ("argmax", "rule must be a table of its parameters, got 'argmax'"),
        ({}, "rule must be one of 'argmax', .*, got None"),
        ({"rule": "treshold"}, "rule must be one of .*did you mean 'threshold'"),
        (
            {"rule": "threshold", "threshold": 0.1, "postive": 1},
            "parameters of the rule 'threshold' must be one of 'threshold', 'positive', got "
            "'postive'; did you mean 'positive'",
        ),
        ({"rule": "argmax", "threshold": 0.1}, "rule 'argmax' must have no parameters, got 'thr"),
        ({"rule": "threshold"}, "rule 'threshold' must have threshold, got no threshold; add it"),
        ({"rule": "bands", "bounds": [0.1]}, "rule 'bands' must have bounds and answers, got no a"),
        ({"rule": "threshold", "threshold": 2}, r"threshold must be in \[0, 1\], got 2"),
    ],
)
def test_wrong_forms(form, match):
    with pytest.raises(InvalidInputError, match=match):
        rule_from_dict(form)
