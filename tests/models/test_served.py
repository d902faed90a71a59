import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError
from holdfast.models.base import BaseModel
from holdfast.models.joining import joined_linear_model
from holdfast.models.served import serve
from holdfast.selection.mixtures import mix
from holdfast.selection.override import override_classes

X, Y = make_classification(200, 5, n_informative=3, n_classes=3, random_state=0)
CLASSES = np.array(["a", "b", "c"])
BASE = BaseModel.of(GaussianNB().fit(X[:50], CLASSES[Y[:50]]), None, CLASSES)


def fitted(estimator, rows, classes=CLASSES, y=Y):
    return clone(estimator).fit(X[rows], classes[y[rows]])


A = fitted(LogisticRegression(), slice(0, 100))
B = fitted(LogisticRegression(C=0.1), slice(50, 200))
WEIGHTS = np.array([0.3, 0.7])


def test_one_model_is_served_as_it_is():
    served = serve([A], np.ones(1), CLASSES)
    assert served.model is A
    assert served.needs == "one model"


def test_average_of_models_and_base():
    served = serve([A, B], np.array([0.2, 0.3]), CLASSES, base_model=BASE, base_weight=0.5)
    expected = (
        0.2 * A.predict_proba(X) + 0.3 * B.predict_proba(X) + 0.5 * BASE.model.predict_proba(X)
    )
    np.testing.assert_allclose(served.model.predict_proba(X), expected, atol=1e-12)
    np.testing.assert_array_equal(served.model.predict(X), CLASSES[expected.argmax(1)])
    assert served.needs == "2 new models and the base model, averaged"
    assert served.model.classes_.tolist() == CLASSES.tolist()
    one = serve([A], np.array([0.5]), CLASSES, base_model=BASE, base_weight=0.5)
    assert one.needs == "1 new model and the base model, averaged"


def test_the_base_alone():
    served = serve([], np.empty(0), CLASSES, base_model=BASE, base_weight=1.0)
    np.testing.assert_array_equal(served.model.predict_proba(X), BASE.model.predict_proba(X))
    assert served.needs == "the base model, unchanged"


@pytest.mark.parametrize("average_in", ["probability", "log_odds"])
def test_rows_that_the_base_cannot_predict_get_the_average_of_the_others(average_in):
    def holes(X):
        proba = BASE.model.predict_proba(X)
        proba[::4] = np.nan
        return proba

    base = BaseModel.of(holes, CLASSES, CLASSES)
    options = {"average_in": average_in, "base_model": base}
    model = serve([A, B], np.array([0.1, 0.3]), CLASSES, base_weight=0.6, **options).model
    proba = model.predict_proba(X)
    alone = serve([A, B], np.array([0.25, 0.75]), CLASSES, average_in=average_in).model
    np.testing.assert_allclose(proba[::4], alone.predict_proba(X)[::4], atol=1e-12)
    assert np.isfinite(proba).all()
    only = serve([], np.empty(0), CLASSES, base_weight=1.0, **options).model
    with pytest.raises(InvalidInputError, match="for every row when it is served alone, got 50"):
        only.predict(X)


def test_override():
    served = serve([A], np.ones(1), CLASSES, base_model=BASE, threshold=0.2)
    base_pred = BASE.predict(X, CLASSES).pred
    expected = override_classes(A.predict_proba(X), base_pred, 0.2)
    np.testing.assert_array_equal(served.model.predict(X), CLASSES[expected])
    np.testing.assert_array_equal(served.model.predict_proba(X).argmax(1), expected)
    assert served.needs.startswith("the base model and one new model")


@pytest.mark.parametrize(
    ("average_in", "what"),
    [
        ("probability", "2 new models, which override"),
        ("log_odds", "one new model, which overrides"),
    ],
)
def test_an_override_by_several_says_how_many_are_served(average_in, what):
    options = {"average_in": average_in, "base_model": BASE, "threshold": 0.2}
    served = serve([A, B], WEIGHTS, CLASSES, **options)
    assert served.needs == f"the base model and {what} it where surer"
    new = mix(np.stack([m.predict_proba(X) for m in (A, B)]), WEIGHTS, average_in)
    expected = CLASSES[override_classes(new, BASE.predict(X, CLASSES).pred, 0.2)]
    np.testing.assert_array_equal(served.model.predict(X), expected)


