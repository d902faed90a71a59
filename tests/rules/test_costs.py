import numpy as np
import pandas as pd
import pytest

from holdfast.exceptions import InvalidInputError
from holdfast.rules import Argmax, Costs, Threshold

RNG = np.random.default_rng(0)
PROBA = RNG.dirichlet(np.ones(3), size=200)
NAMES = np.array(["ant", "bee", "cat"])
MATRIX = np.array([[0, 5, 9], [2, 0, 3], [4, 4, 0], [1, 1.5, 2]])
ANSWERS = ("stay", "look", "run", "wait")
RULE = Costs(MATRIX, answers=ANSWERS, classes=("ant", "bee", "cat"))


def cheapest(row, matrix):
    costs = [sum(p * cost for p, cost in zip(row, line, strict=True)) for line in matrix]
    return costs.index(min(costs)), sorted(costs)


def test_the_answer_has_the_least_expected_cost():
    expected = [ANSWERS[cheapest(row, MATRIX)[0]] for row in PROBA]
    assert RULE.decide(PROBA, classes=NAMES).tolist() == expected
    assert set(expected) == set(ANSWERS)


@pytest.mark.parametrize("order", [[2, 0, 1], [1, 0, 2]])
def test_columns_are_matched_by_value(order):
    expected = RULE.decide(PROBA, classes=NAMES).tolist()
    assert RULE.decide(PROBA[:, order], classes=NAMES[order]).tolist() == expected
    moved = Costs(MATRIX[:, order], answers=ANSWERS, classes=NAMES[order])
    assert moved.decide(PROBA, classes=NAMES).tolist() == expected


def test_without_names_the_answers_are_the_classes():
    bound = Costs(MATRIX[:3]).bind(NAMES)
    assert bound.answers.tolist() == NAMES.tolist()
    assert bound.utility.tolist() == (-MATRIX[:3]).tolist()
    expected = [cheapest(row, MATRIX[:3])[0] for row in PROBA]
    assert bound.decide(PROBA).tolist() == expected


def test_answers_that_are_the_classes_stand_in_their_order():
    order = [2, 0, 1]
    bound = Costs(MATRIX[:3][order], answers=NAMES[order]).bind(NAMES)
    assert bound.answers.tolist() == NAMES.tolist()
    assert bound.utility.tolist() == (-MATRIX[:3]).tolist()


def test_of_equally_cheap_answers_the_first_is_taken():
    rule = Costs([[0, 1], [1, 0]], answers=["b", "a"])
    assert rule.decide([[0.5, 0.5]]).tolist() == ["b"]


def test_special_cases_are_the_simpler_rules():
    wrong = Costs(1 - np.eye(3))
    assert wrong.decide(PROBA).tolist() == Argmax().decide(PROBA).tolist()
    np.testing.assert_allclose(
        wrong.bind(NAMES).distance(PROBA), Argmax().bind(NAMES).distance(PROBA), atol=1e-15
    )
    p = RNG.random(100)
    two = np.column_stack([1 - p, p])
    rule, same = Costs([[0, 0.75], [0.25, 0]]), Threshold(0.25)
    assert rule.decide(two).tolist() == same.decide(two).tolist()
    assert rule.bind([0, 1]).utility.tolist() == same.bind([0, 1]).utility.tolist()


def test_scaled_costs_and_costs_of_a_class_change_nothing():
    expected = RULE.decide(PROBA, classes=NAMES).tolist()
    other = Costs(1000 * MATRIX + [5.0, 0, -7.0], answers=ANSWERS, classes=NAMES)
    assert other.decide(PROBA, classes=NAMES).tolist() == expected
    np.testing.assert_allclose(
        other.bind(NAMES).distance(PROBA), RULE.bind(NAMES).distance(PROBA), atol=1e-12
    )


def test_no_smaller_move_than_the_distance_changes_the_answer():
    bound = RULE.bind(NAMES)
    distance, answers = bound.distance(PROBA), bound.decide(PROBA)
    for _ in range(20):
        step = RNG.dirichlet(np.ones(3), size=200) - PROBA
        step *= (0.999 * distance / np.abs(step).sum(axis=1))[:, None]
        assert (bound.decide(PROBA + step) == answers).all()


def test_answers_of_equal_costs_have_no_distance():
    rule = Costs([[0, 1], [0, 1], [1, 0]], answers=["a", "b", "c"])
    assert rule.bind([0, 1]).distance(np.array([[0.9, 0.1], [0.25, 0.75]])).tolist() == [0, 0.5]


def test_data_frames_bring_their_names():
    frame = pd.DataFrame(MATRIX, index=ANSWERS, columns=NAMES)
    assert Costs(frame) == RULE
    assert Costs(frame, answers=["a", "b", "c", "d"]).answers == ("a", "b", "c", "d")
    counted = Costs(pd.DataFrame(MATRIX[:3], columns=NAMES))
    assert counted.answers is None
    assert Costs(pd.DataFrame(MATRIX[:3])) == Costs(MATRIX[:3])


def test_costs_are_values():
    assert hash(RULE) == hash(Costs(MATRIX.tolist(), list(ANSWERS), NAMES.tolist()))
    assert repr(Costs([[0, 1], [2, 0]])) == (
        "Costs(matrix=((0.0, 1.0), (2.0, 0.0)), answers=None, classes=None)"
    )
    assert eval(repr(RULE), {"Costs": Costs}) == RULE


