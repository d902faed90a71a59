"""Addresses of a registry go to the registry, unopened."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from holdfast import LowChurnClassifier
from holdfast.models.card import LoadedModel
from holdfast.models.loading import as_loaded, load_model

X = np.random.default_rng(0).normal(size=(200, 2))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
BASE = LogisticRegression().fit(X[:50], Y[:50])


@pytest.fixture
def asked(monkeypatch):
    """Stand in for the registry, which needs a server: what it was asked for."""
    calls = []

    def load_registered(address, *, trusted_types=(), trusted_files=None):
        calls.append((address, trusted_types, trusted_files))
        return LoadedModel(BASE, {"rows": 50})

    registry = ModuleType("holdfast.models.mlflow.models")
    registry.load_registered = load_registered
    monkeypatch.setitem(sys.modules, registry.__name__, registry)
    return calls


@pytest.mark.parametrize(
    "address", ["models:/fraud@champion", "models:/fraud/3", "runs:/0a1b/model"]
)
def test_an_address_goes_to_the_registry(asked, address):
    trusted = {"model.pkl": "0" * 64}
    loaded = load_model(address, trusted_types=["some.Type"], trusted_files=trusted)
    assert loaded.model is BASE
    assert loaded.card == {"rows": 50}
    load_model(Path(address), trusted_types="some.Type", trusted_files=trusted)
    assert asked == [(address, ("some.Type",), trusted)] * 2


def test_a_file_does_not(asked, tmp_path):
    (tmp_path / "models:").mkdir()
    with pytest.raises(ValueError, match="must be a readable model file"):
        load_model(tmp_path / "models:" / "fraud")
    assert asked == []


def test_an_update_asks_when_it_is_fitted(asked):
    model = LowChurnClassifier(
        LogisticRegression(), "models:/fraud@champion", lambdas=[0.5], random_state=0
    )
    copied = clone(model)
    assert copied.get_params()["base_model"] == "models:/fraud@champion"
    assert asked == []
    copied.fit(X, Y)
    assert asked == [("models:/fraud@champion", (), None)]
    direct = LowChurnClassifier(LogisticRegression(), BASE, lambdas=[0.5], random_state=0)
    expected = direct.fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(copied.predict_proba(X), expected)


def test_what_is_loaded_already_stays_as_it_is(asked):
    loaded = LoadedModel(BASE, {}, "a" * 64)
    assert as_loaded(loaded) is loaded
    assert as_loaded(BASE) == LoadedModel(BASE)
    assert asked == []