def test_served_models_cannot_be_fitted_and_clone_to_themselves():
    for options in ({"base_weight": 0.5}, {"threshold": 0.1}):
        model = serve([A], np.array([0.5]), CLASSES, base_model=BASE, **options).model
        with pytest.raises(UnsupportedEstimatorError, match="it only serves"):
            model.fit(X, Y)
        assert clone(model) is model


def test_feature_names_are_those_of_the_models_inside():
    frame = pd.DataFrame(X, columns=list("vwxyz"))
    named = LogisticRegression().fit(frame, CLASSES[Y])
    base = BaseModel.of(named, None, CLASSES)
    for model in (
        serve([named, named], WEIGHTS, CLASSES).model,
        serve([], np.empty(0), CLASSES, base_model=base, base_weight=1.0).model,
        serve([named], np.ones(1), CLASSES, base_model=base, threshold=0.1).model,
    ):
        assert model.feature_names_in_.tolist() == list("vwxyz")
    assert not hasattr(serve([A, B], WEIGHTS, CLASSES).model, "feature_names_in_")


# --- linear models in log-odds --------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
def test_joined_linear_models_predict_the_average_of_log_odds(n_classes):
    y = Y if n_classes == 3 else np.minimum(Y, 1)
    classes = CLASSES[:n_classes]
    models = [
        fitted(LogisticRegression(C=c), rows, classes, y)
        for c, rows in ((1.0, slice(0, 100)), (0.1, slice(100, 200)), (5.0, slice(50, 150)))
    ]
    weights = np.array([0.2, 0.5, 0.3])
    served = serve(models, weights, classes, average_in="log_odds")
    assert type(served.model) is LogisticRegression
    assert served.needs == "one model, joined from 3 linear models"
    logs = np.tensordot(weights, [np.log(m.predict_proba(X)) for m in models], axes=1)
    expected = softmax(logs, axis=1)
    np.testing.assert_allclose(served.model.predict_proba(X), expected, atol=1e-9)
    np.testing.assert_array_equal(served.model.predict(X), classes[expected.argmax(1)])
    assert models[0].coef_ is not served.model.coef_


def test_pipelines_join_when_they_share_their_transformers():
    scaler = StandardScaler().fit(X)
    pipelines = [make_pipeline(scaler, model) for model in (A, B)]
    joined = joined_linear_model(pipelines, WEIGHTS)
    assert joined[0] is scaler
    logs = np.tensordot(WEIGHTS, [np.log(p.predict_proba(X)) for p in pipelines], axes=1)
    np.testing.assert_allclose(joined.predict_proba(X), softmax(logs, axis=1), atol=1e-9)
    assert pipelines[0][-1] is A
    other = make_pipeline(StandardScaler().fit(X), B)
    assert joined_linear_model([pipelines[0], other], WEIGHTS) is None


@pytest.mark.parametrize(
    "estimator", [SGDClassifier(loss="modified_huber", random_state=0), GaussianNB()]
)
def test_models_whose_log_odds_are_not_linear_do_not_join(estimator):
    models = [fitted(estimator, slice(0, 100)), fitted(estimator, slice(100, 200))]
    assert joined_linear_model(models, WEIGHTS) is None
    assert joined_linear_model([A, models[0]], WEIGHTS) is None
    served = serve(models, WEIGHTS, CLASSES, average_in="log_odds")
    assert served.needs == "2 new models, averaged"


def test_models_of_other_classes_do_not_join():
    fewer = LogisticRegression().fit(X[Y < 2], CLASSES[Y[Y < 2]])
    assert joined_linear_model([A, fewer], WEIGHTS) is None
