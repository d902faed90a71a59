"""Decision rules: how probabilities become answers, and what an answer is worth.

The files in reading order:

- `names`: finds classes and answers by value, and explains near misses
- `matrices`: tables of costs or utilities, by the names of answers and classes
- `utility`: what an answer is worth given the truth, and what another answer would gain
- `rule`: `Rule`, what every rule can do, and `BoundRule`, a rule for known classes
- `argmax`: the most probable class
- `threshold`: one class from a threshold on, or for the riskiest share of some rows
- `bands`: a scale of answers along the probability of one class
- `costs`: the answer of the least expected cost
- `pairs`: one rule for each of two models
- `forms`: rules as plain dictionaries, for TOML and JSON
"""

from __future__ import annotations

from holdfast.rules.argmax import Argmax
from holdfast.rules.bands import Bands
from holdfast.rules.costs import Costs
from holdfast.rules.forms import rule_from_dict
from holdfast.rules.rule import BoundRule, Rule
from holdfast.rules.threshold import Threshold, TopShare
from holdfast.rules.utility import expected_gain, expected_utility, utility_matrix

__all__ = [
    "Argmax",
    "Bands",
    "BoundRule",
    "Costs",
    "Rule",
    "Threshold",
    "TopShare",
    "expected_gain",
    "expected_utility",
    "rule_from_dict",
    "utility_matrix",
]
