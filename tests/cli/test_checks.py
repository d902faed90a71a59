import pytest

from holdfast.cli.checks import explained
from holdfast.exceptions import InvalidInputError


class LibraryError(Exception):
    """An error that a library defines, as LightGBM and CatBoost do."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("[10:18:10] /src/data.cc:24: bad categories\nStack trace:\n  [bt] (0)"),
        KeyError("bad categories"),
        LibraryError("bad categories"),
    ],
)
def test_errors_of_models_are_one_line(error):
    match = r"^the data must suit the model for training, got: '?bad categories'?; check the types"
    with pytest.raises(InvalidInputError, match=match), explained("training"):
        raise error


@pytest.mark.parametrize("error", [MemoryError("full"), OSError("no disk"), AssertionError("ours")])
def test_other_errors_pass(error):
    with pytest.raises(type(error), match=str(error)), explained("training"):
        raise error
