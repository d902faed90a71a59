"""Learners by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["make_learner"]

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
