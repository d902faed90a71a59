"""`OnnxModel`: a classifier that predicts with an ONNX file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import check_proba_rows
from holdfast.common.parameters import first_line, require
from holdfast.exceptions import HoldfastError, InvalidInputError
from holdfast.models.onnx.graph import OnnxGraph, damaged, read_graph
from holdfast.models.onnx.labels import as_labels, label_output
from holdfast.models.onnx.rows import OnnxInput, feeds_of, row_count

__all__ = ["OnnxModel"]

PROBA_NAMES = ("probabilities", "output_probability", "probability", "proba")
MATRIX_TYPES = ("tensor(float)", "tensor(double)", "tensor(float16)")
MAP_TYPES = ("seq(map(int64,tensor(float)))", "seq(map(string,tensor(float)))")


class OnnxModel:
    """A classifier of any library, exported to ONNX. It predicts and cannot be fitted.

    Its answers are the labels that the file gives, which need not be the most probable classes: the
    file may hold a threshold of its own. Only a file without labels answers with the most probable
    classes.

    The inputs of the file decide which rows it takes: one array (n, d) or (n, …), or one column of
    a data frame for each input, matched by name. Values are converted to the types of the inputs. A
    value that the conversion would lose is refused: text for a number, or a fraction or missing
    value for an integer.

    Parameters
    ----------
    content : ndarray of uint8, shape (bytes,)
        The content of the file. Data in other files and custom operators are refused.

    Attributes
    ----------
    content : ndarray of uint8
    classes_ : ndarray of shape (K,)
        The keys of a ZipMap, or the labels from which the label output is taken. The attribute
        exists only if the file names its classes.
    feature_names_in_ : ndarray of str
        The names of the columns. The attribute exists only if there is one input for each column.

    Raises
    ------
    InvalidInputError
        When the file is damaged, has no output or several outputs of probabilities, or needs other
        files or custom operators. ``predict_proba`` raises it when rows have other columns or types
        than the inputs, and when outputs are not probabilities. ``predict`` raises it when there
        are several outputs of labels, or a label is not one of the classes.
    MissingExtraError
        When onnx or ONNX Runtime is not installed; the extra is `onnx`.

    Notes
    -----
    A single output column is the probability of the second of two classes if it is the direct
    result of a sigmoid. Otherwise it could be a score or the probability of the first class, so it
    is refused.

    A graph does not run in a sandbox: a crafted file can compute forever or fill the memory. Load
    only files that you trust to run on your machine.

    Examples
    --------
    >>> import numpy as np
    >>> from onnx import TensorProto, helper
    >>> ends = [
    ...     helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in "xp"
    ... ]
    >>> graph = helper.make_graph(
    ...     [helper.make_node("Softmax", ["x"], ["p"])], "softmax", ends[:1], ends[1:]
    ... )
    >>> opset = [helper.make_opsetid("", 17)]
    >>> file = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    >>> OnnxModel(np.frombuffer(file, np.uint8)).predict_proba([[0.0, 0.0]])
    array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, content: NDArray[np.uint8]) -> None:
        self.content = content
        _ = self._program  # raises an error if the file cannot run

    def __getstate__(self) -> dict[str, Any]:
        return {"content": self.content}  # a session cannot be stored

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes of the probability columns, shape (K,), if the file names them."""
        if self._program.classes is None:
            raise AttributeError("this ONNX file does not name its classes")
        return self._program.classes

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """The names of the columns, if each has an input of its own."""
        inputs = self._program.inputs
        if len(inputs) < 2:
            raise AttributeError("this ONNX file does not name its columns")
        return np.array([each.name for each in inputs], dtype=object)

    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """Return probabilities of shape (n, K), computed in batches.

        Parameters
        ----------
        X : array-like of shape (n, …), sparse matrix, or data frame of any library
        """
        (proba,) = self._outputs(X, self._program.output)
        return proba

    @property
    def answers_itself(self) -> bool:
        """Whether the file gives labels or names its classes, so that `predict` can answer."""
        return self._program.label is not None or self._program.classes is not None

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the label that the file gives each row, shape (n,).

        If the file has no output of labels, it is the most probable class. Labels are values of
        `classes_`, or as in the file if it does not name its classes.
        """
        name = self._program.label
        if name is None:
            return self._most_probable(self.predict_proba(X))
        (labels,) = self._outputs(X, name)
        return labels

    def predict_with_proba(self, X: Any) -> tuple[NDArray[Any], NDArray[np.floating]]:
        """Return the results of `predict` and `predict_proba`; the graph runs only once."""
        name = self._program.label
        if name is None:
            proba = self.predict_proba(X)
            return self._most_probable(proba), proba
        labels, proba = self._outputs(X, name, self._program.output)
        return labels, proba

    def _outputs(self, X: Any, *names: str) -> list[NDArray[Any]]:
        """Return some outputs of the file for all rows, computed in batches."""
        if not row_count(X):
            raise InvalidInputError("X must have at least one row, got none; give the rows")
        program = self._program
        batches = [program.outputs(names, *feed) for feed in feeds_of(program.inputs, X)]
        return [np.concatenate(parts) for parts in zip(*batches, strict=True)]

    def _most_probable(self, proba: NDArray[np.floating]) -> NDArray[Any]:
        if self._program.classes is None:
            raise InvalidInputError(
                "the ONNX file must name its classes to predict them, got a file that only gives "
                "probabilities; use predict_proba, or export it with its class labels"
            )
        return self.classes_[proba.argmax(axis=1)]

    @cached_property
    def _program(self) -> _Program:
        content = self.content
        if not isinstance(content, np.ndarray) or content.dtype != np.uint8 or content.ndim != 1:
            raise InvalidInputError(
                "content must be a file's bytes as an array of uint8, got "
                f"{type(content).__name__}; give np.fromfile(path, np.uint8)"
            )
        return _Program.of(content.tobytes())


