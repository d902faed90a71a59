"""Arrays, files, measures and methods that cannot be used, and what the message must hold."""

import errno
import os
from pathlib import Path
from unittest.mock import patch

import duckdb
import numpy as np
import pandas as pd
from tests.helpers.cases import new_file, new_folder

from holdfast import metrics
from holdfast.common.arrays import check_labels, check_same_index
from holdfast.common.classes import in_class_order, match_classes
from holdfast.common.files import replace_file, write_text
from holdfast.common.parameters import check_jobs, check_seed
from holdfast.common.reading import read_whole
from holdfast.methods import Average, Distill, FirstTrees, Override
from holdfast.methods.grid import resolve_methods
from holdfast.tables.reading import reading
from holdfast.tables.writing import write_table


def unwritable():
    refusal = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    with patch("tempfile.mkstemp", side_effect=refusal):
        write_text(new_folder() / "a.txt", "text")


def full_disk():
    with replace_file(new_folder() / "a.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def unreadable():
    with reading(Path("a.csv")):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def no_room():
    full = duckdb.IOException('IO Error: Could not write file "a": No space left on device')
    with patch("holdfast.tables.writing._write", side_effect=full):
        write_table(pd.DataFrame({"x": [1]}), new_folder() / "a.csv")


CASES = {
    "common/reading.py check_ordinary #1": (
        lambda: read_whole(new_folder(), "policy", limit=9),
        "which is a folder; name an ordinary file",
    ),
    "common/reading.py read_whole #1": (
        lambda: read_whole(new_folder() / "none.toml", "policy", limit=9),
        "none.toml (No such file or directory); check the path",
    ),
    "common/reading.py read_whole #2": (
        lambda: read_whole(new_file("ten bytes."), "policy", limit=9),
        "which is longer; check the path",
    ),
    "common/arrays.py check_labels #1": (
        lambda: check_labels("y", [[0], [1]]),
        "y must be labels of shape (n,), got shape (2, 1); give one class per row",
    ),
    "common/arrays.py _raise_label_type #1": (
        lambda: check_labels("y", np.array([1, "a"], dtype=object)),
        "all of one type, got",
    ),
    "common/arrays.py check_same_index #1": (
        lambda: check_same_index(y=pd.Series([0, 1]).loc[[1, 0]], p=pd.Series([0, 1], [1, 2])),
        "got 1 of 2 rows that differ (e.g. 0 and 2); pair the rows by position with p.to_numpy()",
    ),
    "common/classes.py match_classes #1": (
        lambda: match_classes(np.ones((1, 2)) / 2, np.arange(3), np.arange(3)),
        "got 2 columns and 3 classes; give base_classes in the order",
    ),
    "common/classes.py in_class_order #1": (
        lambda: in_class_order("p", pd.DataFrame([[0.5, 0.5]], columns=["a", "c"]), ["a", "b"]),
        "p must have columns that are named after the classes 'a', 'b', got 'a', 'c'; name all",
    ),
    "common/parameters.py check_jobs #1": (
        lambda: check_jobs(1.5),
        "n_jobs must be an integer of at least 1, or -1 for every core, got 1.5; give e.g. 1",
    ),
    "common/parameters.py check_seed #1": (
        lambda: check_seed(True),
        "random_state must be an integer or None, got True; give e.g. 0",
    ),
    "tables/reading.py reading #1": (
        unreadable,
        "must be readable, got: Permission denied; check the file",
    ),
    "tables/writing.py write_table #2": (
        no_room,
        "must be writable, got: No space left on device; make room or choose another place",
    ),
    "common/files.py replace_file #1": (
        lambda: write_text(new_folder(), "text"),
        "must be an ordinary file, got a folder or a device",
    ),
    "common/files.py replace_file #2": (
        lambda: write_text(new_folder() / "none" / "a.txt", "text"),
        "none first",
    ),
    "common/files.py replace_file #3": (unwritable, "Permission denied; choose another place"),
    "common/files.py replace_file #4": (full_disk, "No space left on device; make room or"),
    "methods/combining.py _Derived.check #1": (
        lambda: resolve_methods(Average(of=Override(0.5)), "auto"),
        "Average.of must be a method other than Override",
    ),
    "methods/combining.py FirstTrees.check #1": (
        lambda: resolve_methods(FirstTrees(0.0, of=Distill(0.5)), "auto"),
        "FirstTrees.share must be above 0, got 0; give e.g. 0.5",
    ),
    "methods/grid.py resolve_methods #1": (
        lambda: resolve_methods([], "auto"),
        "got []; choose from 'cold'",
    ),
    "methods/grid.py _check_lambdas #1": (
        lambda: resolve_methods("distill", [0.5, 2]),
        "numbers in [0, 1], got [0.5, 2]; give a grid such as",
    ),
    "metrics.py pairwise_churn #1": (
        lambda: metrics.pairwise_churn([[0, 1]]),
        "at least two retrainings, got 1; train the same model with several seeds",
    ),
    "metrics.py check_same_shape #1": (
        lambda: metrics.churn_divergence(np.ones((2, 2)) / 2, np.ones((2, 4)) / 4),
        "got (2, 2) and (2, 4); give the same rows and classes",
    ),
    "metrics.py _column_of #1": (
        lambda: metrics.log_loss([2], [[0.5, 0.5]]),
        "y must be among the classes [0, 1], got 2; give `classes` in the order",
    ),
}
