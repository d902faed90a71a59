import dataclasses
import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.comparison import Policy, Verdict, compare
from holdfast.comparison.binomial import tail
from holdfast.exceptions import InvalidInputError


def comparison(n=2000, lost=0, gained=0, groups=None):
    """`lost` rows go from right to wrong, `gained` from wrong to right."""
    y, base, new = np.zeros(n, int), np.zeros(n, int), np.zeros(n, int)
    new[:lost] = 1
    base[lost : lost + gained] = 1
    return compare(base, new, y, groups=groups)


def verdict(found, **limits):
    return Policy(**limits).decide(found).verdict


# --- verdicts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "measure"),
    [("max_churn", "churn_rate"), ("max_negative_flips", "negative_flip_rate")],
)
def test_upper_limits_at_every_edge(limit, measure):
    found = comparison(lost=40, gained=25)
    low, high = getattr(found, f"{measure}_interval")
    for value, expected in (
        (high, "PROMOTE"),
        (np.nextafter(high, 0), "HOLD"),
        (low, "HOLD"),
        (np.nextafter(low, 0), "REJECT"),
        (0, "REJECT"),
        (1, "PROMOTE"),
    ):
        assert verdict(found, **{limit: value}) == expected


def test_gain_at_every_edge_and_below_zero():
    found = comparison(lost=40, gained=25)
    low, high = found.accuracy_gain_interval
    assert low < -0.005 < high
    for value, expected in (
        (low, "PROMOTE"),
        (np.nextafter(low, 1), "HOLD"),
        (high, "HOLD"),
        (np.nextafter(high, 1), "REJECT"),
        (-1, "PROMOTE"),
        (1, "REJECT"),
        (-0.005, "HOLD"),
    ):
        assert verdict(found, min_gain=value) == expected
    assert verdict(comparison(lost=10, gained=10), min_gain=-0.01) is Verdict.PROMOTE
    assert verdict(comparison(lost=200), min_gain=-0.01) is Verdict.REJECT


def test_one_broken_limit_rejects_and_one_open_limit_holds():
    found = comparison(lost=40, gained=25)
    kept, open_, broken = 0.5, found.churn_rate, 0.001
    for flips, churn in product((kept, open_, broken), repeat=2):
        decision = Policy(max_churn=churn, max_negative_flips=0.99 if flips == kept else 0.0001)
        assert decision.decide(found).verdict in ("PROMOTE", "REJECT", "HOLD")
    assert verdict(found, max_churn=kept, max_negative_flips=kept) == "PROMOTE"
    assert verdict(found, max_churn=open_, max_negative_flips=kept) == "HOLD"
    assert verdict(found, max_churn=open_, max_negative_flips=broken) == "REJECT"
    assert verdict(found, max_churn=kept, max_negative_flips=broken) == "REJECT"


def test_reasons_name_what_decided():
    found = comparison(lost=40, gained=25)
    decision = Policy(max_churn=0.5, max_negative_flips=0.001, min_gain=0.5).decide(found)
    assert [check.status for check in decision.checks] == ["pass", "fail", "fail"]
    assert len(decision.reasons) == 2
    assert decision.reasons[0] == (
        "negative flips 2.00% (1.43% to 2.71%) breaks the limit of at most 0.10%"
    )
    assert decision.reasons[1].endswith("breaks the limit of at least 50.00%")
    assert str(decision).splitlines()[0] == "REJECT"
    kept = Policy(max_churn=0.5, min_gain=-0.5).decide(found)
    assert len(kept.reasons) == 2
    open_ = Policy(max_churn=found.churn_rate, min_gain=-0.5).decide(found)
    assert len(open_.reasons) == 1
    assert "may keep or break" in open_.reasons[0]


def test_confidence_is_the_policy_s():
    found = comparison(lost=40).at(0.5)
    high = found.at(0.99).churn_rate_interval[1]
    assert verdict(found, max_churn=high, confidence=0.99) == "PROMOTE"
    assert verdict(found, max_churn=high, confidence=0.995) == "HOLD"


def test_groups():
    groups = np.repeat(["a", "b", "c"], [900, 600, 500])
    found = comparison(lost=20, groups={"g": groups})
    decision = Policy(per_group=0.05).decide(found)
    assert [check.name for check in decision.checks] == [
        "churn_rate[g=a]",
        "churn_rate[g=b]",
        "churn_rate[g=c]",
    ]
    assert decision.verdict == "PROMOTE"
    assert verdict(found, per_group=0.03) == "HOLD"
    assert verdict(found, per_group=0.001) == "REJECT"
    # 34 of 900 is beyond 2.5 % at 95 %, but not corrected for three groups.
    assert 0.025 / 3 < tail(34, 900, 0.025) <= 0.025
    close = comparison(lost=34, groups={"g": groups})
    assert verdict(close, per_group=0.025) == "HOLD"
    alone = comparison(n=900, lost=34, groups={"g": groups[:900]})
    assert verdict(alone, per_group=0.025) == "REJECT"


