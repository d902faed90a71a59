import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csc_array, csr_array
from sklearn.linear_model import LogisticRegression

from holdfast import LowChurnClassifier
from holdfast.models import cache as cache_module
from holdfast.models.base import BaseModel
from holdfast.models.cache import cache_folder, remembered, rows_hash
from holdfast.models.files import save_model
from holdfast.models.loading import load_model

X = np.arange(12.0).reshape(6, 2)
MODEL = "a" * 64
PROBA = np.random.default_rng(0).dirichlet([1, 1], 6)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOLDFAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Counted:
    """Computes, and counts how often."""

    def __init__(self, proba=PROBA):
        self.proba, self.calls = proba, 0

    def __call__(self):
        self.calls += 1
        return self.proba


def ask(compute, rows=X, model=MODEL):
    found = remembered(model, rows, compute)
    np.testing.assert_array_equal(found, compute.proba)
    assert found.dtype == compute.proba.dtype
    return compute.calls


def test_predictions_are_computed_once():
    compute = Counted()
    assert [ask(compute) for _ in range(3)] == [1, 1, 1]
    assert ask(compute, X.copy()) == 1
    assert ask(Counted(PROBA.astype(np.float32)), X + 1) == 1


def test_another_model_or_release_is_another_entry(monkeypatch):
    compute = Counted()
    ask(compute)
    assert ask(compute, model="b" * 64) == 2
    monkeypatch.setattr(cache_module, "_versions", lambda: "holdfast of tomorrow")
    assert ask(compute) == 3


def test_models_without_a_file_are_not_kept(folder):
    compute = Counted()
    assert [ask(compute, model=None) for _ in range(2)] == [1, 2]
    assert not folder.exists()


COLUMNS = {"a": [1.0, 2.0], "b": ["x", None], "c": [1, 2]}
FRAME = pd.DataFrame(COLUMNS)


def test_rows_of_other_values_types_names_and_orders_differ():
    variants = [
        FRAME,
        FRAME.rename(columns={"a": "z"}),
        FRAME.astype({"a": "float32"}),
        FRAME.astype({"c": float}),
        FRAME.astype({"c": str}),
        FRAME.astype({"b": "category"}),
        FRAME.fillna("None"),
        FRAME[["c", "b", "a"]],
        FRAME.iloc[::-1],
        FRAME.iloc[:1],
        FRAME.assign(a=[1.0, np.nextafter(2.0, 3.0)]),
        pl.DataFrame(COLUMNS),
        X,
        X.astype(np.float32),
        X.reshape(2, 6),
        X.T,
        csr_array(X),
    ]
    hashes = [rows_hash(rows) for rows in variants]
    assert None not in hashes
    assert len(set(hashes)) == len(variants)


def test_equal_rows_have_equal_hashes():
    joined = pd.concat([FRAME[["a"]], FRAME[["b", "c"]]], axis=1)
    for same in (FRAME.copy(), FRAME.set_axis([7, 9]), joined):
        assert rows_hash(same) == rows_hash(FRAME)
    assert rows_hash(np.asfortranarray(X)) == rows_hash(X)
    assert rows_hash(X[::2]) == rows_hash(X[::2].copy())
    assert rows_hash(X.tolist()) == rows_hash(X)
    assert rows_hash(csc_array(X)) == rows_hash(csr_array(X))


