"""Benchmarks that cannot be run or shown, and what the message must hold."""

import json
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from tests.helpers.bench_frames import results, row
from tests.helpers.cases import new_file, new_folder

from holdfast.bench import store
from holdfast.bench.findings.panels import check_results
from holdfast.bench.findings.summary import select, summarise
from holdfast.bench.pages.plots import pages
from holdfast.bench.trials.architectures import architecture
from holdfast.bench.trials.contenders import chosen
from holdfast.bench.trials.data import data_of
from holdfast.bench.trials.protocol import Trial, _check_classes, _check_enough, _stream
from holdfast.bench.trials.suites import SUITES, suite_of
from holdfast.bench.trials.trial import _OneTrial
from holdfast.bench.workers.ray import _connect, _connected, _results
from holdfast.bench.workers.runner import Job, _unchanged
from holdfast.datasets.dataset import table_dataset

COST = {"trials": 1, "seconds": 1.0}
ROWS = results([row("cold", "cold", 0, 84, 12), row("distill", "distill(lam=0.5)", 0, 85, 7)])
TRIAL = Trial("d", "fcn-10", "random", 10, 5, 5, 0, "", 0)


def lost():
    with _connected():
        raise EOFError


def parquet(frame=ROWS):
    path = new_folder() / "a.parquet"
    frame.to_parquet(path) if pytest.importorskip("pyarrow") else None
    return path


def draws():
    pytest.importorskip("matplotlib")
    list(pages(ROWS, summarise(ROWS), "stream"))


def texts(*columns):
    frame = pd.DataFrame({name: ["x", "y"] for name in columns} | {"target": [0, 1]})
    return table_dataset("d", frame, "target", source="", sha256="", text=["a"])


def infinite():
    frame = pd.DataFrame({"a": [np.inf, 1.0], "target": [0, 1]})
    data = data_of(table_dataset("d", frame, "target", source="", sha256=""), "d")
    rows = np.arange(2)
    data.ready("numbers", rows, rows)


def full_disk():
    """Write to a disk without room."""
    import duckdb

    with patch.object(store, "connect") as connect:
        connect.return_value.__exit__.return_value = False
        connection = connect.return_value.__enter__.return_value
        connection.execute.side_effect = duckdb.IOException("no space left")
        store._write(ROWS, {"a": store.Facts()}, new_folder() / "a.parquet")


def without_gpu():
    """Ask a cluster of processors for a GPU."""
    cluster = SimpleNamespace(
        remote=lambda **_: lambda function: function, cluster_resources=lambda: {"CPU": 1}
    )
    next(_results(cluster, iter([Job(TRIAL, None, (), "cuda")])))


def diverged():
    """Train a base model whose loss is not finite."""
    models = SimpleNamespace(fit=lambda *_: [None])
    _OneTrial._first_base(SimpleNamespace(trial=TRIAL, models=models, initial=None))


