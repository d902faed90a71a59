"""Usual preprocessing of data frames for trees or linear models, of texts and of images."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from holdfast.common.parameters import check_choice, check_count
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import narwhals as nw
    from sklearn.compose import ColumnTransformer

__all__ = ["ScaledImages", "TokenIds", "preprocessor"]

RESERVED = ("<padding>", "<unknown>")  # the first two ids; no word has angle brackets
UNKNOWN = 1
# Every word of a vocabulary takes the room of its longest word, which one encoded file among the
# texts would make huge.
LONGEST_WORD = 64
WORD = re.compile(r"\w+(?:'\w+)*")


def preprocessor(X: Any, *, kind: str = "trees") -> ColumnTransformer:
    """Return an unfitted transformer that turns a data frame into numbers.

    Parameters
    ----------
    X : data frame
        The rows whose types say which columns are numeric and which are categorical (text,
        categories, booleans).
    kind : {"trees", "linear"}
        Kind of model that takes the numbers.

        With "trees" numbers stay as they are, and missing ones are NaN. Categories become integers:
        -1 for a category that was not seen in training and -2 for NaN. None among Python objects is
        a category of its own.

        With "linear" missing numbers become the median, an added column marks them, and numbers are
        standardised. Categories become indicator columns; those with fewer than five rows share one
        column, which also marks unseen ones.

    Returns
    -------
    sklearn.compose.ColumnTransformer
        The transformer. It never fails because of an unseen category.

    Raises
    ------
    InvalidInputError
        When `X` is not a data frame or has columns that are neither numbers nor categories.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"size": [1.0, 2.0], "colour": ["red", "blue"]})
    >>> encoder = preprocessor(X).fit(X)
    >>> encoder.transform(pd.DataFrame({"size": [3.0], "colour": ["green"]}))
    array([[ 3., -1.]])
    """
    from sklearn.compose import ColumnTransformer

    check_choice("kind", kind, ("trees", "linear"))
    numeric, categorical = _column_kinds(X)
    numbers, categories = _tree_steps() if kind == "trees" else _linear_steps()
    steps = [("numeric", numbers, numeric), ("categorical", categories, categorical)]
    return ColumnTransformer([step for step in steps if step[2]], verbose_feature_names_out=False)


def _has_parts(column: nw.Series[Any]) -> bool:
    """Return whether a column of Python objects holds lists, mappings, sets, bytes or arrays."""
    first = column.drop_nulls().head(1).to_list()
    return any(isinstance(value, list | dict | set | bytes | np.ndarray) for value in first)


def _column_kinds(X: Any) -> tuple[list[str], list[str]]:
    import narwhals as nw

    try:
        frame = nw.from_native(X, eager_only=True)
        schema = frame.schema
    except TypeError as error:
        raise InvalidInputError(
            f"X must be a data frame, got {type(X).__name__}; e.g. pandas.DataFrame(...)"
        ) from error
    numeric = [name for name, dtype in schema.items() if dtype.is_numeric()]
    kinds = (nw.String, nw.Categorical, nw.Enum, nw.Boolean, nw.Object)
    categorical = [
        name
        for name, dtype in schema.items()
        if isinstance(dtype, kinds) and not (dtype == nw.Object and _has_parts(frame[name]))
    ]
    unknown = [name for name in schema if name not in {*numeric, *categorical}]
    if unknown or not schema:
        raise InvalidInputError(
            f"X must have numeric and categorical columns only, got {unknown or 'no column'}; turn "
            "dates into numbers and drop the rest"
        )
    return numeric, categorical


def _tree_steps() -> tuple[Any, Any]:
    from sklearn.preprocessing import OrdinalEncoder, StandardScaler

    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    )
    # This scaler changes no value, but unlike "passthrough" it turns pandas.NA into NaN.
    return StandardScaler(with_mean=False, with_std=False), encoder


def _linear_steps() -> tuple[Any, Any]:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    # A coefficient from fewer than five rows is noise.
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5)
    return make_pipeline(fill, StandardScaler()), encoder


# --- texts ---------------------------------------------------------------------------------------


class TokenIds(TransformerMixin, BaseEstimator):
    """Transformer of texts into rows of word numbers, for `nn.Transformer`.

    A word is a run of letters, digits and underscores in lower case; it may have apostrophes
    inside. The number 0 is padding, 1 is a word that is not in the vocabulary, 2 is the most
    frequent word of the training texts, and so on. Equally frequent words are in alphabetical
    order, so the result does not depend on the order of the texts. As in Keras by default, texts
    are cut and padded at the front, so that their last words remain.

    Parameters
    ----------
    vocabulary_size : int
        Largest number of distinct word numbers, 0 and 1 included; at least 3.
    length : int
        Number of words in each row.

    Attributes
    ----------
    vocabulary_ : ndarray of str, shape (at most `vocabulary_size`,)
        The word of each number. Words of more than 64 characters are left out.

    Raises
    ------
    InvalidInputError
        When `fit` or `transform` gets no texts, missing texts or anything else, when a parameter is
        out of range, or when `fit` finds no word in the texts.

    References
    ----------
    The conventions follow ``keras.datasets.imdb`` and ``keras.utils.pad_sequences``.

    Examples
    --------
    >>> tokens = TokenIds(length=4).fit(["A good film, a good one!", "A bad film."])
    >>> tokens.vocabulary_
    array(['<padding>', '<unknown>', 'a', 'film', 'good', 'bad', 'one'], dtype='<U9')
    >>> tokens.transform(["a good plot", "It's not a very good film"])
    array([[0, 2, 4, 1],
           [2, 1, 4, 3]])
    """

    def __init__(self, vocabulary_size: int = 20_000, length: int = 200) -> None:
        self.vocabulary_size = vocabulary_size
        self.length = length

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the most frequent words.

        Parameters
        ----------
        X : sequence of str, or series or one-column frame of any library, shape (n,) or (n, 1)
            The training texts.
        y : None
            Ignored.
        """
        check_count("vocabulary_size", self.vocabulary_size, least=3, hint="give e.g. 20000")
        check_count("length", self.length, hint="give e.g. 200")
        counts: Counter[str] = Counter()
        for text in _texts(X):
            counts.update(_words(text))
        known = [item for item in counts.items() if len(item[0]) <= LONGEST_WORD]
        if not known:
            raise InvalidInputError(
                "X must have words, got none in any text; give the texts that the model is to read"
            )
        known.sort(key=lambda item: (-item[1], item[0]))
        frequent = known[: self.vocabulary_size - len(RESERVED)]
        self.vocabulary_ = np.array([*RESERVED, *(word for word, _ in frequent)])
        return self

    def transform(self, X: Any) -> NDArray[np.int64]:
        """Return the numbers of each text's last words.

        Parameters
        ----------
        X : sequence of str, or series or one-column frame of any library, shape (n,) or (n, 1)
            The texts.

        Returns
        -------
        ndarray of int, shape (n, length)
            One number for each word, after 0 for padding.
        """
        check_is_fitted(self)
        texts = _texts(X)
        words = self.vocabulary_.tolist()[len(RESERVED) :]
        number = dict(zip(words, range(len(RESERVED), len(self.vocabulary_)), strict=True)).get
        ids = np.zeros((len(texts), self.length), dtype=np.int64)
        for row, text in zip(ids, texts, strict=True):
            last = _words(text)[-self.length :]
            # Without a word the slice below would be the whole row.
            if last:
                row[-len(last) :] = [number(word, UNKNOWN) for word in last]
        return ids

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def _texts(X: Any) -> list[str]:
    """Return the texts of a sequence, series, array or one-column frame."""
    import narwhals as nw

    values = nw.from_native(X, pass_through=True, allow_series=True)
    if isinstance(values, (nw.DataFrame, nw.LazyFrame)):
        values = _only_column(values)
    if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    for method in ("tolist", "to_list"):  # the names in NumPy and in narwhals
        values = getattr(values, method)() if hasattr(values, method) else values
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise InvalidInputError(
            f"X must be a sequence of texts, got {type(X).__name__}; give a list of str, even for "
            "one text"
        )
    texts = list(values)
    _check_texts(texts)
    return texts


