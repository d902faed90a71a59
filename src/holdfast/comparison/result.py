"""`Comparison`: the paired statistics of two models on the same rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.parameters import check_share
from holdfast.common.plain import plain
from holdfast.common.provenance import provenance
from holdfast.comparison.cautions import warnings_of
from holdfast.comparison.counts import BASE_RIGHT, NEW_RIGHT, PairedCounts
from holdfast.comparison.intervals import mcnemar_p_value
from holdfast.comparison.judging import judged_groups
from holdfast.comparison.labeled import labels_selective, overall_shares
from holdfast.comparison.measures import (
    MeasureChange,
    measures_of,
    most_frequent,
)
from holdfast.comparison.shares import GroupResult, Interval
from holdfast.comparison.swaps import SwapSet, answer_swaps
from holdfast.comparison.texts import text_of
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

__all__ = ["Comparison"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What changes, and in which groups, when the new model replaces the base model.

    All shares are shares of rows (or of weight). Flips read base → new. A field that needs labels
    or probabilities is None where these were not given.

    Attributes
    ----------
    n : int
        Number of rows.
    n_labeled : int or None
        Number of rows with a label, over which all is measured that needs the truth: flips,
        accuracy, losses. Churn and divergences are measured over all rows. None without the truth.
    labels_selective : float or None
        Where only some rows have a label: the p-value of a chi-square test that rows whose answer
        changed are labelled as often as the others. If it is small, the labelled rows do not stand
        for all rows. `labeled_shares` returns the share for each pair of answers.
    n_effective : float
        Kish's effective number of rows: `n`, or (Σw)² / Σw² under weights. Intervals go further:
        they regard how the weights go with the answers.
    weighted : bool
        Whether the rows have weights.
    confidence : float
        Confidence level of every interval, two-sided.
    classes : tuple
        The classes that either model predicts for rows of positive weight, sorted.
    churn_rate, negative_flip_rate, positive_flip_rate, lateral_flip_rate : float
        Share of the rows whose answer changed, and of those that went from right to wrong, from
        wrong to right, and from one wrong answer to another. Each has an exact interval in
        ``*_interval``. Flips and accuracy are None where no answer of either model is among the
        true classes of at least 50 rows, such as "approve" beside "fraud".
    accuracy_base, accuracy_new : float
        Accuracy of each model, with exact intervals.
    accuracy_gain : float
        New minus base, with the interval of `holdfast.comparison.gains`.
    mcnemar_p_value : float
        Exact p-value of McNemar's test of equal accuracy. None under weights, for which no exact
        test exists.
    unavoidable_churn : float
        |accuracy gain|: the least churn of any model with the new accuracy.
    excess_churn : float
        The churn of the labelled rows beyond the unavoidable churn.
    log_loss_base, log_loss_new, brier_base, brier_new : float
        Mean losses of the labels, for each model that gave probabilities.
    churn_divergence : float
        Mean KL(base ‖ new), in nats.
    churn_divergence_brier : float
        Mean ‖base − new‖².
    max_group_churn : float or None
        The limit that the groups were held against.
    groups : tuple of GroupResult
        The statistics of each group.
    counts : PairedCounts
        The counts from which all of this was computed.
    """

    n: int
    n_labeled: int | None
    labels_selective: float | None
    n_effective: float
    weighted: bool
    confidence: float
    classes: tuple[Any, ...]
    churn_rate: float
    churn_rate_interval: Interval
    negative_flip_rate: float | None
    negative_flip_rate_interval: Interval | None
    positive_flip_rate: float | None
    positive_flip_rate_interval: Interval | None
    lateral_flip_rate: float | None
    lateral_flip_rate_interval: Interval | None
    accuracy_base: float | None
    accuracy_base_interval: Interval | None
    accuracy_new: float | None
    accuracy_new_interval: Interval | None
    accuracy_gain: float | None
    accuracy_gain_interval: Interval | None
    mcnemar_p_value: float | None
    unavoidable_churn: float | None
    excess_churn: float | None
    log_loss_base: float | None
    log_loss_new: float | None
    brier_base: float | None
    brier_new: float | None
    churn_divergence: float | None
    churn_divergence_brier: float | None
    max_group_churn: float | None
    groups: tuple[GroupResult, ...]
    counts: PairedCounts = field(repr=False)

    @property
    def risk_base(self) -> float | None:
        """Risk of the base model: its mean log loss."""
        return self.log_loss_base

    @property
    def risk_new(self) -> float | None:
        """Risk of the new model: its mean log loss."""
        return self.log_loss_new

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what the figures above can hide.

        One says that the rarest class with at least ten rows loses recall beyond chance, that is,
        the interval of the change at this comparison's confidence lies below 0. Others say that no
        answer is a true class, or that labels are selective (p < 0.001).
        """
        return warnings_of(self.counts, self.confidence, self.labels_selective)

    def measures(
        self,
        positive: Any = None,
        costs: Any = None,
        labels: Sequence[Any] | None = None,
    ) -> dict[str, MeasureChange]:
        """Return measures of classes and the mean cost, with intervals of their change.

        Parameters
        ----------
        positive : object, optional
            The only class whose measures are wanted.
        costs : mapping or array-like of shape (K, T), optional
            The cost of each answer for each true class: ``{answer: {class: cost}}``, or a matrix
            whose rows are `classes` and whose columns are the true classes, sorted.
        labels : sequence, optional
            The classes whose measures are wanted, all by default.

        Returns
        -------
        dict of str to MeasureChange
            - ``rate[c]`` : share of rows that get the answer c, over all rows
            - ``recall[c]``, ``precision[c]``, ``f1[c]``, ``specificity[c]`` : as in scikit-learn,
              where class c is the positive one, over the labelled rows
            - ``balanced_accuracy`` : mean recall over all true classes
            - ``cost`` : mean cost of a labelled row, where `costs` are given

            Without the truth only rates are given. Where no answer is a true class, only rates and
            costs are.

        Raises
        ------
        InvalidInputError
            When a class does not occur, or costs are not numbers for all answers and true classes.

        Notes
        -----
        Intervals of a change rest on Tango's score interval for paired shares. Other measures than
        shares are sums of such changes and of a remainder that is linearised. Under weights, the
        variance is the sum of w² times squared scores. ``docs/measures.md`` has their coverage.

        Examples
        --------
        >>> from holdfast.comparison import compare
        >>> truth = ["fraud"] * 20 + ["legit"] * 80
        >>> base = ["fraud"] * 16 + ["legit"] * 84
        >>> new = ["fraud"] * 12 + ["legit"] * 88
        >>> found = compare(base, new, truth).measures(positive="fraud")
        >>> found["recall[fraud]"].base, found["recall[fraud]"].new
        (0.8, 0.6)
        """
        return measures_of(
            self.counts, self.confidence, positive=positive, costs=costs, labels=labels
        )

    def swaps(self, positive: Any) -> SwapSet:
        """Return the rows that only one of the models answers with the positive class.

        Parameters
        ----------
        positive : object
            The positive class.

        Returns
        -------
        SwapSet
            The rows that are swapped in (the new model alone answers positive) and swapped out,
            and how often each of them is positive in truth. It has no thresholds.

        Examples
        --------
        >>> from holdfast.comparison import compare
        >>> swaps = compare([1, 1, 0, 0], [1, 0, 1, 1], [1, 0, 1, 0]).swaps(1)
        >>> swaps.swapped_in.n, swaps.swapped_in.positive_rate, swaps.swapped_out.n
        (2, 0.5, 1)
        """
        return answer_swaps(self.counts, positive, self.confidence)

    @property
    def transitions(self) -> csr_array:
        """Weight of each (base class, new class), as a sparse array of shape (K, K)."""
        return self._matrix(self.counts.pair_cells.sum(axis=1))

    @property
    def negative_transitions(self) -> csr_array | None:
        """The part of `transitions` that goes from right to wrong; None without labels."""
        if not self.counts.comparable:
            return None
        changed = self.counts.pairs[:, 0] != self.counts.pairs[:, 1]
        return self._matrix(self.counts.pair_cells[:, BASE_RIGHT] * changed)

    def matrix(self, max_classes: int = 20) -> dict[str, Any]:
        """Return the rows by base class (down) and new class (across).

        Parameters
        ----------
        max_classes : int
            The most classes to keep. Of more classes, those with the most flips into or out of
            them are kept, in the order of the classes.

        Returns
        -------
        dict
            - ``classes`` : list of length K
            - ``counts`` : K × K list; the number (or weight) of rows that went from one class
              (down) to another (across); the diagonal holds those that kept their answer
            - ``negative`` : the same for flips from right to wrong, or None without labels
            - ``other_classes`` : number of classes left out

        Examples
        --------
        >>> from holdfast.comparison import compare
        >>> compare(["a", "a", "b"], ["a", "b", "b"], ["a", "a", "b"]).matrix()["negative"]
        [[0, 1], [0, 0]]
        """
        if max_classes < 1:
            raise InvalidInputError(
                f"max_classes must be at least 1, got {max_classes}; give the number of classes to "
                "show"
            )
        pairs, weight = self.counts.pairs, self.counts.pair_cells.sum(axis=1)
        n_classes = len(self.classes)
        moved = weight * (pairs[:, 0] != pairs[:, 1])
        flips = sum(np.bincount(pairs[:, side], moved, n_classes) for side in (0, 1))
        shown = np.sort(np.argsort(-np.asarray(flips), kind="stable")[:max_classes])
        negative = self.negative_transitions
        return {
            "classes": [plain(self.classes[i]) for i in shown],
            "counts": _dense(self.transitions, shown),
            "negative": None if negative is None else _dense(negative, shown),
            "other_classes": n_classes - len(shown),
        }

    def _matrix(self, weight: NDArray[np.float64]) -> csr_array:
        from scipy.sparse import coo_array

        size = len(self.classes)
        pairs = self.counts.pairs
        return coo_array((weight, (pairs[:, 0], pairs[:, 1])), shape=(size, size)).tocsr()

    @classmethod
    def from_counts(
        cls,
        counts: PairedCounts,
        *,
        confidence: float = 0.95,
        max_group_churn: float | None = None,
    ) -> Comparison:
        """Return the comparison that follows from paired counts, e.g. from the sum of several.

        Parameters
        ----------
        counts : PairedCounts
            The counts, e.g. those that `count_tables` returns.
        confidence : float
            Confidence level of the intervals, as in `compare`.
        max_group_churn : float, optional
            Limit on each group's churn, as in `compare`.

        Raises
        ------
        InvalidInputError
            When a limit is out of range, or no row has a positive weight.

        Examples
        --------
        >>> from holdfast.comparison import compare
        >>> monday = compare([0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 1, 0])
        >>> tuesday = compare([0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 1, 0])
        >>> Comparison.from_counts(monday.counts + tuesday.counts).churn_rate
        0.125
        """
        check_limits(confidence, max_group_churn, grouped=bool(counts.groups))
        if not counts.weights.sum() > 0:
            raise InvalidInputError(
                "counts must have rows of positive weight, got none; count some rows"
            )
        return comparison_of(counts, float(confidence), max_group_churn)

    def at(self, confidence: float, *, max_group_churn: float | None = None) -> Comparison:
        """Return the same comparison at another confidence level or group limit."""
        if (confidence, max_group_churn) == (self.confidence, self.max_group_churn):
            return self
        return self.from_counts(self.counts, confidence=confidence, max_group_churn=max_group_churn)

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON, under the names of the fields.

        ``transitions`` lists the pairs of classes that changed, the most frequent first.
        ``measures`` has those of the 20 most frequent classes, ``warnings`` the sentences, and
        ``labeled_shares`` those of `labeled_shares`.
        """
        skipped = ("counts", "groups")
        result = {key: plain(value) for key, value in vars(self).items() if key not in skipped}
        result["risk_base"], result["risk_new"] = self.risk_base, self.risk_new
        result["transitions"] = self._changed_pairs()
        shown = most_frequent(self.counts, MOST_CLASSES)
        measures = self.measures(labels=shown)
        result["measures"] = {name: measure.to_dict() for name, measure in measures.items()}
        result["warnings"] = list(self.warnings)
        result["labeled_shares"] = self.labeled_shares()
        result["groups"] = [group.to_dict() for group in self.groups]
        return result

    def labeled_shares(self, most: int = 20) -> list[dict[str, Any]]:
        """Return the share of labelled rows for each pair of answers, where labels are missing.

        Parameters
        ----------
        most : int
            The most pairs to return, those of most rows first.

        Returns
        -------
        list of dict
            ``base``, ``new``, ``n`` (rows of positive weight) and ``labeled`` (the share of them
            that have a label). Empty where all rows or none have one.

        Examples
        --------
        >>> from holdfast.comparison import compare
        >>> found = compare(["a", "a", "a"], ["a", "a", "b"], ["a", None, "b"])
        >>> [(one["new"], one["labeled"]) for one in found.labeled_shares()]
        [('a', 0.5), ('b', 1.0)]
        """
        if not self.n_labeled or self.n_labeled == self.n:
            return []
        rows, labeled = self.counts.pair_rows, self.counts.pair_labeled
        order = np.argsort(-rows, kind="stable")[:most]
        return [
            {
                "base": plain(self.classes[self.counts.pairs[i, 0]]),
                "new": plain(self.classes[self.counts.pairs[i, 1]]),
                "n": int(rows[i]),
                "labeled": float(labeled[i]),
            }
            for i in order.tolist()
        ]

    def _changed_pairs(self) -> list[dict[str, Any]]:
        pairs, cells = self.counts.pairs, self.counts.pair_cells
        changed = np.flatnonzero(pairs[:, 0] != pairs[:, 1])
        order = changed[np.argsort(-cells[changed].sum(axis=1), kind="stable")]
        truth = self.counts.comparable
        return [
            {
                "base": plain(self.classes[pairs[i, 0]]),
                "new": plain(self.classes[pairs[i, 1]]),
                "weight": float(cells[i].sum()),
                "negative": float(cells[i, BASE_RIGHT]) if truth else None,
                "positive": float(cells[i, NEW_RIGHT]) if truth else None,
            }
            for i in order
        ]

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame of the measures: first for all rows, then for each group."""
        import pandas as pd

        names = [
            name for name in GroupResult.__dataclass_fields__ if name not in ("column", "value")
        ]
        results: list[Any] = [self, *self.groups]
        columns: dict[str, list[Any]] = {}
        for name in names:
            values = [getattr(result, name, None) for result in results]
            if not name.endswith("_interval"):
                columns[name] = values
                continue
            pairs = [(None, None) if pair is None else pair for pair in values]
            columns[name.replace("_interval", "_low")] = [low for low, _ in pairs]
            columns[name.replace("_interval", "_high")] = [high for _, high in pairs]
        index = pd.Index(["all rows", *(group.name for group in self.groups)], name="rows")
        return pd.DataFrame(columns, index=index)

    def __str__(self) -> str:
        return text_of(self)

    def _repr_html_(self) -> str:
        from holdfast.render.page import render_snippet

        return render_snippet(self.to_dict())

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the comparison as one self-contained HTML page.

        Parameters
        ----------
        path : path-like, optional
            The file to write the page to.

        Returns
        -------
        str
            The page.
        """
        from holdfast.common.files import write_text
        from holdfast.render.page import render_page

        html = render_page(
            {
                "title": TITLE,
                "comparison": self.to_dict(),
                "matrix": self.matrix(),
                "provenance": provenance(),
            }
        )
        if path is not None:
            write_text(path, html)
        return html


