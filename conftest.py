"""What the tests need of their surroundings: installed extras only, and a cache of their own."""

from importlib.util import find_spec

import pytest

MODULES_OF = {
    "torch": ["nn/*", "learners/networks/*"],
    "onnx": ["models/onnx/*"],
    "onnxruntime": ["models/onnx/*"],
    "lightgbm": ["learners/boosting/lightgbm*.py"],
    "xgboost": ["learners/boosting/xgboost*.py"],
    "catboost": ["learners/boosting/catboost*.py"],
}
TESTS_OF = {"onnx": ["helpers/onnx_files.py"]}
collect_ignore_glob = [
    f"{folder}/{module}"
    for folder, modules_of in (("src/holdfast", MODULES_OF), ("tests", TESTS_OF))
    for library, modules in modules_of.items()
    if find_spec(library) is None
    for module in modules
]


@pytest.fixture(autouse=True, scope="session")
def cache_of_the_tests(tmp_path_factory):
    """Keep the predictions of model files out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
