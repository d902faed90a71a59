"""Saved reports that cannot be shown, and what the message must hold."""

import json

import numpy as np
from tests.helpers.cases import new_file, new_folder

from holdfast.comparison import compare
from holdfast.report.rows import sampled_rows
from holdfast.report.saved import FORMAT, FORMAT_VERSION, read_summary


def saved(**changes):
    """Read a report that is right but for the given entries."""
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, "summary": {}} | changes
    return read_summary(new_file(json.dumps(content), "report.json"))


CASES = {
    "report/rows.py _Models.of #1": (
        lambda: sampled_rows(compare([0], [1], [0]), np.ones((1, 2)) / 2, np.ones((1, 3)) / 3),
        "got (1, 2), (1, 3) and (3,)",
    ),
    "report/saved.py _summary_of #1": (
        lambda: saved(format="other"),
        "got other JSON; give a file that --report FILE.json wrote",
    ),
    "report/saved.py _summary_of #2": (
        lambda: saved(format_version=99),
        "must have format_version 1, got 99; read it with the release of holdfast that wrote it",
    ),
    "report/saved.py _summary_of #3": (
        lambda: saved(summary=[]),
        "must hold a summary, got list",
    ),
    "report/saved.py read_summary #1": (
        lambda: read_summary(new_folder()),
        "path must be a report in JSON, got the folder",
    ),
    "report/saved.py read_summary #2": (
        lambda: read_summary(new_file('{"format": NaN}', "report.json")),
        "report.json must be whole JSON, got: the number NaN, which JSON does not have",
    ),
    "report/saved.py read_summary #3": (
        lambda: saved(summary={"title": 3}),
        "must hold a summary as holdfast writes it, got",
    ),
}
