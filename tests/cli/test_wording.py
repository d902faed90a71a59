import pytest
from typer.main import get_command

from holdfast.cli import app
from holdfast.cli.wording import hint_of, in_options, options_of

TRAIN = options_of(get_command(app), ["train", "rows.csv", "--max-churn", "2"])


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("max_churn must be in [0, 1]", "--max-churn must be in [0, 1]"),
        ("mixture must be one of 'average'", "--mixture must be one of 'average'"),
        ("rows need max_churn, not a mixture", "rows need --max-churn, not a mixture"),
        ("use method='distill' or confidence=0.9", "use --method distill or --confidence 0.9"),
        ("seen_by_base must be a mask", "--seen must be a mask"),
        ("n_jobs must be 1; got --max-churn", "--jobs must be 1; got --max-churn"),
        ("the column 'max_churn' is missing", "the column 'max_churn' is missing"),
        ("my_max_churn must be", "my_max_churn must be"),
        ("estimator must take sample_weight", "--learner must take --weight"),
        ("train another estimator", "train another estimator"),
    ],
)
def test_messages(message, expected):
    assert in_options(message, TRAIN) == expected


def test_options_are_those_of_the_command():
    assert TRAIN["random_state"] == "--seed"
    assert "sample_weight" not in options_of(get_command(app), ["plan"])
    assert options_of(get_command(app), ["bench", "run", "mine"])["runs"] == "--runs"
    assert "max_churn" not in options_of(get_command(app), [])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--max-churn", "1%"], "write 0.01 for 1%"),
        (["--max-churn=2,5%"], "write 0.025 for 2,5%"),
        (["--min-gain", "-0.5%"], "write -0.005 for -0.5%"),
        (["--max-churn", "0.1"], None),
        (["100%.csv", "..%"], None),
    ],
)
def test_hints(arguments, expected):
    hint = hint_of(arguments)
    assert (hint is None) if expected is None else hint.endswith(expected)
