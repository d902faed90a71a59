import json
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.helpers.bench_frames import KEY, random_results, results, row

from holdfast.bench.findings.curves import cost_curves, stream_curves
from holdfast.bench.findings.measures import gain_kept, not_dominated, paired_p_value
from holdfast.bench.findings.summary import MEASURES, in_order, select, summarise
from holdfast.bench.findings.wins import wins
from holdfast.exceptions import InvalidInputError

pytestmark = pytest.mark.slow

# --- a slow reference, in exact fractions ---------------------------------------------------------


def shares(frame):
    """{group: {method: {setting: {run: (accuracy, churn, base) or None}}}}, None: diverged."""
    cells = defaultdict(list)
    for one in frame.to_dict("records"):
        cells[(*(one[k] for k in KEY), one["method"], one["setting"], one["run"])].append(one)
    most = max(len(rows) for rows in cells.values())
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    for (*group, method, setting, run), rows in cells.items():
        value = None
        if not any(pd.isna(one["correct"]) for one in rows):
            n = sum(one["n"] for one in rows)
            names = ("correct", "changed", "base_correct")
            value = tuple(Fraction(int(sum(one[c] for one in rows)), int(n)) for c in names)
        if len(rows) == most:
            found[tuple(group)][method][setting][run] = value
    return found


def average(values):
    values = list(values)
    return sum(values) / len(values)


def best(candidates, cold, runs):
    """Setting of least churn among those as accurate as cold, or None."""
    level = average(cold[r][0] for r in runs)
    fits = [
        (average(of[r][1] for r in runs), -average(of[r][0] for r in runs), name)
        for name, of in candidates.items()
        if average(of[r][0] for r in runs) >= level
    ]
    return min(fits)[2] if fits else None


def reference(methods):
    """What is expected of each method of one group: a dict by method."""
    (cold,) = methods["cold"].values()
    usable = sorted(r for r, value in cold.items() if value is not None)
    half_of = {r: i % 2 for i, r in enumerate(usable)}
    expected = {}
    for method, all_settings in methods.items():
        runs = [r for r in usable if all(r in of for of in all_settings.values())]
        candidates = {
            name: of for name, of in all_settings.items() if all(of[r] is not None for r in runs)
        }
        expected[method] = one = dict.fromkeys(("strict", "honest", "gain", "halves"))
        one["n_runs"] = len(runs)
        one["halves"] = (None, None)
        if not runs or not candidates:
            continue
        name = best(candidates, cold, runs)
        one["setting"] = name
        if name is not None:
            one["strict"] = average(candidates[name][r][1] for r in runs)
        parts = [[r for r in runs if half_of[r] == h] for h in (0, 1)]
        if all(parts):
            chosen = [best(candidates, cold, part) for part in parts[::-1]]
            one["halves"] = tuple(
                None if c is None else average(candidates[c][r][1] for r in part)
                for c, part in zip(chosen, parts, strict=True)
            )
            if None not in chosen:
                one["honest"] = average(one["halves"])
        limit = average(cold[r][1] for r in runs) / 2
        base, gain = average(cold[r][2] for r in runs), average(cold[r][0] for r in runs)
        low = [
            average(of[r][0] for r in runs)
            for of in candidates.values()
            if average(of[r][1] for r in runs) <= limit
        ]
        if low and gain > base:
            one["gain"] = (max(low) - base) / (gain - base)
    return expected


def same(value, exact):
    return value is None if exact is None else value == pytest.approx(float(exact), abs=1e-11)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("updates", [1, 3])
def test_measures_against_the_slow_reference(seed, updates):
    frame = random_results(
        seed, runs=5 + seed % 3, updates=updates, missing=0.01 * (seed % 4), diverged=0.02
    )
    exact = shares(frame)
    for group in summarise(frame).groups:
        expected = reference(exact[tuple(vars(group.group).values())])
        for result in group.methods:
            one = expected[result.method]
            assert result.n_runs == one["n_runs"]
            assert same(result.churn("strict"), one["strict"])
            assert same(result.churn("honest"), one["honest"])
            assert all(map(same, result.honest_halves, one["halves"]))
            assert same(result.gain_kept.value, one["gain"])
            if result.strict is not None:
                assert result.strict.setting == one["setting"]


