import hashlib
import pickle
import re
import zipfile

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

import holdfast
from holdfast import LowChurnClassifier
from holdfast.common.files import file_hash
from holdfast.exceptions import InvalidInputError, UntrustedModelError
from holdfast.models.card import LoadedModel
from holdfast.models.deciding import rule_of_model
from holdfast.models.files import save_model
from holdfast.models.loading import load_model
from holdfast.rules import Threshold

TREE = "sklearn.tree._tree.Tree"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=120), "b": rng.normal(size=120)})
    X["c"] = rng.choice(["x", "y", "z"], 120)
    return X, np.where(X["a"] > 0, "yes", "no")


def on_frames(model):
    numeric = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    columns = [("n", numeric, ["a", "b"]), ("c", OneHotEncoder(), ["c"])]
    return make_pipeline(ColumnTransformer(columns, sparse_threshold=0), model)


def simple_model():
    return LogisticRegression().fit([[0.0], [1.0]], [0, 1])


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.skops"
    save_model(simple_model(), path, card={"rows": 2})
    return path


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        CalibratedClassifierCV(GaussianNB(), method="sigmoid", cv=2),
        CalibratedClassifierCV(GaussianNB(), method="isotonic", cv=2),
        VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], voting="soft"),
        StackingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], cv=2),
        MLPClassifier((3,), solver="adam", max_iter=5),
        MLPClassifier((3,), solver="sgd", max_iter=5),
        RandomForestClassifier(3, random_state=0),
        HistGradientBoostingClassifier(max_iter=3),
        KNeighborsClassifier(3),
        SVC(),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_common_models_round_trip_without_naming_types(tmp_path, data, model):
    X, y = data
    fitted = on_frames(model).fit(X, y)
    save_model(fitted, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert loaded.card == {}
    np.testing.assert_array_equal(loaded.model.predict(X), fitted.predict(X))


def test_card_round_trips(tmp_path):
    card = {"base": "v1", "rows": 3, "budget": 0.02, "tags": ["a", None, True], "n": {"x": 1}}
    save_model(simple_model(), tmp_path / "m.skops", card=card)
    assert load_model(tmp_path / "m.skops").card == card


def test_saving_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "m.skops"
    path.write_text("old")
    save_model(simple_model(), str(path))
    assert load_model(str(path)).model.predict([[1.0]]) == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["m.skops"]


def test_a_failed_save_keeps_the_old_file(saved, tmp_path):
    before = saved.read_bytes()
    model = simple_model()
    model.handle_ = (i for i in range(3))
    with pytest.raises(InvalidInputError, match="model must be storable without pickle"):
        save_model(model, saved)
    assert saved.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.skops"]


@pytest.mark.parametrize(
    ("model", "path", "card", "match"),
    [
        (object(), "m.skops", None, "model must be a fitted model with predict, got object"),
        (LogisticRegression, "m.skops", None, "must be a fitted model with predict, got"),
        (simple_model(), "m.pkl", None, r"path must end in \.skops or .*, got 'm.pkl'.*'m.skops'"),
        (simple_model(), "m.skops", {"x": np.zeros(2)}, "card must hold plain values, got"),
        (simple_model(), "none/m.skops", None, "the folder of .* must exist"),
    ],
)
def test_save_refuses(tmp_path, model, path, card, match):
    with pytest.raises(InvalidInputError, match=match):
        save_model(model, tmp_path / path, card=card)


def test_bare_skops_file(tmp_path):
    skops.io.dump(simple_model(), tmp_path / "bare.skops")
    loaded = load_model(tmp_path / "bare.skops")
    assert loaded.card == {}
    assert loaded.model.predict([[0.0]]) == [0]


def with_attribute(value):
    model = simple_model()
    model.extra_ = value
    return model


def test_own_classes_are_trusted(tmp_path):
    save_model(with_attribute(LoadedModel(3, {"a": 1})), tmp_path / "m.skops")
    assert load_model(tmp_path / "m.skops").model.extra_ == LoadedModel(3, {"a": 1})


def test_own_functions_are_not_trusted(tmp_path):
    save_model(with_attribute(FunctionTransformer(load_model)), tmp_path / "m.skops")
    with pytest.raises(UntrustedModelError, match=r"holdfast\.models\.loading\.load_model"):
        load_model(tmp_path / "m.skops")


def rewrite_schema(path, old, new):
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    assert old in entries["schema.json"]
    entries["schema.json"] = entries["schema.json"].replace(old, new)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "module", [b"holdfast.models.card", b"holdfast.no_such_module", b"subprocess"]
)
def test_a_name_that_a_holdfast_module_imports_is_not_holdfasts(tmp_path, module):
    path = tmp_path / "m.skops"
    save_model(with_attribute(LoadedModel(3)), path)
    rewrite_schema(path, b'"__class__": "LoadedModel"', b'"__class__": "Path"')
    rewrite_schema(path, b'"__module__": "holdfast.models.card"', b'"__module__": "%s"' % module)
    with pytest.raises(UntrustedModelError, match=rf"got {module.decode()}\.Path;"):
        load_model(path)