def test_to_dict_is_json():
    groups = np.repeat([0, 1], 1000)
    decision = Policy(max_churn=0.1, per_group=0.1).decide(comparison(lost=5, groups=groups))
    content = json.loads(json.dumps(decision.to_dict()))
    assert content["verdict"] == "PROMOTE"
    assert [check["name"] for check in content["checks"]] == [
        "churn_rate",
        "churn_rate[group=0]",
        "churn_rate[group=1]",
    ]
    assert content["checks"][0]["interval"] == list(decision.checks[0].interval)


ORDER = {"REJECT": 0, "HOLD": 1, "PROMOTE": 2}
shares = st.floats(0, 0.2)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.tuples(*[shares] * 4), st.tuples(*[shares] * 4))
def test_looser_limits_never_lower_the_verdict(lost, gained, one, two):
    found = comparison(n=300, lost=lost, gained=gained, groups=np.arange(300) % 3)
    tight = [min(pair) for pair in zip(one, two, strict=True)]
    loose = [max(pair) for pair in zip(one, two, strict=True)]
    verdicts = [
        # Which groups are small depends on their limit, so that it stays.
        verdict(found, max_churn=a, max_negative_flips=b, min_gain=0.1 - c, per_group=one[3])
        for a, b, c, _ in (tight, loose)
    ]
    assert ORDER[verdicts[0]] <= ORDER[verdicts[1]]


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "match"),
    [
        ({}, "Policy must have at least one limit, got none; give one of max_churn"),
        ({"confidence": 0.9}, "Policy must have at least one limit"),
        ({"max_churn": 1.7}, r"max_churn must be in \[0, 1\], got 1\.7; .*0\.02 for 2 %"),
        ({"max_churn": "0.1"}, r"max_churn must be in \[0, 1\], got '0\.1'"),
        ({"max_negative_flips": -0.1}, r"max_negative_flips must be in \[0, 1\]"),
        ({"min_gain": -1.5}, r"min_gain must be in \[-1, 1\], got -1\.5"),
        ({"per_group": True}, r"per_group must be in \[0, 1\], got True"),
        ({"max_churn": 0.1, "confidence": 1.0}, r"confidence must be in \(0, 1\), got 1\.0"),
        ({"per_group": 0.1}, "per_group needs groups, got a comparison without"),
    ],
)
def test_bad_limits(limits, match):
    with pytest.raises(InvalidInputError, match=match):
        Policy(**limits).decide(comparison())


def test_limits_that_need_labels():
    found = compare([0, 1], [0, 0])
    assert verdict(found, max_churn=1) == "PROMOTE"
    for limits in ({"min_gain": 0}, {"max_negative_flips": 0.1}):
        with pytest.raises(InvalidInputError, match="need labels, got a comparison without"):
            Policy(**limits).decide(found)


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field"):
        Policy(max_churn=0.1).max_churn = 0.2


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "max_churn = 0.02\nmin_gain = -0.005\nconfidence = 0.9\n",
        "[policy]\nmax_churn = 0.02\nmin_gain = -0.005\nconfidence = 0.9\n[other]\nx = 1\n",
    ],
)
def test_from_toml(tmp_path, text):
    (tmp_path / "policy.toml").write_text(text)
    expected = Policy(max_churn=0.02, min_gain=-0.005, confidence=0.9)
    assert Policy.from_toml(tmp_path / "policy.toml") == expected
    assert Policy.from_toml(str(tmp_path / "policy.toml")) == expected


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"max_churn = ", r"policy must be a TOML file, got .*policy\.toml.*max_churn = 0\.02"),
        (b"max_churn = 0.1 # \xff", "policy must be a TOML file"),
        (b"max_chrun = 0.1", r"policy may hold max_churn, .* got max_chrun in .*policy\.toml"),
        (b"[policy]\nmax_chrun = 0.1", "got max_chrun in"),
        (b"max_churn = 0.1\n[policy]\nmin_gain = 0", "in one place, got max_churn in"),
        (b"policy = 3", r"policy must be a table \[policy\], got 3"),
        (b"max_churn = 2", r"max_churn must be in \[0, 1\], got 2"),
        (b"max_churn = '0.1'", r"max_churn must be in \[0, 1\], got '0\.1'"),
        (b"max_churn = nan", r"max_churn must be in \[0, 1\], got nan"),
        (b"", "Policy must have at least one limit"),
    ],
)
def test_bad_files(tmp_path, content, match):
    (tmp_path / "policy.toml").write_bytes(content)
    with pytest.raises(InvalidInputError, match=match):
        Policy.from_toml(tmp_path / "policy.toml")


def test_missing_file(tmp_path):
    with pytest.raises(InvalidInputError, match=r"readable file, got .*none\.toml \(No such file"):
        Policy.from_toml(tmp_path / "none.toml")
    with pytest.raises(InvalidInputError, match="policy must be a readable file"):
        Policy.from_toml(tmp_path)