@dataclass(frozen=True, eq=False)
class _Program:
    """A session of ONNX Runtime, with its inputs and outputs; `output` has the probabilities."""

    run: Callable[[Sequence[str], dict[str, Any]], list[Any]]
    inputs: list[OnnxInput]
    all_outputs: list[Any]
    output: str
    classes: NDArray[Any] | None
    is_sigmoid: bool

    @classmethod
    def of(cls, content: bytes) -> _Program:
        graph = read_graph(content)
        session = _session(content)
        inputs = [OnnxInput.of(each.name, each.type, each.shape) for each in session.get_inputs()]
        outputs = session.get_outputs()
        output = _output(outputs)
        return cls(session.run, inputs, outputs, output, *_meaning(graph, output))

    @cached_property
    def label(self) -> str | None:
        """The name of the output of labels, if there is one."""
        return label_output(self.all_outputs, self.output)

    def outputs(self, names: Sequence[str], feed: dict[str, Any], n: int) -> list[NDArray[Any]]:
        """Return the probabilities or labels of the first `n` rows of a batch, from one run."""
        try:
            outputs = self.run(names, feed)
        except Exception as error:  # ONNX Runtime raises many kinds, which it does not document
            raise InvalidInputError(
                f"X must be rows that the ONNX model can run on, got: {first_line(error)[:300]}; "
                "give the columns, shapes and values that it was trained on"
            ) from error
        return [
            self._proba(output, n) if name == self.output else as_labels(output, n, self.classes)
            for name, output in zip(names, outputs, strict=True)
        ]

    def _proba(self, output: Any, n: int) -> NDArray[np.floating]:
        proba = self._columns(output)
        if proba.ndim != 2 or len(proba) < n:
            raise InvalidInputError(
                f"the ONNX model must give probabilities (n, K), got shape {proba.shape} for {n} "
                "rows; export it with one row of probabilities for each row"
            )
        proba = proba[:n]
        known = proba.shape[1] if self.classes is None else len(self.classes)
        if proba.shape[1] != known:
            raise InvalidInputError(
                f"the ONNX model must give one column for each of its {known} classes, got "
                f"{proba.shape[1]}; export it again"
            )
        try:
            check_proba_rows("the output of the ONNX model", proba, allow_missing=False)
        except InvalidInputError as error:
            raise InvalidInputError(
                f"{error}; an ONNX model must end in probabilities: export "
                "torch.nn.Sequential(module, torch.nn.Softmax(dim=1)) from PyTorch, "
                "raw_scores=False from skl2onnx"
            ) from error
        return proba

    def _columns(self, output: Any) -> NDArray[np.floating]:
        """Return an output as an array of probabilities (n, K)."""
        if isinstance(output, list):
            return self._from_maps(output)
        proba = output.astype(np.float32) if output.dtype == np.float16 else output
        if proba.ndim == 1 and self.is_sigmoid:
            proba = proba[:, None]
        if proba.ndim != 2 or proba.shape[1] != 1:
            return proba
        if not self.is_sigmoid:
            raise InvalidInputError(
                "the ONNX model must give one column for each class, got a single column that does "
                "not come out of a sigmoid: it could be a score, or either class's probability; "
                "export both columns, e.g. torch.cat([1 - p, p], dim=1)"
            )
        return np.concatenate([1 - proba, proba], axis=1)

    def _from_maps(self, rows: list[dict[Any, float]]) -> NDArray[np.floating]:
        classes = [] if self.classes is None else self.classes.tolist()
        if any(set(row) != set(classes) for row in rows):
            raise InvalidInputError(
                f"the ONNX model must map each of its classes {classes[:10]} to a probability, got "
                "other keys; export it again, with zipmap=False"
            )
        return np.array([[row[label] for label in classes] for row in rows], dtype=np.float32)


def _session(content: bytes) -> Any:
    runtime = require("onnxruntime", extra="onnx", purpose="an ONNX model")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # errors are raised as exceptions
    options.enable_cpu_mem_arena = False  # else the memory of the largest batch is never freed
    try:
        return runtime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # any kind of error, as in `run`
        raise damaged(error) from error


def _output(outputs: list[Any]) -> str:
    """Return the name of the output of probabilities."""
    names = [output.name for output in outputs if output.type in (*MATRIX_TYPES, *MAP_TYPES)]
    if len(names) > 1:
        names = [name for name in names if name in PROBA_NAMES] or names
    if len(names) != 1:
        listed = ", ".join(f"{output.name} {output.type}" for output in outputs)
        raise InvalidInputError(
            "an ONNX model must have one output of probabilities (or one named "
            f"'probabilities'), got {listed}; export a classifier with its probabilities"
        )
    return names[0]


def _meaning(graph: OnnxGraph, output: str) -> tuple[NDArray[Any] | None, bool]:
    """Return the classes of an output, and whether it is the result of a sigmoid."""
    try:
        return graph.classes(output), graph.is_sigmoid(output)
    except HoldfastError:
        raise
    except Exception as error:  # the constants of a damaged file can fail in any way
        raise damaged(error) from error