TITLE = "Comparison of two models"
MOST_CLASSES = 20  # whose measures JSON has


def check_limits(confidence: float, max_group_churn: float | None, *, grouped: bool) -> None:
    """Raise unless the limits are in range; `grouped` says whether there are groups."""
    check_share("confidence", confidence, open_ends=True)
    if max_group_churn is None:
        return
    check_share("max_group_churn", max_group_churn)
    if not grouped:
        raise InvalidInputError(
            "max_group_churn needs groups, got none; give groups, or leave the limit out"
        )


# --- from counts to statistics --------------------------------------------------------------------


def comparison_of(
    counts: PairedCounts, confidence: float, max_group_churn: float | None
) -> Comparison:
    """Return the comparison that follows from counts; limits and counts are already checked."""
    if counts.has_truth and not counts.labeled.any():
        raise InvalidInputError(
            f"labels must be known for some rows, got {counts.n} rows without one; add counts of "
            "rows with labels, or leave the truth out"
        )
    total, cells = float(counts.weights.sum()), counts.labeled_cells
    comparable = counts.comparable
    shares = overall_shares(counts, confidence)
    unavoidable = excess = p_value = None
    if comparable:
        unavoidable = abs(shares["accuracy_gain"])
        excess = max(float(cells[1].sum() / cells.sum()) - unavoidable, 0.0)
    if comparable and not counts.weighted:
        p_value = mcnemar_p_value(*(int(cells[1, bit]) for bit in (NEW_RIGHT, BASE_RIGHT)))
    on_all_rows = ("divergence", "otherwise")
    whole = {n: total if n.startswith(on_all_rows) else cells.sum() for n in counts.sums}
    sums = {name: value / float(whole[name]) for name, value in counts.sums.items()}
    return Comparison(
        n=counts.n,
        n_labeled=counts.n_labeled if counts.has_truth else None,
        labels_selective=labels_selective(counts),
        n_effective=total**2 / counts.weight_squares,
        weighted=counts.weighted,
        confidence=confidence,
        classes=tuple(counts.classes.tolist()),
        **shares,
        mcnemar_p_value=p_value,
        unavoidable_churn=unavoidable,
        excess_churn=excess,
        log_loss_base=sums.get("log_loss_base"),
        log_loss_new=sums.get("log_loss_new"),
        brier_base=sums.get("brier_base"),
        brier_new=sums.get("brier_new"),
        churn_divergence=sums.get("divergence_kl"),
        churn_divergence_brier=sums.get("divergence_brier"),
        max_group_churn=max_group_churn,
        groups=judged_groups(counts.groups, confidence, max_group_churn, comparable=comparable),
        counts=counts,
    )


def _dense(matrix: Any, shown: NDArray[np.intp]) -> list[list[Any]]:
    """Return the part of a sparse matrix between the shown classes, whole numbers as integers."""
    dense = matrix[shown][:, shown].toarray()
    whole = dense.astype(np.int64)
    return whole.tolist() if (whole == dense).all() else dense.tolist()