def test_other_types_are_named_in_the_error(tmp_path):
    path = tmp_path / "m.skops"
    model = make_pipeline(FunctionTransformer(np.clip, kw_args={"a_min": 0, "a_max": 1}), SVC())
    save_model(model.fit([[0.0], [1.0]], [0, 1]), path)
    names = skops.io.get_untrusted_types(file=path)
    assert len(names) == 1
    with pytest.raises(UntrustedModelError, match=re.escape(f"pass trusted_types={names!r}")):
        load_model(path)
    with pytest.raises(UntrustedModelError, match=re.escape(f"--trust-type {names[0]})")):
        load_model(path, trusted_types=["other.Type"])
    assert load_model(path, trusted_types=names).model.predict([[0.0]]) == [0]


@pytest.mark.parametrize("name", ["m.pkl", "m.pickle", "m.joblib", "m.skops", "m"])
def test_pickle_is_refused_unless_its_content_is_trusted(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(simple_model()))
    with pytest.raises(UntrustedModelError, match="is a pickle, which can run any code"):
        load_model(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(UntrustedModelError, match=f"--trust-file {name}={sha256}"):
        load_model(path, trusted_types=[name, str(path), TREE], trusted_files={"other": sha256})
    with pytest.raises(UntrustedModelError, match="a pickle with another content than the trusted"):
        load_model(path, trusted_files={name: "0" * 64})
    for trusted in ({name: sha256}, {str(path): sha256.upper()}, {path: ["0" * 64, sha256]}):
        assert load_model(path, trusted_files=trusted).model.predict([[1.0]]) == [1]


def test_refusing_a_pickle_runs_none_of_it(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "fired"), "w"))

    (tmp_path / "bomb.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UntrustedModelError, match="bomb"):
        load_model(tmp_path / "bomb.bin")
    assert not (tmp_path / "fired").exists()


def test_compressed_joblib(tmp_path):
    joblib.dump(simple_model(), tmp_path / "m.joblib", compress=3)
    with pytest.raises(UntrustedModelError, match="is a pickle"):
        load_model(tmp_path / "m.joblib")
    assert load_model(
        tmp_path / "m.joblib", trusted_files={"m.joblib": file_hash(tmp_path / "m.joblib")}
    ).model.predict([[0.0]]) == [0]


def test_damaged_pickle(tmp_path):
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(simple_model())[:50])
    with pytest.raises(InvalidInputError, match="must be a whole pickle"):
        load_model(path, trusted_files={"m.pkl": file_hash(path)})


@pytest.mark.parametrize("keep", [5, 0.3, 0.6, 0.99])
def test_truncated_file(saved, keep):
    content = saved.read_bytes()
    saved.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(InvalidInputError, match="cut short or damaged"):
        load_model(saved)


def test_damaged_schema(saved):
    rewrite_schema(saved, b'"DictNode"', b'"NoSuchNode"')
    with pytest.raises(InvalidInputError, match="cut short or damaged"):
        load_model(saved)