@pytest.mark.parametrize("seed", range(6))
def test_errors_and_non_inferiority_against_scipy(seed):
    frame = random_results(seed, runs=8, n=200)
    exact = shares(frame)
    for group in summarise(frame, margin=0.004).groups:
        methods = exact[tuple(vars(group.group).values())]
        (cold,) = methods["cold"].values()
        level = np.array([float(cold[r][0]) for r in range(8)])
        for result in group.methods:
            churn = {}
            for name, of in methods[result.method].items():
                difference = np.array([float(of[r][0]) for r in range(8)]) - level
                if result.method == "cold" or (
                    stats.ttest_1samp(difference, -0.004, alternative="greater").pvalue < 0.05
                ):
                    churn[name] = float(average(of[r][1] for r in range(8)))
            assert same(result.churn("non_inferior"), min(churn.values(), default=None))
            if result.strict is not None:
                of = methods[result.method][result.strict.setting]
                values = [float(of[r][1]) for r in range(8)]
                assert result.strict.churn_rate_standard_error == pytest.approx(stats.sem(values))
                paired = [v - float(cold[r][1]) for r, v in enumerate(values)]
                error = result.strict.churn_difference_standard_error
                assert error == pytest.approx(stats.sem(paired), abs=1e-12)


# --- exact cases ----------------------------------------------------------------------------------


def one_group(*rows):
    (group,) = summarise(results(rows)).groups
    return group


def test_a_dash_where_no_setting_is_as_accurate_as_cold():
    group = one_group(row("cold", "c", 0, 85, 12), row("distill", "d", 0, 84, 5))
    distill = group.method("distill")
    assert distill.strict is None
    assert distill.honest is None
    assert distill.non_inferior is None  # one run shows nothing
    assert distill.gain_kept.value == 0.8
    assert group.best["strict"].methods == ("cold",)
    assert group.method("nothing") is None


def test_exactly_as_accurate_as_cold_counts():
    rows = [row("cold", "c", r, correct, 20, n=90, base=60) for r, correct in enumerate((61, 62))]
    rows += [row("warm", "w", r, correct, 7, n=90, base=60) for r, correct in enumerate((62, 61))]
    assert one_group(*rows).method("warm").strict.churn_rate == pytest.approx(7 / 90)


def test_of_equal_churn_the_more_accurate_setting():
    group = one_group(
        row("cold", "c", 0, 82, 12),
        row("distill", "a", 0, 83, 6),
        row("distill", "b", 0, 85, 6),
        row("distill", "z", 0, 85, 6),
    )
    assert group.method("distill").strict.setting == "b"


def test_flips_are_measured_from_counts():
    group = one_group(row("cold", "c", 0, 83, 12, negative=3))
    choice = group.method("cold").strict
    assert (choice.negative_flip_rate, choice.positive_flip_rate) == (0.03, 0.06)
    assert choice.lateral_flip_rate == 0.03
    assert choice.churn_rate_standard_error is None
    assert choice.churn_difference == 0


def test_honest_halves_with_an_odd_number_of_runs():
    # Runs 0, 2, 4 are the first half and choose "a"; runs 1, 3 choose "b".
    rows = []
    for run in range(5):
        first = run % 2 == 0
        rows.append(row("cold", "c", run, 82, 20))
        rows.append(row("distill", "a", run, 83 if first else 81, 4 + run))
        rows.append(row("distill", "b", run, 81 if first else 84, 10 + run))
    distill = one_group(*rows).method("distill")
    assert distill.honest.settings == ("a", "b")
    # "b" on runs 0, 2, 4 and "a" on runs 1, 3; halves weigh the same.
    assert distill.honest_halves == (0.12, 0.06)
    assert distill.honest.churn_rate == 0.09
    assert distill.honest.accuracy == pytest.approx(0.81)
    assert distill.honest.accuracy_difference == pytest.approx(-0.01)
    first, second = stats.sem([0.10, 0.12, 0.14]), stats.sem([0.05, 0.07])
    error = distill.honest.churn_rate_standard_error
    assert error == pytest.approx(np.hypot(first, second) / 2)


