"""Decides the rows of two models by a rule, and names what is measured of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from holdfast.comparison.scores import ScoreComparison, compare_scores
from holdfast.exceptions import InvalidInputError
from holdfast.models.deciding import rule_of_model
from holdfast.predictions.deciding import Deciding
from holdfast.predictions.pairs import PredictionPair
from holdfast.report.answers import AnswerFacts, costs_of
from holdfast.rules import Bands, Rule, Threshold
from holdfast.rules.pairs import positive_of

__all__ = ["answering_of", "classes_of"]

NAMES = ("the champion", "the candidate")


def classes_of(pair: PredictionPair) -> list[Any]:
    """Return the classes that the probabilities, or else the answers and the truth, know."""
    if pair.classes is not None:
        return pair.classes.tolist()
    known = [pair.base, pair.new, *([] if pair.y is None else [pair.y])]
    return sorted({value for labels in known for value in labels.tolist()})


def answering_of(
    pair: PredictionPair,
    models: Sequence[Any],
    deciding: Deciding,
    costs: Any = None,
    confidence: float = 0.95,
) -> tuple[PredictionPair, AnswerFacts]:
    """Return the pair with the answers of rules, and how both models answer.

    Parameters
    ----------
    pair : PredictionPair
        The predictions of the champion and of the candidate.
    models : sequence of two models
    deciding : Deciding
        The rules that were asked for, and the positive class. A model without one answers by its
        own `predict`.
    costs : Costs, optional
        What answers cost; by default what the candidate's rule keeps low.
    confidence : float

    Raises
    ------
    InvalidInputError
        When a rule is asked for and a model gives no probabilities, or has a rule of its own that
        is another.
    """
    own = [rule_of_model(getattr(model, "model", model)) for model in models]
    rules = [
        _agreed(name, asked, known)
        for name, asked, known in zip(NAMES, deciding.rules, own, strict=True)
    ]
    decided: dict[str, Any] = {}
    for role, asked in zip(("base", "new"), deciding.rules, strict=True):
        if asked is not None:
            if pair.classes is None:
                raise InvalidInputError(
                    "both models must give probabilities where a rule decides, got answers alone; "
                    "leave the rule out"
                )
            decided[f"{role}_pred"] = asked.decide(getattr(pair, role), classes=pair.classes)
    pair = replace(pair, **decided)
    positive = positive_of(rules) if deciding.positive is None else deciding.positive
    if costs is None and rules[1] is not None and pair.classes is not None:
        wanted = set(classes_of(pair)) | ({*pair.y.tolist()} if pair.y is not None else set())
        costs = costs_of(rules[1].bind(pair.classes), list(wanted))
    scores = _scores(pair, rules, positive, confidence)
    return pair, AnswerFacts((rules[0], rules[1]), positive, costs, scores)


def _agreed(name: str, asked: Rule | None, own: Rule | None) -> Rule | None:
    """Return the rule of one model; a rule that the model carries may not be overruled."""
    if asked is not None and own is not None and own.name != "argmax" and own != asked:
        raise InvalidInputError(
            f"the rule must be that of {name}, which {own.describe()}, got one that "
            f"{asked.describe()}; leave the rule out, since the model decides by itself"
        )
    return own if asked is None else asked


def _scores(
    pair: PredictionPair, rules: Sequence[Rule | None], positive: Any, confidence: float
) -> ScoreComparison | None:
    """Return the comparison of the positive class's probabilities; None where there are none."""
    if positive is None or pair.classes is None or positive not in pair.classes.tolist():
        return None
    column = pair.classes.tolist().index(positive)
    thresholds = [rule.threshold for rule in rules if isinstance(rule, Threshold)]
    bands = [rule.bounds for rule in rules if isinstance(rule, Bands)]
    return compare_scores(
        np.ascontiguousarray(pair.base[:, column]),
        np.ascontiguousarray(pair.new[:, column]),
        pair.y,
        positive=None if pair.y is None else positive,
        threshold=(thresholds[0], thresholds[1]) if len(thresholds) == 2 else None,
        bands=bands if len(bands) == 2 else None,
        sample_weight=pair.sample_weight,
        confidence=confidence,
    )
