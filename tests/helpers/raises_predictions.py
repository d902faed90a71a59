"""Prediction tables that cannot be compared, and what the message must hold."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from tests.helpers.cases import new_file

from holdfast import compare_tables
from holdfast.predictions.tables import compare_score_tables, open_pairs
from holdfast.rules import Argmax, Threshold

HALF = Threshold(0.5, positive=1)


def frame(**columns):
    return pd.DataFrame({"id": [1, 2], "prediction": [0, 1]} | columns)


def of_frames(base=None, new=None, id="id", **options):  # noqa: A002
    """Compare two frames that are right but for the given columns."""
    return compare_tables(frame(**(base or {})), frame(**(new or {})), id=id, **options)


def of_files(base, new, **options):
    return compare_tables(new_file(base, "base.csv"), new_file(new, "new.csv"), **options)


def in_one(rule=None, **columns):
    """Compare both models of one table, whose answers are in `prediction` and `new`."""
    options = {key: columns.pop(key) for key in [*columns] if np.ndim(columns[key]) == 0}
    options = {"new_prediction": "new"} | options
    return compare_tables(frame(**({"new": [0, 1]} | columns)), rule=rule, **options)


def scored(base=(0.1, 0.9), new=(0.2, 0.8), **options):
    table = pd.DataFrame({"old": base, "fresh": new} | options.pop("columns", {}))
    return compare_score_tables(table, score="old", **({"new_score": "fresh"} | options))


def polars_frame(**columns):
    return pytest.importorskip("polars").DataFrame({"id": [1, 2], "prediction": [0, 1]} | columns)


def of_polars(base, new, **options):
    return compare_tables(polars_frame(**base), polars_frame(**new), id="id", **options)


def changed_while_read():
    """Count pairs of which one is lost on the way."""
    with open_pairs(frame(), frame(prediction=[0, 0]), id="id") as pairs:
        first = pairs.pairs.frame.head(1)
        object.__setattr__(pairs.pairs, "frame", first)
        pairs.counted()


CASES = {
    "predictions/deciding.py _default_positive #1": (
        lambda: scored(columns={"label": ["a", "b"]}),
        "got none for the classes 'a', 'b'; give positive=",
    ),
    "predictions/exact.py _check_ids #1": (
        lambda: of_frames(new={"id": [1, None]}),
        "ids of new must not be missing, got 1 of 2 rows without one, the first in row 1; fill",
        of_frames,
    ),
    "predictions/exact.py _check_numbers #1": (
        lambda: of_frames({"w": np.array([1, "2"], dtype=object)}, weight="w"),
        "column 'w' of base must be numbers, got mixed-integer",
    ),
    "predictions/exact.py _check_plain #1": (
        lambda: of_polars({"id": [[1], [2]]}, {}),
        "column 'id' of base must hold one plain value a row, such as text or a number, got list(",
    ),
    "predictions/exact.py _check_plain #2": (
        lambda: of_polars({"w": ["1", "2"]}, {}, weight="w"),
        "column 'w' of base must be numbers, got string",
    ),
    "predictions/exact.py _check_names #1": (
        lambda: of_frames({"*": [1, 2]}, groups=["*"]),
        "column '*' of base must have a name that is no pattern",
    ),
    "predictions/exact.py _exact_type #1": (
        lambda: of_frames(new={"id": np.array([1, "2"], dtype=object)}),
        "column 'id' of new must hold plain values of one type, got int, str",
    ),
    "predictions/exact.py _with_comparable_ids #1": (
        lambda: of_polars({"id": [Decimal(1), Decimal(2)]}, {}),
        "column 'id' must have one type in both tables, got decimal(",
    ),
    "predictions/faults.py raise_faults #1": (
        lambda: of_frames({"label": [0, 1]}, {"label": [1, 1]}),
        "column 'label' must be equal in both tables, got 1 rows that differ; correct it, or keep",
    ),
    "predictions/faults.py raise_faults #2": (
        lambda: of_frames({"proba_0": [0.9, 0.9], "proba_1": [0.1, 0.1]}, rule=(HALF, None)),
        "answers in column 'prediction' of base, got 1 rows whose answer is another",
    ),
    "predictions/faults.py raise_faults #3": (
        lambda: scored(new=[3.0, -2.0], rule=HALF),
        "'fresh' of the table must be probabilities in [0, 1], got 2 rows",
    ),
    "predictions/faults.py raise_faults #4": (
        lambda: of_frames({"proba_0": [0.9, 0.9], "proba_1": [0.1, 0.9]}),
        "columns proba_* of base must be probabilities that sum to 1 in each row, got 1 rows",
    ),
    "predictions/faults.py raise_faults #5": (
        lambda: of_frames({"label": [0.5, 1]}),
        "column 'label' must be whole class labels, got 1 rows",
    ),
    "predictions/faults.py raise_faults #6": (
        lambda: of_frames(new={"prediction": [None, 1]}),
        "column 'prediction' of new must be whole class labels without missing values, got 1 rows",
    ),
    "predictions/faults.py raise_ids #1": (
        lambda: of_files("id,prediction\n1,0\n,1\n", "id,prediction\n1,0\n2,1\n", id="id"),
        "base.csv must not be missing, got 1 of 2 rows without one; fill them or drop the rows",
    ),
    "predictions/faults.py raise_ids #2": (
        lambda: of_frames(new={"id": [2, 2]}),
        "ids of new must be unique, got 1 that repeat (e.g. 2)",
    ),
    "predictions/faults.py raise_ids #3": (
        lambda: of_frames(new={"id": [2, 3]}),
        "got 1 only in base and 1 only in new (e.g. 1); give both models the same rows",
    ),
    "predictions/order.py _raise_order #1": (
        lambda: of_files("key,prediction\n1,0\n2,1\n", "key,prediction\n2,0\n1,1\n"),
        "got 2 of 2 rows whose column 'key' differs; pass id='key' to join by it",
    ),
    "predictions/pairing.py Pairing._bind #1": (
        lambda: scored(columns={"label": [0, 1]}, rule=(HALF, None)),
        "the table must say how its scores become answers, got column 'fresh' alone",
    ),
    "predictions/pairing.py Pairing._bind #2": (
        lambda: in_one(rule=Argmax()),
        "rule must be given with probabilities or scores, got Argmax() for tables of answers",
    ),
    "predictions/pairing.py Pairing._classes #1": (
        lambda: of_frames(new={"prediction": pd.to_datetime(["2024-01-01", "2024-01-02"])}),
        "column 'prediction' of new must be integers, strings or booleans, all of one type, got ",
    ),
    "predictions/pairing.py Pairing._classes #2": (
        lambda: of_frames({"proba_0": ["0.5", "0.5"], "proba_1": ["0.5", "0.5"]}),
        "columns proba_* of base must be numbers, got text",
    ),
    "predictions/pairing.py Pairing._decide #1": (
        lambda: compare_tables(frame(new=[0.1, 0.9]), new_score="new"),
        "score must be given with new_score, got None; name the base model's column too",
    ),
    "predictions/pairing.py _class_values #1": (
        lambda: of_frames({"proba_1": [0.5, 0.5], "proba_1.0": [0.5, 0.5]}),
        "columns proba_* of base must name each class once, got 1, 1.0, of which",
    ),
    "predictions/pairs.py Pairs.counted #1": (
        lambda: compare_tables(frame().head(0), frame().head(0), id="id"),
        "tables must have at least one row, got none",
    ),
    "predictions/pairs.py Pairs.counted #2": (
        changed_while_read,
        "got [2] rows of which 1 were compared; compare them again",
    ),
    "predictions/sides.py _side #1": (
        lambda: compare_tables(frame(proba_1=[0.1, 0.2]), frame(), id="id"),
        "base must have one column proba_<class> per class, got only 'proba_1'",
    ),
    "predictions/sides.py _side #2": (
        lambda: of_frames(prediction="answer"),
        "base must have a column 'answer' or columns proba_<class>, got 'id', 'prediction'",
    ),
    "predictions/sides.py _side #3": (
        lambda: scored(new=["low", "high"], rule=HALF),
        "column 'fresh' of the table must be numbers, got text",
    ),
    "predictions/sides.py check_same_kind #1": (
        lambda: of_frames(new={"id": ["1", "2"]}),
        "column 'id' must have one type in both tables, got integers in base and text in new",
    ),
    "predictions/tables.py _check_by_position #1": (
        lambda: of_frames(by_position=True),
        "got it with id='id'; leave one of the two out",
    ),
    "predictions/tables.py _check_two_models #1": (
        lambda: compare_tables(frame(), new_prediction="prediction"),
        "got one frame with the same columns; give the other model's table, or its columns with "
        "new_prediction=, new_proba_prefix= or new_score=",
    ),
    "predictions/tables.py _lazy #1": (
        lambda: compare_tables(frame(), [1, 2], id="id"),
        "new must be a path or a data frame, got list",
    ),
    "predictions/tables.py _pairs_of_files #1": (
        lambda: compare_tables(new_file("id,prediction\n1,0\n", "base.csv"), frame(), id="id"),
        "new must be a path where base is one, got DataFrame",
    ),
    "predictions/tables.py _pairs_of_files #2": (
        lambda: of_files("prediction\n0\n1\n", "prediction\n0\n"),
        "got 2 and 1; give the same rows in the same order, or the column to join by with id=",
    ),
    "predictions/tables.py _pairs_of_frames #1": (
        lambda: of_frames(id=None),
        "id must name the column that joins two data frames, got None",
    ),
    "predictions/tables.py _pairs_of_frames #2": (
        lambda: compare_tables(frame(), polars_frame(), id="id"),
        "must be frames of one library, got pandas and polars",
    ),
    "predictions/tables.py open_pairs #1": (
        lambda: of_frames(memory_limit="1GB"),
        "memory_limit must be left out for data frames, got '1GB'",
    ),
}