@pytest.mark.parametrize(("correct", "note"), [(80, "gains nothing"), (79, "gains nothing")])
def test_no_gain_no_share(correct, note):
    rows = [row("cold", "c", r, correct, 12) for r in (0, 1)]
    kept = one_group(*rows, row("warm", "w", 0, 80, 1), row("warm", "w", 1, 80, 1))
    gain = kept.method("warm").gain_kept
    assert gain.value is None
    assert note in gain.note
    assert not gain.reliable


def test_gain_below_its_error_is_not_reliable():
    rows = [row("cold", "c", r, correct, 12) for r, correct in enumerate((86, 76, 79))]
    rows += [row("warm", "w", r, 81, 2) for r in range(3)]
    gain = one_group(*rows).method("warm").gain_kept
    assert gain.value == pytest.approx(3)
    assert gain.note == "cold start's gain is below its standard error"
    assert not gain.reliable
    assert gain.standard_error is None  # without run 0 cold start loses


def test_no_setting_at_half_churn():
    rows = [row("cold", "c", r, 84 + r, 12) for r in (0, 1)]
    gain = one_group(*rows).method("cold").gain_kept
    assert gain.setting is None
    assert gain.note == "no setting has at most half of cold start's churn"


def test_gain_s_jackknife_against_a_loop():
    rng = np.random.default_rng(0)
    accuracy, churn = rng.uniform(0.8, 0.9, (4, 9)), rng.uniform(0, 0.1, (4, 9))
    cold, base = (rng.uniform(0.85, 0.95, 9), np.full(9, 0.12)), rng.uniform(0.7, 0.8, 9)
    chosen, value, error = gain_kept(accuracy, churn, cold, base)
    left = []
    for run in range(9):
        kept = np.arange(9) != run
        own, full = accuracy[chosen][kept] - base[kept], cold[0][kept] - base[kept]
        left.append(own.mean() / full.mean())
    assert error == pytest.approx(np.sqrt(8 * np.var(left)))
    low = churn.mean(axis=1) <= 0.06
    gain = (accuracy[low].mean(axis=1).max() - base.mean()) / (cold[0].mean() - base.mean())
    assert value == pytest.approx(gain)


def test_a_setting_that_diverged_is_left_out_and_a_lost_cold_run_for_all():
    rows = [row("cold", "c", r, 82, 12) for r in range(3)]
    rows += [row("distill", "a", r, 83, 2, base=81) for r in range(3)]
    rows += [row("distill", "b", r, 83, 6) for r in range(3)]
    for i in (4, 2, 5, 8):  # "a" in run 1; run 2 altogether
        rows[i] |= dict.fromkeys(("correct", "base_correct", "changed", "negative"))
    group = one_group(*rows)
    assert (group.n_runs, group.n_cold_diverged) == (2, 1)
    distill = group.method("distill")
    assert (distill.n_diverged, distill.n_settings, distill.n_runs) == (1, 1, 2)
    assert distill.strict.setting == "b"


def test_only_runs_that_all_settings_have():
    rows = [row("cold", "c", r, 82, 12) for r in range(4)]
    rows += [row("distill", "a", r, 83, 2 + r, base=81) for r in (0, 1, 3)]
    rows += [row("distill", "b", r, 83, 30) for r in (1, 2, 3)]
    distill = one_group(*rows).method("distill")
    assert distill.n_runs == 2
    assert distill.strict.churn_rate == 0.04