CASES = {
    "bench/store.py _facts_of #2": (
        lambda: store._facts_of(
            Path("a.parquet"), json.dumps({"protocol": 0, "machines": [], "versions": []} | COST)
        ),
        "got 0: its rows do not compare with those of this version; name another folder",
    ),
    "bench/store.py _query #1": (
        lambda: store.read_store([new_file("PAR1 and no more PAR1", "a.parquet")]),
        "must be a whole Parquet file of a benchmark, got: ",
    ),
    "bench/store.py _write #1": (
        full_disk,
        "a.parquet: no space left; make room or choose another place; what was finished before",
    ),
    "bench/trials/trial.py _OneTrial._first_base #1": (
        diverged,
        "must end with a finite loss, got one that is not; look for infinite or very large values",
    ),
    "bench/workers/ray.py _connect #1": (
        lambda: _connect(None, "ray://127.0.0.1:1"),
        "got ray://127.0.0.1:1 ([Errno 111] Connection refused); start one with: ray start --head",
    ),
    "bench/workers/ray.py _results #1": (
        without_gpu,
        "--device must be there on the cluster, got cuda and no node with a GPU; leave it out",
    ),
    "bench/findings/panels.py check_results #1": (
        lambda: check_results(ROWS.drop(columns="run")),
        "must have the column 'run', got dataset",
    ),
    "bench/findings/panels.py check_results #2": (
        lambda: check_results(ROWS.assign(cost=np.nan)),
        "must have a value of 'cost' in every row",
    ),
    "bench/findings/panels.py check_results #3": (
        lambda: check_results(ROWS.assign(data=["a", "b"])),
        "give their stores one at a time",
    ),
    "bench/findings/panels.py check_results #4": (
        lambda: check_results(pd.concat([ROWS, ROWS])),
        "in the results once, got 2 again, first",
    ),
    "bench/findings/panels.py _check_counts #1": (
        lambda: check_results(ROWS.assign(correct=101)),
        "the counts of each row must be possible, got others in",
    ),
    "bench/findings/panels.py _check_cold #1": (
        lambda: summarise(results([row("cold", name, 0, 84, 12) for name in ("cold", "cold2")])),
        "cold start must have one setting in each group, got 2 in",
    ),
    "bench/findings/summary.py select #1": (lambda: select(ROWS[:0]), "run holdfast bench run"),
    "bench/findings/summary.py select #2": (
        lambda: select(
            pd.DataFrame({"dataset": ["a", "b"], "network": ["x", "y"]}),
            dataset=["a"],
            network=["y"],
            method=None,
        ),
        "with the other filters; drop one of them",
    ),
    "bench/findings/summary.py summarise #1": (lambda: summarise(ROWS[:0]), "got none; run"),
    "bench/findings/summary.py summarise #2": (
        lambda: summarise(ROWS[1:]),
        "got none in 1 groups; run holdfast bench run with the method 'cold'",
    ),
    "bench/pages/plots.py _pages #1": (draws, "got draws only; run holdfast bench run stream"),
    "bench/store.py Store.open #1": (
        lambda: store.Store.open(new_file()),
        "(File exists); choose another place",
    ),
    "bench/store.py _all_files #1": (
        lambda: store.read_store([Path("none")]),
        "got nothing at none; correct the path",
    ),
    "bench/store.py _all_files #2": (
        lambda: store.read_store([new_folder()]),
        "run some with holdfast bench run",
    ),
    "bench/store.py _check_whole #1": (
        lambda: store.read_store([new_file("PAR1", "a.parquet")]),
        "got one of 4 bytes that is cut off",
    ),
    "bench/store.py _facts_of #1": (
        lambda: store.read_store([parquet()]),
        "got a Parquet file of another kind; move it elsewhere",
    ),
    "bench/store.py merge #1": (
        lambda: store.merge(["."], "out.parquet"),
        "got out.parquet; name another folder",
    ),
    "bench/trials/architectures.py architecture #1": (
        lambda: architecture("fcn10"),
        "did you mean 'fcn-10'?",
    ),
    "bench/trials/contenders.py chosen #1": (
        lambda: chosen(["warm"], ["target"], learner="random_forest"),
        "that random_forest can train, got warm; choose from cold",
    ),
    "bench/trials/data.py BenchData.check_encoding #1": (
        lambda: data_of(texts("a"), "d").check_encoding("images"),
        "must suit d, which is texts, got one that takes images",
    ),
    "bench/trials/data.py BenchData.ready #1": (infinite, "correct those columns, or leave them"),
    "bench/trials/data.py data_of #1": (
        lambda: data_of(texts("a", "b"), "d"),
        "one column of text and no other, got a, b; drop the others",
    ),
    "bench/trials/protocol.py _check_classes #1": (
        lambda: _check_classes(TRIAL, np.arange(9)),
        "for each of its 9 classes, got 10; ask for more with --n-init",
    ),
    "bench/trials/protocol.py _check_enough #1": (
        lambda: _check_enough(TRIAL, 20, 19, "each half", "update rows"),
        "each half of d must have 20 rows for 10 initial, 5 validation and 5 update rows, got 19",
    ),
    "bench/trials/protocol.py _stream #1": (
        lambda: _stream(TRIAL, np.zeros(1000, int)),
        "got 5 and 5; lower --n-val or raise --n-batch",
    ),
    "bench/trials/suites.py Suite.sized #1": (
        lambda: SUITES["stream"].sized(n_test=5),
        "got 5; drop it",
    ),
    "bench/trials/suites.py Suite.check_device #1": (
        lambda: SUITES["openml"].check_device("gpu"),
        "got 'gpu'; leave it out for the processor",
    ),
    "bench/trials/suites.py Suite.check_device #2": (
        lambda: SUITES["trees"].check_device("cuda"),
        "--device must be left out for boosters, got cuda",
    ),
    "bench/trials/suites.py suite_of #1": (
        lambda: suite_of("openml", target="y"),
        "for the suite openml, whose sets have theirs, got 'y'",
    ),
    "bench/trials/suites.py suite_of #2": (
        lambda: suite_of(str(new_folder())),
        "must have Parquet files, got none; name another folder",
    ),
    "bench/trials/suites.py suite_of #3": (
        lambda: suite_of("none.csv"),
        "got no file at none.csv; check it",
    ),
    "bench/workers/runner.py _unchanged #1": (
        lambda: _unchanged(Job(TRIAL, SimpleNamespace(name="d"), ()), SimpleNamespace(sha="b")),
        "d must stay as it is while it is used, got another content; start again",
    ),
    "bench/workers/ray.py _connected #1": (lost, "finished trials are kept"),
}
