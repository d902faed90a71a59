"""Limits on any measure of the new model, and on its change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from holdfast.comparison.change import MeasureChange
from holdfast.comparison.checks import Check, check, not_promoting
from holdfast.comparison.labeled import is_selective
from holdfast.comparison.measures import ENOUGH_POSITIVES
from holdfast.comparison.result import Comparison
from holdfast.comparison.scores import ScoreComparison
from holdfast.exceptions import InvalidInputError

__all__ = [
    "MeasureLimit",
    "full_name",
    "limit_checks",
    "measure_checks",
    "measure_named",
    "read_limits",
]

OF_THE_POSITIVE = ("recall", "precision", "f1", "specificity", "rate")
OF_SCORES = ("auc", "average_precision", "brier", "log_loss", "calibration_error")
OF_COMPARISON = ("churn_rate", "negative_flip_rate", "positive_flip_rate", "lateral_flip_rate")


@dataclass(frozen=True, kw_only=True)
class MeasureLimit:
    """Limits on one measure.

    Parameters
    ----------
    min, max : float, optional
        The least and the largest value of the new model.
    min_change, max_change : float, optional
        The least and the largest change, new minus base.
    """

    min: float | None = None
    max: float | None = None
    min_change: float | None = None
    max_change: float | None = None


def read_limits(limits: Any, name: str = "limits") -> dict[str, MeasureLimit]:
    """Return limits by the names of their measures, checked.

    Raises
    ------
    InvalidInputError
        For what is not a table of tables of numbers, or an unknown kind of limit.
    """
    if not isinstance(limits, Mapping):
        raise InvalidInputError(
            f"{name} must name measures, got {type(limits).__name__}; give e.g. "
            '{"recall": {"min_change": -0.02}}'
        )
    return {str(name): _read_limit(str(name), limit) for name, limit in limits.items()}


def _read_limit(name: str, limit: Any) -> MeasureLimit:
    if isinstance(limit, MeasureLimit):
        return limit
    known = [field.name for field in fields(MeasureLimit)]
    kinds = list(limit) if isinstance(limit, Mapping) else [limit]
    if not isinstance(limit, Mapping) or not kinds or set(kinds) - set(known):
        raise InvalidInputError(
            f"limits[{name!r}] must be {', '.join(known[:-1])} or {known[-1]}, got "
            f"{', '.join(map(str, kinds)) or 'none'}; give e.g. {{'min_change': -0.02}}"
        )
    for kind, value in limit.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            raise InvalidInputError(
                f"limits[{name!r}][{kind!r}] must be a number, got {value!r}; give e.g. 0.8"
            )
    return MeasureLimit(**{kind: float(value) for kind, value in limit.items()})


def measure_checks(
    limits: Mapping[str, MeasureLimit],
    comparison: Comparison,
    positive: Any,
    costs: Any,
    scores: ScoreComparison | None = None,
) -> list[Check]:
    """Return the checks of limits on measures, those of `scores` included.

    Raises
    ------
    InvalidInputError
        For a measure that the comparison does not have.
    """
    if not limits:
        return []
    measures = comparison.measures(costs=costs)
    measures |= {} if scores is None else scores.measures
    found = []
    for name, limit in limits.items():
        full = full_name(name, positive)
        own = measure_named(full, comparison, measures)
        if own is None:
            _raise_unknown(full, measures)
        if own.new is None and full not in measures:
            raise InvalidInputError(
                f"limits[{name!r}] needs labels, got a comparison without labels; give y to compare"
            )
        found += limit_checks(own, limit, comparison)
    return found


def full_name(name: str, positive: Any) -> str:
    """Return the name of a measure with its class, which may be the positive one."""
    if name not in OF_THE_POSITIVE:
        return name
    if positive is None:
        raise InvalidInputError(
            f"positive must be given with a limit on {name}, got None; name the positive "
            f"class, or write the limit as '{name}[CLASS]'"
        )
    return f"{name}[{positive}]"


def measure_named(
    full: str, comparison: Comparison, measures: Mapping[str, MeasureChange]
) -> MeasureChange | None:
    """Return a measure of the comparison by its name, or one of `measures`; None for another."""
    own = measures.get(full)
    if full in OF_COMPARISON:
        value, interval = getattr(comparison, full), getattr(comparison, f"{full}_interval")
        own = MeasureChange(
            full, None, value, None, None, None, interval, comparison.n, None, reliable=True
        )
    elif full == "accuracy":
        own = MeasureChange(
            full,
            comparison.accuracy_base,
            comparison.accuracy_new,
            comparison.accuracy_gain,
            comparison.accuracy_gain_interval,
            comparison.accuracy_base_interval,
            comparison.accuracy_new_interval,
            comparison.n_labeled or 0,
            None,
            reliable=True,
        )
    return own


def _raise_unknown(full: str, measures: Mapping[str, MeasureChange]) -> NoReturn:
    known = [*OF_COMPARISON, "accuracy", *measures]
    hint = "give costs" if full == "cost" else "give labels, or correct the name"
    hint = "give the scores of both models" if full in OF_SCORES else hint
    raise InvalidInputError(
        f"limits must name measures of this comparison, got {full!r} and not "
        f"{', '.join(known[:20])}; {hint}"
    )


def limit_checks(own: MeasureChange, limit: MeasureLimit, comparison: Comparison) -> list[Check]:
    """Return the check of each kind of limit on a measure, as far as it can be trusted."""
    return [_as_trusted(own, one, comparison) for one in _checks_of(own, limit)]


def _checks_of(own: MeasureChange, limit: MeasureLimit) -> list[Check]:
    share = own.name != "cost" and own.name not in OF_SCORES
    found = []
    for field in fields(MeasureLimit):
        bound = getattr(limit, field.name)
        if bound is None:
            continue
        of_change = field.name.endswith("_change")
        words = own.name.replace("_", " ") + (" change" if of_change else "")
        value, interval = (own.change, own.interval) if of_change else (own.new, own.new_interval)
        if value is None or interval is None:
            raise InvalidInputError(
                f"limits[{own.name!r}] must be of a measure that is defined, got {field.name} of "
                f"a measure without {'a change' if of_change else 'a value'} here; leave it out"
            )
        name = f"{own.name} change" if of_change else own.name
        at_least = field.name.startswith("min")
        found.append(check(name, words, bound, value, interval, at_least=at_least, share=share))
    return found


def _as_trusted(own: MeasureChange, found: Check, comparison: Comparison) -> Check:
    if not own.reliable:
        return not_promoting(found, _why_unreliable(own))
    if own.name == "calibration_error":
        return not_promoting(found, "the interval of a calibration error only describes")
    needs_truth = own.name != "churn_rate" and not own.name.startswith("rate[")
    selective = needs_truth and is_selective(comparison.labels_selective)
    return not_promoting(found, SELECTIVE) if selective else found


def _why_unreliable(own: MeasureChange) -> str:
    if own.positives is not None and own.positives < ENOUGH_POSITIVES:
        return f"there are only {own.positives} positives, and ten are needed"
    return "too few rows show an effect on it"


SELECTIVE = "labels are missing otherwise where the answer changed than where it did not"
