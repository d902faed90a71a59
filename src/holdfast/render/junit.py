"""Turns the decision of a policy into JUnit XML, which CI systems show as test cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from holdfast.render.texts import visible

__all__ = ["render_junit"]

_ELEMENTS = {"fail": "failure", "underpowered": "error"}


def render_junit(decision: Mapping[str, Any], *, suite: str = "holdfast") -> str:
    """Return a decision as JUnit XML, one test case for each check.

    A check that passes is a passed test, and one that fails is a failure. An underpowered check is
    an error and not a skipped test: CI systems let skipped tests pass, but a model on HOLD must not
    pass. A group that is judged together with other small groups is no test of its own.

    Parameters
    ----------
    decision : mapping
        The result of `Decision.to_dict`, of which ``verdict`` and ``checks`` are used.
    suite : str
        The name of the test suite.

    Returns
    -------
    str
        The XML text. Characters that XML cannot hold, or that would forge lines, are escaped.

    Examples
    --------
    >>> from holdfast import Policy, compare
    >>> decision = Policy(max_churn=0.5).decide(compare([0, 1] * 50, [0, 0] * 50))
    >>> text = render_junit(decision.to_dict())
    >>> 'tests="1" failures="0" errors="1"' in text
    True
    """
    checks = [check for check in decision["checks"] if check["status"] != "small"]
    broken = [_ELEMENTS.get(check["status"]) for check in checks]
    totals = {
        "tests": str(len(checks)),
        "failures": str(broken.count("failure")),
        "errors": str(broken.count("error")),
        "skipped": "0",
    }
    root = ElementTree.Element("testsuites", totals)
    own = ElementTree.SubElement(root, "testsuite", {"name": visible(suite)} | totals)
    properties = ElementTree.SubElement(own, "properties")
    ElementTree.SubElement(
        properties, "property", {"name": "verdict", "value": visible(decision["verdict"])}
    )
    for check, element in zip(checks, broken, strict=True):
        case = ElementTree.SubElement(
            own, "testcase", {"classname": "holdfast.policy", "name": visible(check["name"])}
        )
        reason = visible(check["reason"])
        if element is None:
            ElementTree.SubElement(case, "system-out").text = reason
        else:
            attributes = {"type": check["status"], "message": reason}
            ElementTree.SubElement(case, element, attributes).text = reason
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'