def test_a_method_without_common_runs_has_no_numbers():
    rows = [row("cold", "c", 0, 82, 12), row("distill", "a", 1, 83, 2, base=81)]
    distill = one_group(*rows).method("distill")
    assert distill.n_runs == 0
    assert all(distill.churn(measure) is None for measure in MEASURES)
    assert distill.points == ()
    assert distill.gain_kept.note == "no runs in common with cold start"


def test_an_unfinished_stream_is_a_missing_run():
    frame = random_results(0, datasets=["adult"], updates=3, runs=4)
    cut = frame[~((frame["run"] == 2) & (frame["update"] == 3) & (frame["method"] == "anchor"))]
    by_name = {r.method: r.n_runs for r in summarise(cut).groups[0].methods}
    assert by_name == {"cold": 4, "distill": 4, "anchor": 3, "override": 4, "mine": 4}


def test_groups_without_cold_are_named():
    frame = random_results(0)
    lost = frame[~((frame["method"] == "cold") & (frame["dataset"] == "adult"))]
    summary = summarise(lost)
    assert [group.dataset for group in summary.without_cold] == ["adult"]
    assert [group.group.dataset for group in summary.groups] == ["phoneme"]


# --- the best, and who wins -----------------------------------------------------------------------


def test_the_best_is_bold_only_where_every_difference_is_significant():
    rng = np.random.default_rng(1)
    rows = []
    for run in range(12):
        noise = rng.integers(-1, 2, 3)
        rows.append(row("cold", "c", run, 810, 200 + int(noise[0]), base=800, n=1000))
        rows.append(row("distill", "d", run, 810, 60 + int(noise[1]), base=800, n=1000))
        rows.append(row("warm", "w", run, 810, 60 + int(noise[2]), base=800, n=1000))
    near = one_group(*rows)
    apart = one_group(*(one for one in rows if one["method"] != "warm"))
    for measure in MEASURES:
        assert near.best[measure].p_value > 0.05
        assert not near.best[measure].significant
        assert apart.best[measure].methods == ("distill",)
        assert apart.best[measure].significant


def test_the_p_value_is_the_largest_of_scipy_s():
    frame = random_results(4, datasets=["adult"], runs=9, n=300)
    (group,) = summarise(frame).groups
    methods = next(iter(shares(frame).values()))
    churn = {
        r.method: [float(methods[r.method][r.strict.setting][run][1]) for run in range(9)]
        for r in group.methods
        if r.strict is not None
    }
    best_one = min(churn, key=lambda name: np.mean(churn[name]))
    others = [name for name in churn if name != best_one]
    p_values = [stats.ttest_rel(churn[best_one], churn[name]).pvalue for name in others]
    assert group.best["strict"].methods == (best_one,)
    assert group.best["strict"].p_value == pytest.approx(max(p_values))


def test_ties_are_all_best_and_none_is_bold():
    rows = [row(m, m, r, 82, 5) for m in ("cold", "warm") for r in range(4)]
    found = one_group(*rows).best["strict"]
    assert found.methods == ("cold", "warm")
    assert not found.significant
    assert found.p_value == 1


def test_a_lone_method_is_best_but_not_bold():
    found = one_group(*(row("cold", "c", r, 82, 5) for r in range(4))).best["strict"]
    assert (found.methods, found.p_value, found.significant) == (("cold",), None, False)


def test_differences_that_do_not_vary_make_nothing_bold():
    rows = [row("cold", "c", r, 82, 12 + r) for r in range(2)]
    rows += [row("distill", "d", r, 82, 11 + r) for r in range(2)]
    found = one_group(*rows).best["strict"]
    assert (found.methods, found.p_value, found.significant) == (("distill",), None, False)


