"""Rules that cannot decide, and what the message must hold."""

import numpy as np
from tests.helpers.cases import new_file

from holdfast.rules import Argmax, Bands, Costs, Threshold, TopShare
from holdfast.rules.forms import rule_from_dict
from holdfast.rules.pairs import rule_pair
from holdfast.rules.utility import utility_matrix

HALVES = np.array([0.5, 0.5])
BANDS = Bands([0.5], answers=["no", "yes"])


def costs(matrix=((0, 1), (1, 0)), **names):
    return Costs(matrix, **names).bind([0, 1])


def from_csv(text):
    return Costs.from_csv(new_file(text, "costs.csv"))


def utility(spec, rule=Argmax(), classes=(0, 1)):  # noqa: B008  (a rule never changes)
    return utility_matrix(spec, rule.bind(classes), np.full(len(classes), 1 / len(classes)))


CASES = {
    "rules/bands.py Bands.__post_init__ #1": (
        lambda: Bands([0.1, 0.3], answers=["a", "b"]),
        "one more than the bounds, got 2 answers and 2 bounds",
    ),
    "rules/bands.py _checked_bounds #1": (
        lambda: Bands(0.5, answers=["a", "b"]),
        "bounds must be a list of numbers, got 0.5; give probabilities, e.g. (0.05, 0.30)",
    ),
    "rules/bands.py _checked_bounds #2": (
        lambda: Bands([0.3, 0.1], answers=["a", "b", "c"]),
        "got [0.3, 0.1]; give them from the lowest to the highest",
    ),
    "rules/costs.py Costs.from_csv #1": (
        lambda: from_csv("costs,0,1\n0,0\n"),
        "got lines of [3, 2] cells in",
    ),
    "rules/costs.py _number #1": (
        lambda: from_csv("costs,0,1\n0,0,x\n1,1,0\n"),
        "costs must be numbers, got 'x' for the answer '0' in",
    ),
    "rules/costs.py _read_lines #1": (
        lambda: Costs.from_csv(new_file(b"\xff", "costs.csv")),
        "which cannot be read (",
    ),
    "rules/forms.py rule_from_dict #1": (
        lambda: rule_from_dict("argmax"),
        "rule must be a table of its parameters, got 'argmax'",
    ),
    "rules/forms.py rule_from_dict #2": (
        lambda: rule_from_dict({"rule": "argmax", "threshold": 0.5}),
        "rule 'argmax' must have no parameters, got 'threshold'; leave it out",
    ),
    "rules/forms.py rule_from_dict #3": (
        lambda: rule_from_dict({"rule": "bands", "bounds": [0.5]}),
        "rule 'bands' must have bounds and answers, got no answers; add it",
    ),
    "rules/matrices.py NamedMatrix._check_shape #1": (
        lambda: Costs(np.eye(3)).bind([0, 1]),
        "a row for each of 2 answers and a column for each of 2 classes, got shape (3, 3)",
    ),
    "rules/matrices.py NamedMatrix.matched #1": (
        lambda: costs(np.ones((2, 3)), answers=[0, 1], classes=[0, 1, 2]),
        "got a column for 2; leave it out",
    ),
    "rules/matrices.py _checked_names #1": (
        lambda: costs(classes=[0, 1, 2]),
        "must be 2 names, one for each column, got 3; name each column",
    ),
    "rules/matrices.py _finite #1": (
        lambda: costs({"a": 1}),
        "must be a table of numbers, got dict",
    ),
    "rules/matrices.py _finite #2": (
        lambda: costs([0.0, 1.0]),
        "must be numbers of shape (A, K), got shape (2,) and dtype float64",
    ),
    "rules/matrices.py _finite #3": (
        lambda: costs([[0, np.inf], [1, 0]]),
        "must be finite, got inf",
    ),
    "rules/names.py as_name #1": (
        lambda: Threshold(0.5, positive=["fraud"]),
        "positive must be one class, got list",
    ),
    "rules/names.py as_names #1": (
        lambda: Bands([0.5], answers="ab"),
        "answers must be a list of names, got 'ab'",
    ),
    "rules/names.py as_names #2": (
        lambda: Bands([0.5], answers=["a", "a"]),
        "answers must be distinct, got 'a' more than once",
    ),
    "rules/names.py column_of #1": (
        lambda: Threshold(0.5, positive="1").bind([0, 1]),
        "positive must be one of the classes [0, 1], got '1', which is text; write 1",
    ),
    "rules/names.py positions_of #1": (
        lambda: utility({0: 1.0}),
        "utility must name all classes, got [0] without 1; add it",
    ),
    "rules/names.py positive_column #1": (
        lambda: Threshold(0.5).bind([0, 1, 2]),
        "positive must be given for 3 classes, got None; name one of [0, 1, 2]",
    ),
    "rules/pairs.py rule_pair #1": (lambda: rule_pair("argmax"), "a pair of them, got 'argmax'"),
    "rules/pairs.py rule_pair #2": (
        lambda: rule_pair(TopShare(0.1)),
        "got TopShare; give the threshold that TopShare.fit(proba) returned",
    ),
    "rules/rule.py class_array #1": (
        lambda: Argmax().bind([1]),
        "classes must be at least two, got [1]",
    ),
    "rules/threshold.py TopShare._above_all #1": (
        lambda: TopShare(0.1, positive=1).fit(np.array([[0.0, 1.0], [0.5, 0.5]])),
        "a probability of 1, which is 0.5, got 0.1; no threshold separates these rows",
    ),
    "rules/threshold.py UnfittedTopShare._raise #1": (
        lambda: TopShare(0.1).bind([0, 1]).decide(np.array([HALVES])),
        "must be fitted before it decides, got TopShare(",
    ),
    "rules/utility.py _own #1": (
        lambda: utility(None, BANDS),
        "utility must be given with Bands for 2 classes, got None",
    ),
    "rules/utility.py _rewards #1": (
        lambda: utility("accuracy", BANDS),
        "what the answer 'no' is worth, which is no class, got",
    ),
    "rules/utility.py _weighted #1": (
        lambda: utility({0: -1.0, 1: 1.0}),
        "got {0: -1.0, 1: 1.0}; give e.g. {0: 1.0, ...}",
    ),
}
