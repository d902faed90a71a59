"""Rules as plain dictionaries, for TOML and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from holdfast.common.parameters import check_choice
from holdfast.exceptions import InvalidInputError
from holdfast.rules.argmax import Argmax
from holdfast.rules.bands import Bands
from holdfast.rules.costs import Costs
from holdfast.rules.rule import Rule
from holdfast.rules.threshold import Threshold, TopShare

__all__ = ["RULES", "rule_from_dict"]

RULES: dict[str, type[Rule]] = {
    rule.name: rule for rule in (Argmax, Threshold, TopShare, Bands, Costs)
}


def rule_from_dict(form: Mapping[str, Any]) -> Rule:
    """Return the rule of which `form` holds the name and the parameters.

    Parameters
    ----------
    form : mapping
        What `Rule.to_dict` returns, or a table of a TOML file. The key ``rule`` is the name:
        ``argmax``, ``threshold``, ``top_share``, ``bands`` or ``costs``.

    Returns
    -------
    Rule

    Raises
    ------
    InvalidInputError
        When the name or a key is unknown, a parameter is missing, or one is wrong.

    Examples
    --------
    >>> rule_from_dict({"rule": "threshold", "threshold": 0.12, "positive": "fraud"})
    Threshold(threshold=0.12, positive='fraud')
    """
    if not isinstance(form, Mapping):
        raise InvalidInputError(
            f"rule must be a table of its parameters, got {form!r}; give e.g. "
            '{"rule": "threshold", "threshold": 0.12}'
        )
    kind = RULES[check_choice("rule", form.get("rule"), RULES)]
    parameters = {key: value for key, value in form.items() if key != "rule"}
    known = fields(kind)  # type: ignore[arg-type]
    for key in parameters:
        if not known:
            raise InvalidInputError(
                f"rule {kind.name!r} must have no parameters, got {key!r}; leave it out"
            )
        check_choice(f"parameters of the rule {kind.name!r}", key, [field.name for field in known])
    needed = [field.name for field in known if field.default is MISSING]
    missing = [name for name in needed if name not in parameters]
    if missing:
        raise InvalidInputError(
            f"rule {kind.name!r} must have {' and '.join(needed)}, got no {missing[0]}; add it"
        )
    return kind(**parameters)