def test_what_is_less_for_its_runs_alone_is_not_bold():
    # Over its ten runs "average" has less than "override" over six; on those six it has more.
    churn = {"cold": [40] * 10, "average": [20, 18, 19, 20, 18, 19, 8, 7, 8, 9]}
    churn["override"] = [18, 17, 18, 18, 17, 18]
    rows = [
        row(method, method, run, 82, of + (run % 2 if method == "cold" else 0), n=100)
        for method, of_runs in churn.items()
        for run, of in enumerate(of_runs)
    ]
    found = one_group(*rows).best["strict"]
    assert (found.methods, found.p_value, found.significant) == (("average",), 1, False)


def test_p_value_within_halves():
    # The halves' means differ by far more than the runs within each.
    difference = np.array([1.0, -0.9, 1.1, -1.0, 0.9, -1.1])
    halves = np.array([0, 1, 0, 1, 0, 1])
    assert paired_p_value(difference, halves) == pytest.approx(1)
    shifted = paired_p_value(difference + 0.3, halves)
    assert shifted < 0.01 < paired_p_value(difference + 0.3)
    assert paired_p_value(difference[:3], halves[:3]) is None
    assert paired_p_value(np.zeros(3)) == 1
    assert paired_p_value(np.ones(3)) is None


def test_the_honest_test_is_calibrated():
    # Without a difference between two methods of many settings, one in twenty is called so.
    rng = np.random.default_rng(0)
    called = []
    for _ in range(400):
        churn = rng.normal(size=(2, 10, 20))  # methods, settings, runs
        halves = np.arange(20) % 2
        tracks = []
        for of in churn:
            chosen = [of[:, halves == 1 - h].mean(axis=1).argmin() for h in (0, 1)]
            tracks.append(np.where(halves == 0, of[chosen[0]], of[chosen[1]]))
        called.append(paired_p_value(tracks[0] - tracks[1], halves) < 0.05)
    assert 0.01 < np.mean(called) < 0.10


def test_win_shares_by_hand():
    rows = [
        row("cold", "c", 0, 82, 12),
        row("distill", "d", 0, 83, 5),
        row("anchor", "a", 0, 84, 5),
        row("warm", "w", 0, 81, 2),
    ]
    other = [one | {"dataset": "phoneme"} for one in rows if one["method"] != "anchor"]
    found = wins(summarise(results(rows + other)))
    assert found.groups == {"cold": 2, "warm": 2, "anchor": 1, "distill": 2}
    assert found.shares == {"cold": 0, "warm": 0, "anchor": 0.25, "distill": 0.75}
    assert found.matrix["anchor"] == {"cold": 1, "distill": 0.5, "warm": 1}
    assert found.matrix["warm"]["cold"] == 0  # a dash loses
    assert found.n_halves == 0  # one run has no other half
    assert found.half_shares["cold"] is None


@pytest.mark.parametrize("measure", MEASURES)
def test_win_shares_sum_to_one_and_duels_to_one(measure):
    found = wins(summarise(random_results(5, datasets=list("abcdef"), missing=0.02)), measure)
    assert sum(found.shares.values()) == pytest.approx(1)
    assert sum(found.half_shares.values()) == pytest.approx(1)
    for a in found.methods:
        for b in found.methods:
            if a != b:
                assert found.matrix[a][b] + found.matrix[b][a] == pytest.approx(1)


def test_unknown_measure():
    with pytest.raises(InvalidInputError, match="did you mean 'strict'"):
        wins(summarise(random_results(0)), "strickt")


# --- invariances ----------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), updates=st.integers(1, 3))
def test_the_order_of_rows_changes_nothing(seed, updates):
    frame = random_results(seed, runs=4, updates=updates, missing=0.03, diverged=0.02)
    shuffled = frame.sample(frac=1, random_state=seed)
    assert _outcome(shuffled) == _outcome(frame)
    parts = [frame.iloc[::2], frame.iloc[1::2]]
    assert _outcome(pd.concat(parts, ignore_index=True)) == _outcome(frame)


