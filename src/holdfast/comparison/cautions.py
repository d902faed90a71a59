"""Sentences that warn of what a comparison's headline figures can hide."""

from __future__ import annotations

from typing import Any

import numpy as np

from holdfast.common.classes import some_of, spelled_otherwise
from holdfast.common.plain import plain_scalar
from holdfast.comparison.counts import PairedCounts
from holdfast.comparison.labeled import is_selective
from holdfast.comparison.measures import ENOUGH_POSITIVES, positives_of, recall_changes

__all__ = ["warnings_of"]


def warnings_of(
    counts: PairedCounts, confidence: float, selective: float | None
) -> tuple[str, ...]:
    """Return the warnings; `selective` is the p-value of `labels_selective`."""
    found = (
        *(_answers_otherwise(counts, role) for role in ("base", "new")),
        _no_answer_is_a_class(counts),
        _spelled_otherwise(counts),
        _rarest_class_loses(counts, confidence),
        _labels_are_selective(counts, selective),
    )
    return tuple(sentence for sentence in found if sentence is not None)


def _answers_otherwise(counts: PairedCounts, role: str) -> str | None:
    """Say where answers are not the most probable classes."""
    weight = counts.sums.get(f"otherwise_{role}", 0.0)
    if weight <= 0:
        return None
    share = weight / float(counts.weights.sum())
    return (
        f"The {role} model's answers are not its most probable classes in {share:.2%} of the rows; "
        "its answers count."
    )


def _no_answer_is_a_class(counts: PairedCounts) -> str | None:
    base, new, truth = _classes_of(counts)
    if not truth or truth & (base | new):
        return None
    answers, classes = (
        some_of([label for label in counts.labels.tolist() if label in among])
        for among in (base | new, truth)
    )
    so = "accuracy and flips from right to wrong are not measured"
    if counts.comparable:
        so = "neither is ever right"
    return (
        f"No answer of either model is among the true classes, so {so}. The answers are {answers}, "
        f"the true classes {classes}."
    )


def _spelled_otherwise(counts: PairedCounts) -> str | None:
    """Warn of classes that are probably one, written in two ways.

    Both ways in every column may well be two classes, such as "a" and "A", unless they differ in
    blanks alone.
    """
    columns = [column for column in _classes_of(counts) if column]
    found = [
        texts
        for texts in spelled_otherwise(counts.labels.tolist())
        if len({text.strip() for text in texts}) < len(texts)
        or not all(column.issuperset(texts) for column in columns)
    ]
    if not found:
        return None
    named = "; ".join(map(some_of, found[:3])) + ("; …" if len(found) > 3 else "")
    return f"Classes that differ only in their spelling count as different: {named}."


def _classes_of(counts: PairedCounts) -> list[set[Any]]:
    """Return the classes that the base model answers, that the new one does, and that are true."""
    labels = counts.labels.tolist()
    return [
        {labels[i] for i in np.unique(column[column >= 0]).tolist()} for column in counts.triples.T
    ]


def _rarest_class_loses(counts: PairedCounts, confidence: float) -> str | None:
    """Warn where the rarest class of enough rows loses recall beyond chance."""
    positives = positives_of(counts)
    enough = np.flatnonzero(positives >= ENOUGH_POSITIVES)
    if not counts.comparable or not len(enough):
        return None
    rarest = enough[[positives[enough].argmin()]]
    recall = recall_changes(counts, rarest, confidence)
    low, high = (float(end[0]) for end in recall.interval)
    if not high < 0:
        return None
    name = plain_scalar(counts.labels[rarest[0]])
    return (
        f"The new model misses more of the rarest class, {name!r} ({positives[rarest[0]]:,} rows): "
        f"recall falls from {recall.base[0]:.2%} to {recall.new[0]:.2%}, "
        f"a change of {100 * low:+.2f} to {100 * high:+.2f} points."
    )


def _labels_are_selective(counts: PairedCounts, p_value: float | None) -> str | None:
    if not is_selective(p_value):
        return None
    changed, kept = (
        float(counts.rows[cells & counts.labeled].sum() / counts.rows[cells].sum())
        for cells in (counts.changed, ~counts.changed)
    )
    return (
        f"Labels are selective: {changed:.2%} of the rows whose answer changed have one, and "
        f"{kept:.2%} of the others, so accuracy and flips may not hold for all rows."
    )