def test_an_answer_that_is_always_best_is_warned_of():
    rule = Costs([[0, 1], [0, 2]], answers=["wait", "go"])
    with pytest.warns(UserWarning, match="costs make 'wait' the best answer whatever the truth"):
        assert rule.decide([[0.5, 0.5]]).tolist() == ["wait"]


# --- wrong costs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matrix", "answers", "classes", "match"),
    [
        ([[0, np.nan], [1, 0]], None, None, "costs must be finite, got nan"),
        ([[0, np.inf], [1, 0]], None, None, "costs must be finite, got inf"),
        ([[0, None], [1, 0]], None, None, "costs must be finite, got nan"),
        ([0, 1], None, None, r"costs must be numbers of shape \(A, K\), got shape \(2,\)"),
        ([["a", "b"]], None, None, r"costs must be numbers of shape .* dtype <U1"),
        ([[0, 1], [2]], None, None, "costs must be rectangular"),
        (None, None, None, "costs must be a table of numbers, got NoneType; give a row for each"),
        ({"a": 1}, None, None, "costs must be a table of numbers, got dict"),
        (pd.DataFrame({"name": ["a"], "x": [0]}), None, None, r"costs must be .* dtype object"),
        ([[0, 1], [1, 0]], ["a"], None, "answers of the costs must be 2 names, one for each row"),
        ([[0, 1], [1, 0]], ["a", "a"], None, "answers of the costs must be distinct, got 'a' more"),
        ([[0, 1], [1, 0]], None, ["a"], "classes of the costs must be 2 names, one for each col"),
        ([[0, 1], [1, 0]], None, "ab", "classes of the costs must be a list of names, got 'ab'"),
    ],
)
def test_wrong_costs(matrix, answers, classes, match):
    with pytest.raises(InvalidInputError, match=match):
        Costs(matrix, answers=answers, classes=classes)


@pytest.mark.parametrize(
    ("rule", "classes", "match"),
    [
        (Costs([[0, 1], [1, 0]]), [0, 1, 2], r"a row for each of 3 answers and .*, got shape \(2,"),
        (Costs([[0, 1], [1, 0], [1, 1]]), [0, 1], r"costs must have a row for each of 2 answers"),
        (RULE, ["ant", "bee"], "costs must be those of the classes .*, got a column for 'cat'"),
        (RULE, [*NAMES, "dog"], r"costs must name all classes, got .* without 'dog'; add it"),
        (
            Costs([[0, 1], [1, 0]], classes=["0", "1"]),
            [0, 1],
            r"costs must name all classes, got \['0', '1'\] without 0; '0' is text",
        ),
        (Costs([[0, 1], [1, 0]], classes=[0, 1]), ["0", "1"], "without '0'; 0 is not text"),
    ],
)
def test_costs_that_do_not_fit_the_classes(rule, classes, match):
    with pytest.raises(InvalidInputError, match=match):
        rule.bind(classes)


# --- CSV ------------------------------------------------------------------------------------------


def written(tmp_path, text):
    path = tmp_path / "costs.csv"
    path.write_text(text, encoding="utf-8-sig")
    return path


def test_costs_are_read_from_csv(tmp_path):
    frame = pd.DataFrame(MATRIX, index=ANSWERS, columns=NAMES)
    frame.to_csv(tmp_path / "costs.csv")
    assert Costs.from_csv(tmp_path / "costs.csv") == RULE


@pytest.mark.parametrize(
    ("header", "classes"),
    [
        ("0,1", (0, 1)),
        ("False,True", (False, True)),
        ("no,yes", ("no", "yes")),
        ("01,2", ("01", "2")),
    ],
)
def test_names_in_csv_get_their_types(tmp_path, header, classes):
    rule = Costs.from_csv(written(tmp_path, f"answer,{header}\nwait, 0, 1\n\ngo, 1e1, -2\n"))
    assert rule == Costs([[0, 1], [10, -2]], answers=("wait", "go"), classes=classes)
    assert list(map(type, rule.classes)) == list(map(type, classes))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"costs must be a table .*, got lines of \[0\] cells"),
        ("answer,0,1\n", r"got lines of \[3\] cells"),
        ("answer,0,1\nwait,1\n", r"got lines of \[3, 2\] cells"),
        ("answer,0,1\nwait,1,much\n", "costs must be numbers, got 'much' for the answer 'wait'"),
        ("answer,0,1\nwait,1,\n", "costs must be numbers, got '' for the answer 'wait'"),
        ("answer,0,0\nwait,1,2\n", "classes of the costs must be distinct, got 0 more than once"),
        ("answer,0,1\nwait,1,nan\n", "costs must be finite, got nan"),
    ],
)
def test_wrong_files(tmp_path, text, match):
    with pytest.raises(InvalidInputError, match=match):
        Costs.from_csv(written(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(
        InvalidInputError, match=r"costs must be a readable file, got .*No such file"
    ):
        Costs.from_csv(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"a,\xff\n")
    with pytest.raises(InvalidInputError, match=r"costs must be a CSV file, got .*can't decode"):
        Costs.from_csv(tmp_path / "bytes.csv")