def _outcome(frame):
    try:
        return summarise(frame).to_dict()
    except InvalidInputError as error:
        return str(error)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_runs_changes_no_strict_measure(seed):
    frame = random_results(seed, runs=7, n=49)
    renumbered = frame.assign(run=frame["run"].map(dict(enumerate([5, 2, 6, 0, 4, 1, 3]))))
    for one, other in zip(summarise(frame).groups, summarise(renumbered).groups, strict=True):
        for a, b in zip(one.methods, other.methods, strict=True):
            for measure in ("strict", "non_inferior"):
                x, y = getattr(a, measure), getattr(b, measure)
                assert (x is None) == (y is None)
                assert x is None or (x.setting, x.churn_rate) == (y.setting, y.churn_rate)
            assert a.gain_kept.setting == b.gain_kept.setting


def test_names_of_methods_do_not_matter():
    frame = random_results(2)
    names = {"cold": "cold", "distill": "z", "anchor": "distill", "override": "b", "mine": "c"}
    renamed = frame.assign(method=frame["method"].map(names))
    for one, other in zip(summarise(frame).groups, summarise(renamed).groups, strict=True):
        for result in one.methods:
            twin = other.method(names[result.method])
            assert twin.strict == result.strict
            assert twin.honest == result.honest
            assert twin.points == result.points
        for measure in MEASURES:
            found = {names[method] for method in one.best[measure].methods}
            assert found == set(other.best[measure].methods)


def test_another_group_changes_nothing():
    frame = random_results(3)
    alone = summarise(frame[frame["dataset"] == "phoneme"])
    assert alone.groups == summarise(frame).groups[1:]


def test_order_of_methods():
    assert in_order(["zeta", "warm", "alpha", "cold"]) == ("cold", "warm", "alpha", "zeta")


# --- frontier, cost, streams ----------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_not_dominated_against_pairs(points):
    churn, accuracy = (np.array(values, dtype=float) for values in zip(*points, strict=True))
    expected = [
        not any(c <= x and a >= y and (c, a) != (x, y) for c, a in points) for x, y in points
    ]
    assert not_dominated(churn, accuracy).tolist() == expected


def test_points_of_the_frontier():
    group = one_group(
        row("cold", "c", 0, 84, 12),
        row("distill", "a", 0, 83, 3),
        row("distill", "b", 0, 82, 3),
        row("warm", "w", 0, 83, 4),
    )
    shown = {p.setting: (p.efficient, p.efficient_overall) for m in group.methods for p in m.points}
    assert shown == {
        "c": (True, True),
        "a": (True, True),
        "b": (False, False),
        "w": (True, False),
    }


@pytest.mark.parametrize("seed", range(3))
def test_cost_curves_against_a_loop(seed):
    frame = random_results(seed, runs=5)
    exact = shares(frame)
    for group, curves in cost_curves(frame, np.array([0.0, 0.3, 1.0])).items():
        methods = exact[tuple(vars(group).values())]
        (cold,) = methods["cold"].values()
        for curve in curves:
            for i, a in enumerate((0.0, 0.3, 1.0)):
                costs = {
                    name: [
                        (1 - a) * float(cold[r][0] - of[r][0]) + a * float(of[r][1])
                        for r in range(5)
                    ]
                    for name, of in methods[curve.method].items()
                }
                least = min(np.mean(values) for values in costs.values())
                assert curve.cost[i] == pytest.approx(least, abs=1e-12)
                values = costs[curve.settings[i]]
                assert curve.standard_error[i] == pytest.approx(stats.sem(values), abs=1e-12)
                gap = [v - a * float(cold[r][1]) for r, v in enumerate(values)]
                assert curve.difference[i] == pytest.approx(np.mean(gap), abs=1e-12)


def test_cost_of_cold_is_its_churn():
    for curves in cost_curves(random_results(0)).values():
        (cold,) = (curve for curve in curves if curve.method == "cold")
        assert cold.difference == pytest.approx(np.zeros(51))
        assert cold.cost == pytest.approx(cold.weights * cold.cost[-1])