def test_missing_file_folder_and_others(tmp_path):
    with pytest.raises(InvalidInputError, match=r"got .*none\.skops: No such file.*check the path"):
        load_model(tmp_path / "none.skops")
    with pytest.raises(InvalidInputError, match="got the folder"):
        load_model(tmp_path)
    for content in (b"", b"some text"):
        (tmp_path / "text.skops").write_bytes(content)
        with pytest.raises(InvalidInputError, match="got a file that is neither skops"):
            load_model(tmp_path / "text.skops")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(InvalidInputError, match="got a zip file of something else"):
        load_model(tmp_path / "other.zip")


def test_file_without_a_model(tmp_path):
    for name, content in {"d": {"a": 1}, "s": StandardScaler()}.items():
        skops.io.dump(content, tmp_path / name)
        with pytest.raises(InvalidInputError, match="must be a fitted model with predict, got"):
            load_model(tmp_path / name)


def test_later_format(tmp_path):
    content = {"format": "holdfast-model", "format_version": 3, "holdfast": "9.0"}
    skops.io.dump(content, tmp_path / "m.skops")
    with pytest.raises(InvalidInputError, match=r"got 3, written by holdfast 9\.0; install"):
        load_model(tmp_path / "m.skops")


@pytest.mark.parametrize(
    "card",
    [
        "notdict",
        None,
        {"features": 5},
        {"features": "ab"},
        {"features": ["a", 1]},
        {"target": 3},
        {"learner": ["linear"]},
        {"feature_types": {"a": "text"}},
    ],
)
def test_crafted_card(tmp_path, card):
    content = {"format": "holdfast-model", "format_version": 1, "card": card}
    skops.io.dump(content | {"model": simple_model()}, tmp_path / "m.skops")
    with pytest.raises(InvalidInputError, match=r"m\.skops must have a card that is a dictionary"):
        load_model(tmp_path / "m.skops")


def test_crafted_format(tmp_path):
    skops.io.dump({"format": np.array(["a", "b"])}, tmp_path / "m.skops")
    with pytest.raises(InvalidInputError, match="must be a fitted model with predict"):
        load_model(tmp_path / "m.skops")


def test_zip_bomb(tmp_path, saved, monkeypatch):
    with zipfile.ZipFile(saved, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.npy", bytes(2**22))
    assert isinstance(load_model(saved), LoadedModel)
    monkeypatch.setattr("holdfast.models.skops.MAX_UNPACKED", 2**21)
    with pytest.raises(
        InvalidInputError, match="must unpack to at most 2 MB or 100 times its size"
    ):
        load_model(saved)


def test_a_model_of_zeros_is_no_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr("holdfast.models.skops.MAX_UNPACKED", 2**21)
    model = simple_model()
    model.zeros_ = np.zeros(2**19)
    save_model(model, tmp_path / "m.skops")
    assert not load_model(tmp_path / "m.skops").model.zeros_.any()


def test_other_release_of_scikit_learn_is_warned_about(saved, monkeypatch):
    monkeypatch.setattr("sklearn.base.__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match="LogisticRegression"):
        load_model(saved)


def test_available_from_the_package():
    assert holdfast.load_model is load_model
    assert holdfast.save_model is save_model


@pytest.mark.parametrize("mixture", ["average", "single", "override"])
def test_a_file_holds_the_rule(tmp_path, mixture):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    y = np.where(X[:, 0] + rng.normal(size=600) > 1.5, "fraud", "fine")
    base = FixedThresholdClassifier(LogisticRegression(), threshold=0.2, pos_label="fraud")
    base.fit(X[:200], y[:200])
    model = LowChurnClassifier(
        LogisticRegression(), base, max_churn=0.1, mixture=mixture, random_state=0
    ).fit(X, y)
    for one in (model, model.served_):
        save_model(one, tmp_path / "model.skops")
        loaded = load_model(tmp_path / "model.skops").model
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert rule_of_model(model) == rule_of_model(loaded) == Threshold(0.2, positive="fraud")
    types = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    content = skops.io.load(tmp_path / "model.skops", trusted=types)
    assert content["format_version"] == 2
    save_model(base.estimator_, tmp_path / "model.skops")
    content = skops.io.load(tmp_path / "model.skops", trusted=[])
    assert content["format_version"] == 1
