"""A model that only MLflow can call, with classes as its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PythonFunction"]

# The columns in which models answer beside their scores: H2O, Transformers, PyCaret and others.
ANSWERS = ("prediction", "predict", "label", "prediction_label")


class PythonFunction:
    """A model that only MLflow can call; it answers with a class, or a number for each class."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def predict(self, X: Any) -> NDArray[Any]:
        """Return a class for each row.

        If there are several columns, one of them may be named as the answer. Otherwise they are
        scores, and the class is the name of the column with the largest one.
        """
        import pandas as pd

        answer = pd.DataFrame(self.function.predict(X))
        named = [name for name in ANSWERS if name in answer.columns]
        if answer.shape[1] == 1 or named:
            return answer[named[0] if named else answer.columns[0]].to_numpy()
        if not all(pd.api.types.is_numeric_dtype(kind) for kind in answer.dtypes):
            raise InvalidInputError(
                "a model of MLflow must answer with a class, a column named 'prediction', or a "
                f"number for each class, got the columns {list(answer.columns)[:10]}; wrap it in a "
                "model that answers with classes"
            )
        return np.asarray(answer.columns)[answer.to_numpy().argmax(axis=1)]
