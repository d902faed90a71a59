"""Reports as JSON: what was saved renders the same, and nothing else is read."""

import copy
import json

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from holdfast import LowChurnClassifier, compare
from holdfast.comparison import Policy
from holdfast.exceptions import InvalidInputError
from holdfast.render.page import render_page
from holdfast.report.frontier import frontier
from holdfast.report.ladder import ladder
from holdfast.report.saved import read_summary, to_json
from holdfast.report.summarise import summarise_comparison

JUNK = [None, True, -1, 1e300, 10**400, "text", "\ud800", [], [[]], {}, [None], {"a": 1}, [1, 2, 3]]


NESTED: dict = {}
for _ in range(100):
    NESTED = {"a": NESTED}


@pytest.fixture(scope="module")
def summary():
    X, y = make_classification(900, n_informative=4, n_classes=3, random_state=0)
    base = LogisticRegression().fit(X[:60], y[:60])
    model = LowChurnClassifier(
        LogisticRegression(), base, max_churn=0.2, confidence=0.9, random_state=0
    ).fit(X[:600], y[:600])
    test, labels = X[600:], y[600:]
    groups = {"side": np.where(test[:, 0] > 0, "left </script>", "right")}
    new = model.predict_proba(test)
    comparison = compare(base.predict_proba(test), new, labels, groups=groups, max_group_churn=0.3)
    made = summarise_comparison(
        comparison,
        decision=Policy(max_churn=0.2, per_group=0.3).decide(comparison),
        base=base.predict_proba(test),
        new=new,
        y=labels,
        ids=[f"id {i}\ud800" for i in range(len(test))],
        groups=groups,
        facts={"command": ["a", "b"], "nan": float("nan")},
    )
    step = {"name": "cold", "budget": None, "accuracy": 0.9, "accuracy_interval": [0.8, 0.95]}
    return made | {
        "serving": model.serving_,
        "certificate": str(model.certificate_).splitlines(),
        "frontier": frontier(model, floor=0.01),
        "ladder": ladder(model),
        "budgets": [step | {"churn_rate": 0.01, "status": None}],
    }


def saved(tmp_path, content):
    path = tmp_path / "result.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_what_was_saved_renders_the_same_bytes(tmp_path, summary):
    page = render_page(summary)
    assert page.count("<section") >= 9
    assert render_page(read_summary(saved(tmp_path, to_json(summary)))) == page


def test_every_part_of_a_summary_may_be_missing(tmp_path, summary):
    for key in summary:
        rest = {name: part for name, part in summary.items() if name != key}
        assert "</html>" in render_page(read_summary(saved(tmp_path, to_json(rest))))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must be whole JSON"),
        (b'{"format": "holdfast-report", ', "must be whole JSON"),
        (b"\xff\xfe", "must be whole JSON"),
        (b"[" * 100_000, "must be whole JSON"),
        (b'{"format": "holdfast-report", "x": NaN}', "got: the number NaN"),
        (b"9" * 5000, "must be whole JSON"),
        (b"[1]", "must be a report of holdfast"),
        (b'{"format": "other"}', "must be a report of holdfast"),
        (b'{"format": "holdfast-report"}', "must have format_version 1, got None"),
        (b'{"format": "holdfast-report", "format_version": 2}', "format_version 1, got 2"),
        (b'{"format": "holdfast-report", "format_version": true}', "format_version 1, got True"),
        (b'{"format": "holdfast-report", "format_version": 1}', "hold a summary, got NoneType"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    with pytest.raises(InvalidInputError, match=message):
        read_summary(saved(tmp_path, content))


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="got no file at"):
        read_summary(tmp_path / "none.json")
    with pytest.raises(InvalidInputError, match="got the folder"):
        read_summary(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": 5}, "summary.title = '5' instead of text"),
        ({"matrix": {"classes": ["a"], "counts": [[1, 2]]}}, "1 lists of 1 numbers"),
        ({"matrix": {"classes": ["a"]}}, "1 lists of 1 numbers"),
        ({"rows": {"rows": [{}], "shown": [1]}}, "positions below 1"),
        ({"rows": {"rows": [{}], "groups": [{"rows": [0, 7]}]}}, "positions below 1"),
        ({"ladder": {"steps": [{"churn_rate": "x\" onload=\"1"}]}}, "instead of a number"),
        ({"comparison": {"churn_rate_interval": [1, 2, 3]}}, "instead of an interval"),
        ({"comparison": {"groups": [None]}}, "instead of an entry"),
        ({"provenance": {"a": NESTED}}, "instead of facts"),
    ],
)  # fmt: skip
def test_other_shapes_are_refused(tmp_path, changes, message):
    with pytest.raises(InvalidInputError, match=message):
        read_summary(saved(tmp_path, to_json(changes)))


def places(value, path=()):
    yield path
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def test_whatever_stands_where_it_does_not_belong_is_refused_or_shown(tmp_path, summary):
    """A changed file never ends in another error, and never gives a page with other elements."""
    small = json.loads(to_json(summary | {"frontier": None}))["summary"]
    small["rows"]["rows"] = small["rows"]["rows"][:2]
    small["rows"] |= {"shown": [0], "changes": [], "groups": small["rows"]["groups"][:1]}
    small["rows"]["groups"][0]["rows"] = [1]
    small["ladder"]["steps"] = small["ladder"]["steps"][-1:]
    rng = np.random.default_rng(0)
    everywhere = [path for path in places(small) if path]
    refused = 0
    for number in rng.permutation(len(everywhere))[:250]:
        *way, last = everywhere[number]
        changed = copy.deepcopy(small)
        holder = changed
        for key in way:
            holder = holder[key]
        holder[last] = JUNK[rng.integers(len(JUNK))]
        text = json.dumps({"format": "holdfast-report", "format_version": 1, "summary": changed})
        try:
            page = render_page(read_summary(saved(tmp_path, text)))
        except InvalidInputError:
            refused += 1
        else:
            assert page.rstrip().endswith("</html>")
    assert 50 < refused < 240