def _only_column(frame: Any) -> Any:
    import narwhals as nw

    if isinstance(frame, nw.LazyFrame):
        raise InvalidInputError("X must be one column of texts, got a LazyFrame; collect it first")
    if len(frame.columns) != 1:
        listed = ", ".join(map(repr, frame.columns))
        first = f", e.g. X[{frame.columns[0]!r}]" if listed else ""
        raise InvalidInputError(
            "X must be one column of texts, got a frame "
            f"{f'of {listed}' if listed else 'without columns'}; choose the column{first}"
        )
    return frame[frame.columns[0]]


def _check_texts(texts: list[Any]) -> None:
    if not texts:
        raise InvalidInputError("X must have at least one text, got none; give the texts")
    wrong = next((i for i, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is None:
        return
    import pandas as pd

    got = texts[wrong]
    missing = got is None or (pd.api.types.is_scalar(got) and pd.isna(got))
    what, hint = type(got).__name__, "convert the rows to str"
    if missing:
        what, hint = str(got), "fill missing texts with ''"
    raise InvalidInputError(f"X must be texts (str), got {what} in row {wrong}; {hint}")


# --- images --------------------------------------------------------------------------------------


class ScaledImages(TransformerMixin, BaseEstimator):
    """Transformer of images of bytes into real numbers in [0, 1], for the networks of `nn`.

    It learns nothing but the shape from the data, so the same image gives the same numbers in every
    update of a model. Standardising by the mean of the training images would change every input a
    little with each update.

    Attributes
    ----------
    image_shape_ : tuple of int
        Channels, height and width of the training images.

    Raises
    ------
    InvalidInputError
        When `fit` or `transform` gets anything but uint8 of shape (n, channels, height, width), or
        `transform` gets images of a shape other than in training.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.full((2, 1, 28, 28), 51, dtype=np.uint8)
    >>> scaled = ScaledImages().fit_transform(images)
    >>> scaled.shape, scaled.dtype, f"{scaled[0, 0, 0, 0]:.3f}"
    ((2, 1, 28, 28), dtype('float32'), '0.200')
    """

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Store the shape of the images.

        Parameters
        ----------
        X : ndarray of uint8, shape (n, channels, height, width)
            The training images.
        y : None
            Ignored.
        """
        self.image_shape_ = _images(X).shape[1:]
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the images, divided by 255.

        Parameters
        ----------
        X : ndarray of uint8, shape (n, channels, height, width)
            The images.

        Returns
        -------
        ndarray of float32, of the same shape
            The images as real numbers.
        """
        check_is_fitted(self)
        images = _images(X)
        if images.shape[1:] != self.image_shape_:
            raise InvalidInputError(
                f"X must have images of shape {self.image_shape_} as in training, got "
                f"{images.shape[1:]}; resize them"
            )
        return np.divide(images, np.float32(255), dtype=np.float32)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags


def _images(X: ArrayLike) -> NDArray[np.uint8]:
    images = np.asarray(X)
    if images.ndim != 4 or not len(images):
        raise InvalidInputError(
            f"X must be images of shape (n, channels, height, width), got shape {images.shape}; "
            "reshape them, for grey images e.g. X[:, None]"
        )
    if images.dtype != np.uint8:
        raise InvalidInputError(
            f"X must be images of uint8, got {images.dtype}; convert whole numbers from 0 to "
            "255 with X.astype('uint8'); images in [0, 1] need no scaling"
        )
    return images
