"""`FittedClassifier`: what all served models have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from holdfast.exceptions import UnsupportedEstimatorError

__all__ = ["FittedClassifier"]


class FittedClassifier(ClassifierMixin, BaseEstimator):
    """A classifier that is fitted when it is built; `LowChurnClassifier` does the training."""

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """The names of the features, if the models inside know them."""
        return self._any_model().feature_names_in_

    def _any_model(self) -> Any:
        raise NotImplementedError

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> Any:
        return self  # an empty copy could not be fitted again

    def fit(self, X: Any, y: Any = None) -> Any:
        """Raise UnsupportedEstimatorError; served models come from `LowChurnClassifier.fit`."""
        raise UnsupportedEstimatorError(
            f"fit must be left out for a {type(self).__name__}, which cannot be fitted, since it "
            "only serves; fit a LowChurnClassifier"
        )

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return probabilities of shape (n, K)."""
        raise NotImplementedError