def test_streams_against_a_loop():
    frame = random_results(1, updates=4, runs=5)
    summary = summarise(frame)
    curves = stream_curves(frame, summary)
    assert len(curves) == 2
    for group in summary.groups:
        for curve in curves[group.group]:
            own = frame[(frame["dataset"] == group.group.dataset) & (frame["n"] > 0)]
            own = own[(own["method"] == curve.method) & (own["setting"] == curve.setting)]
            so_far = np.zeros(5)
            for i, update in enumerate(curve.updates):
                at = own[own["update"] == update].sort_values("run")
                so_far = so_far + at["changed"].to_numpy(float) / 60
                assert curve.churn_rate[i] == pytest.approx(so_far.mean())
                assert curve.churn_rate_standard_error[i] == pytest.approx(stats.sem(so_far))
                accuracy = at["correct"].to_numpy(float) / 60
                assert curve.accuracy[i] == pytest.approx(accuracy.mean())
            assert all(low <= high for low, high in pairwise(curve.churn_rate))
            if curve.method == "cold":
                assert curve.accuracy_difference == pytest.approx(np.zeros(4))


def test_draws_are_no_streams():
    frame = random_results(1)
    assert stream_curves(frame, summarise(frame)) == {}


# --- input and output -----------------------------------------------------------------------------


def test_to_dict_is_json():
    frame = random_results(0, runs=1)
    text = json.dumps(summarise(frame).to_dict(), allow_nan=False)
    group = json.loads(text)["groups"][0]
    assert group["group"]["dataset"] == "adult"
    assert {result["method"] for result in group["methods"]} >= {"cold", "distill"}


def test_select():
    frame = random_results(0)
    assert select(frame) is frame
    assert set(select(frame, method=["anchor"])["method"]) == {"anchor", "cold"}
    assert set(select(frame, dataset=["adult"], network=["fcn-10"])["dataset"]) == {"adult"}
    with pytest.raises(
        InvalidInputError, match="'adult', 'phoneme', got 'adlut'; did you mean 'ad"
    ):
        select(frame, dataset=["adlut"])
    with pytest.raises(InvalidInputError, match="--network must be one of 'fcn-10', got 'x'"):
        select(frame, network=["x"])
    with pytest.raises(InvalidInputError, match="store must hold results, got none"):
        select(frame.iloc[:0], dataset=["adult"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.iloc[:0], "must hold results, got none"),
        (lambda f: f[f["method"] != "cold"], "must have a finished run of cold start"),
        (lambda f: f.drop(columns="changed"), "must have the column 'changed'"),
        (lambda f: f.assign(dataset=None), "must have a value of 'dataset' in every row"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "must be in the results once, got 1 again"),
        (lambda f: f.assign(data=[*["x"] * 3, *f["data"][3:]]), "must be on the same data"),
        (lambda f: f.assign(n_test=[*[5] * 3, *[6] * (len(f) - 3)]), "number of test rows"),
        (lambda f: f.assign(correct=f["n"] + 1), "counts of each row must be possible"),
        (lambda f: f.assign(negative=-1), "counts of each row must be possible"),
        (lambda f: f.assign(changed=f["negative"] - 1), "counts of each row must be possible"),
        (lambda f: f.assign(method="cold"), "cold start must have one setting in each group"),
    ],
)
def test_what_no_store_holds(change, message):
    with pytest.raises(InvalidInputError, match=message):
        summarise(change(random_results(0, runs=2)))


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_margin_and_confidence_are_shares(value):
    with pytest.raises(InvalidInputError, match="margin must be in"):
        summarise(random_results(0), margin=value)
    with pytest.raises(InvalidInputError, match="confidence must be in"):
        summarise(random_results(0), confidence=value)


def test_many_rows_take_seconds():
    import time

    frame = random_results(0, datasets=[f"d{i}" for i in range(20)], runs=20)
    start = time.perf_counter()
    summarise(frame)
    assert time.perf_counter() - start < 10 * len(frame) / 20_000 + 2