def test_rows_that_cannot_be_hashed_are_computed_each_time():
    rows = np.array([lambda: 1], dtype=object)
    compute = Counted()
    assert [ask(compute, rows) for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text", "folder"])
def test_a_damaged_entry_is_computed_again(folder, damage):
    compute = Counted()
    ask(compute)
    (entry,) = folder.iterdir()
    content = bytearray(entry.read_bytes())
    content[len(content) // 2] ^= 1
    changed = {"cut": content[:-9], "flip": content, "empty": b"", "text": b"x" * 200}
    if damage == "folder":
        entry.unlink()
        entry.mkdir()
        assert [ask(compute) for _ in range(2)] == [2, 3]
    else:
        entry.write_bytes(changed[damage])
        assert [ask(compute) for _ in range(2)] == [2, 2]


def test_a_folder_that_cannot_be_made_or_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOLDFAST_CACHE", str(tmp_path / "file" / "cache"))
    compute = Counted()
    assert [ask(compute) for _ in range(2)] == [1, 2]


def test_the_oldest_go_first(folder, monkeypatch):
    compute = Counted()
    for number in range(4):
        ask(compute, X + number)
        (newest,) = set(folder.iterdir()) - {path for path, _ in times(folder)[:number]}
        os.utime(newest, (number, number))
    size = newest.stat().st_size
    monkeypatch.setattr(cache_module, "MAX_BYTES", 3 * size)
    ask(compute, X + 4)
    assert compute.calls == 5
    assert [ask(compute, X + number) for number in (2, 3, 4)] == [5, 5, 5]
    assert ask(compute, X) == 6
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 3 * size
    monkeypatch.setattr(cache_module, "MAX_BYTES", 50)
    ask(compute, X + 9)
    assert len(list(folder.iterdir())) == 3  # larger than the whole cache: not kept


def times(folder):
    return sorted(((p, p.stat().st_mtime) for p in folder.iterdir()), key=lambda pair: pair[1])


WORK = textwrap.dedent("""
    import numpy as np, sys
    from holdfast.models import cache as cache_module
    cache_module.MAX_BYTES = 3000
    for i in range(60):
        X = np.full((6, 2), i % 15)
        p = cache_module.remembered("m", X, lambda: np.full((6, 2), float(i % 15)))
        assert (p == i % 15).all() and p.shape == (6, 2)
    print("whole")
""")


def test_processes_at_once(folder):
    command = [sys.executable, "-c", WORK]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[0] for process in running] == ["whole\n"] * 3
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 3000


def test_what_a_killed_process_leaves_does_no_harm(folder):
    endless = WORK.replace("range(60)", "range(10**9)")
    process = subprocess.Popen([sys.executable, "-c", endless])
    while not (folder.exists() and any(folder.iterdir())):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    compute = Counted()
    assert [ask(compute) for _ in range(2)] == [1, 1]
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True)
    assert done.stdout == "whole\n"


def test_the_platform_s_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("HOLDFAST_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "holdfast"


# --- with models ----------------------------------------------------------------------------------


def test_only_the_training_rows_of_a_model_file_are_kept(tmp_path, folder):
    rows = np.random.default_rng(0).normal(size=(200, 2))
    y = (rows[:, 0] > 0).astype(int)
    base = LogisticRegression().fit(rows[:50], y[:50])
    save_model(base, tmp_path / "base.skops")
    settings = {"max_churn": 0.1, "lambdas": [0.5], "include_base": True, "random_state": 0}
    direct = LowChurnClassifier(LogisticRegression(), base, **settings).fit(rows, y)
    assert not folder.exists()
    for _ in range(2):
        named = LowChurnClassifier(LogisticRegression(), tmp_path / "base.skops", **settings)
        named.fit(rows, y)
        assert len(list(folder.iterdir())) == 2  # its probabilities and its answers
        np.testing.assert_array_equal(named.predict_proba(rows), direct.predict_proba(rows))
    named.predict_proba(rows[:30])
    assert len(list(folder.iterdir())) == 2


def test_a_kept_prediction_is_the_answer(tmp_path, folder):
    """The second call does not ask the model: what it would say now does not matter."""
    base = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    save_model(base, tmp_path / "base.skops")
    loaded = load_model(tmp_path / "base.skops")
    rows, classes = np.array([[0.0], [2.0]]), np.array([0, 1])
    first = BaseModel.of(loaded.model, None, classes).predict(rows, classes, sha256=loaded.sha256)
    loaded.model.coef_[:] = 99
    again = BaseModel.of(loaded.model, None, classes).predict(rows, classes, sha256=loaded.sha256)
    np.testing.assert_array_equal(first.matched.proba, again.matched.proba)
    fresh = BaseModel.of(loaded.model, None, classes).predict(rows, classes)
    assert not np.array_equal(fresh.matched.proba, first.matched.proba)
