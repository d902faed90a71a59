"""`holdfast predict` with models whose answers need care."""

import pickle

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from typer.testing import CliRunner

from holdfast.cli import app
from holdfast.common.files import file_hash


class AnswersInAColumn(DummyClassifier):
    """Answers as CatBoost does for several classes."""

    def predict(self, X):
        return super().predict(X)[:, None]


def test_answers_in_a_column(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
    model = AnswersInAColumn().fit(rows, ["a", "b", "b"])
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    rows.to_csv("rows.csv", index=False)
    trusted = f"model.pkl={file_hash(tmp_path / 'model.pkl')}"
    command = f"predict model.pkl rows.csv --out p.csv --trust-file {trusted}"
    done = CliRunner().invoke(app, command.split(), catch_exceptions=False)
    assert done.exit_code == 0
    table = pd.read_csv("p.csv")
    assert table["prediction"].tolist() == ["b"] * 3
    np.testing.assert_allclose(table["proba_b"], 2 / 3)
