"""Learners by name, and the features that a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["features_of", "make_learner"]

LEARNERS = ("linear", "trees", "forest")


def make_learner(name: str, X: pd.DataFrame, seed: int, class_weight: Any = None) -> Any:
    """Return an unfitted pipeline of preprocessing and a classifier.

    Parameters
    ----------
    name : {"linear", "trees", "forest"}
    X : DataFrame
        The features. Their types decide which columns are numbers and which are categories.
    seed : int
    class_weight : "balanced" or dict, optional
        The weight of each class, as scikit-learn takes it.
    """
    from sklearn.pipeline import make_pipeline

    from holdfast.common.parameters import check_choice
    from holdfast.preprocessing import preprocessor

    check_choice("--learner", name, LEARNERS)
    if name == "linear":
        from sklearn.linear_model import LogisticRegression

        regression = LogisticRegression(max_iter=1000, class_weight=class_weight)
        return make_pipeline(preprocessor(X, kind="linear"), regression)
    if name == "forest":
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(
            min_samples_leaf=5, random_state=seed, class_weight=class_weight
        )
        return make_pipeline(preprocessor(X, kind="linear"), forest)
    from sklearn.ensemble import HistGradientBoostingClassifier

    if isinstance(class_weight, dict) and list(class_weight) != list(range(len(class_weight))):
        raise InvalidInputError(  # scikit-learn looks the classes up by their numbers
            f"--class-weight must be balanced with the learner trees unless classes are 0, 1, …, "
            f"got weights of {', '.join(map(str, class_weight))}; give balanced, row weights with "
            "--weight, or another learner"
        )
    boosted = HistGradientBoostingClassifier(random_state=seed, class_weight=class_weight)
    return make_pipeline(preprocessor(X, kind="trees"), boosted)


def features_of(
    model: Any,
    card: dict[str, Any],
    table: pd.DataFrame,
    named: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the columns that the user names, or else those that the model was trained on.

    `named` is None for a command that has no option for them.
    """
    features = list(named or ()) or card.get("features")
    if features is None:
        features = list(getattr(model, "feature_names_in_", []))
    if not features:
        remedy = "train it on a data frame, or log it with a signature"
        if named is not None:
            remedy = "name them with --feature in their order, or train it on a data frame"
        raise InvalidInputError(
            f"the model must know the names of its features, got a {type(model).__name__} without "
            f"names; {remedy}"
        )
    missing = [name for name in features if name not in table.columns]
    if missing:
        raise InvalidInputError(
            "the data must have the columns that the model was trained on, got a table without "
            f"{', '.join(map(repr, missing[:10]))}; it has {', '.join(table.columns[:20])}"
        )
    return table[list(features)]
