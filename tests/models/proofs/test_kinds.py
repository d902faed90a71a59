"""Which estimators of scikit-learn load without trust, after a fit to few rows."""

import warnings

import numpy as np
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances

from holdfast.exceptions import UntrustedModelError
from holdfast.models.proofs.kinds import LOADERS, loaders_of, public_name
from holdfast.models.skops import read_skops, write_skops

X = np.random.default_rng(0).uniform(0.1, 1, size=(30, 3))
Y = (X[:, 0] > 0.5).astype(int)
COMPILED = {  # nothing proves that their compiled code stays inside its arrays
    *("BisectingKMeans", "DictionaryLearning", "Isomap", "KernelDensity", "LabelPropagation"),
    *("LabelSpreading", "LatentDirichletAllocation", "LocallyLinearEmbedding", "MiniBatchNMF"),
    *("MiniBatchDictionaryLearning", "MiniBatchSparsePCA", "NMF", "RadiusNeighborsClassifier"),
    *("SparseCoder", "SparsePCA", "SplineTransformer"),
}
UNBOUNDED = {"AdditiveChi2Sampler", "FeatureAgglomeration", "PatchExtractor"}
NO_ANSWERS = {  # they say nothing of new rows
    *("AgglomerativeClustering", "ClassicalMDS", "DBSCAN", "HDBSCAN", "MDS", "OPTICS", "TSNE"),
    *("SpectralBiclustering", "SpectralClustering", "SpectralCoclustering", "SpectralEmbedding"),
}
EXPERIMENTAL = {"HalvingGridSearchCV", "HalvingRandomSearchCV", "IterativeImputer"}
REFUSED = COMPILED | UNBOUNDED | NO_ANSWERS | EXPERIMENTAL
NOT_STORED = {"Birch"}  # by skops
SLOW = ("Halving", "GridSearchCV", "RandomizedSearchCV", "TSNE", "TheilSen", "SequentialFeature")


def rows_for(name, tags):
    """Return features and labels that an estimator takes."""
    features = X
    if tags.input_tags.string:
        features = ["aa bb cc", "bb cc dd"] * 15
    if tags.input_tags.dict:
        features = [{"a": 1}, {"b": 2}] * 15
    if tags.input_tags.one_d_array:
        features = X[:, 0]
    labels = Y + 1 if tags.target_tags.positive_only else Y
    if tags.target_tags.multi_output and not tags.target_tags.single_output:
        labels = np.c_[labels, labels]
    if name in ("LabelBinarizer", "LabelEncoder"):
        return (Y,)
    if name == "MultiLabelBinarizer":
        return ([[1], [2]],)
    if name == "KernelCenterer":
        return (np.eye(3),)
    return features, labels


def fitted(name, kind):
    if name == "FrozenEstimator":
        return FrozenEstimator(LogisticRegression().fit(X, Y))
    if name in ("MissingIndicator", "SparseCoder"):
        return kind().fit(X) if name == "MissingIndicator" else kind(X[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = next(iter(_construct_instances(kind)))
        return estimator.fit(*rows_for(name, estimator.__sklearn_tags__()))


@pytest.mark.parametrize(
    ("name", "kind"),
    [pair for pair in all_estimators() if pair[0] not in NOT_STORED and pair[0] not in SLOW],
    ids=lambda part: part if isinstance(part, str) else "",
)
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of those that will be removed
def test_estimators_of_scikit_learn(tmp_path, name, kind):
    model = fitted(name, kind)
    write_skops(model, tmp_path / "m.skops", {})
    if name in REFUSED:
        with pytest.raises(UntrustedModelError, match=rf"trusted_types=\[.*{name}'"):
            read_skops(tmp_path / "m.skops", ())
    else:
        assert type(read_skops(tmp_path / "m.skops", ()).model) is kind


def test_every_estimator_is_in_the_table_or_refused():
    listed = {name.rpartition(".")[2] for name in LOADERS}
    every = {name for name, _ in all_estimators()}
    assert every - listed == (REFUSED | NOT_STORED) & every


@pytest.mark.parametrize(
    ("model", "is_refused"),
    [
        (make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()), False),
        (make_pipeline(FunctionTransformer(np.clip, kw_args={"min": 0, "max": 1})), True),
        (make_pipeline(FunctionTransformer(np.save)), True),
        (make_pipeline(StandardScaler(), LogisticRegression(), memory="folder"), True),
        (
            make_column_transformer(
                (StandardScaler(), make_column_selector(dtype_include=np.number))
            ),
            False,
        ),
    ],
)
def test_what_can_run_code_is_refused(tmp_path, model, is_refused):
    write_skops(model, tmp_path / "m.skops", {})
    if not is_refused:
        read_skops(tmp_path / "m.skops", ())
        return
    with pytest.raises(UntrustedModelError, match="must hold trusted types only"):
        read_skops(tmp_path / "m.skops", ())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sklearn.linear_model._glm.glm.GammaRegressor", ("ObjectNode",)),
        ("sklearn.tree._tree.Tree", ("TreeNode",)),
        ("pathlib._local.PosixPath", ("ConstructorFromReduceNode", "ObjectNode")),
        ("pathlib.PosixPath", ("ConstructorFromReduceNode", "ObjectNode")),
        ("builtins.eval", ()),
        ("os.system", ()),
        ("sklearn.datasets._base.load_files", ()),
        ("joblib.numpy_pickle.load", ()),
    ],
)
def test_names_stand_for_their_public_ones(name, expected):
    assert loaders_of(name) == expected
    assert "._" not in public_name(name)
