import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from holdfast.comparison import Policy, compare
from holdfast.render.page import render_page, render_snippet
from holdfast.render.texts import amount, clip, limit_text, p_value, points, share
from holdfast.report.summarise import summarise_comparison

HOSTILE = [
    "</script><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "<!--<script>",
    "]]>{{ 7 * 7 }}${7*7}\u2028\u2029\x00\ud800",
    "javascript:alert(1)//http://evil.example",
]
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Elements with their attributes, and the text of scripts, styles and the rest."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.scripts, self.styles, self.text = [], [], [], [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")
        if tag == "style":
            self.styles.append("")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif self.open and self.open[-1] == "style":
            self.styles[-1] += data
        else:
            self.text += data

    def tags(self, name):
        return [attrs for tag, attrs in self.elements if tag == name]

    @property
    def words(self):
        return " ".join(self.text.replace("\N{NO-BREAK SPACE}", " ").split())


@pytest.fixture
def models():
    rng = np.random.default_rng(3)
    n = 600
    base, new = rng.dirichlet([0.6] * 4, n), rng.dirichlet([0.6] * 4, n)
    new = 0.8 * base + 0.2 * new
    y = np.where(rng.random(n) < 0.7, base.argmax(1), rng.integers(0, 4, n))
    return base, new, y, rng


def full_summary(models, names=("cat", "dog", "fox", "owl"), text="x"):
    base, new, y, rng = models
    classes = np.array(names)
    groups = {f"column {text}": np.array([f"{text}{i}" for i in range(3)])[rng.integers(0, 3, 600)]}
    comparison = compare(base, new, classes[y], groups=groups, classes=classes, max_group_churn=0.1)
    decision = Policy(max_churn=0.05, min_gain=-0.5, per_group=0.1).decide(comparison)
    summary = summarise_comparison(
        comparison,
        decision=decision,
        base=base,
        new=new,
        classes=classes,
        y=classes[y],
        ids=[f"{text} {i}" for i in range(600)],
        groups=groups,
        title=f"Title {text}",
        facts={"command": ["train", text], text: {"seed": 0, "deep": {text: 1}}},
    )
    point = {
        "series": f"series {text}",
        "label": text,
        "churn_rate": 0.021,
        "accuracy": 0.9,
        "churn_rate_interval": [0.018, 0.024],
        "accuracy_interval": None,
        "lam": 0.5,
        "weights": {text: 0.25, "other": 0.75},
        "chosen": True,
    }
    budget = {
        "name": text,
        "budget": 0.02,
        "accuracy": 0.91,
        "accuracy_interval": [0.9, 0.92],
        "churn_rate": 0.0123,
        "churn_rate_interval": [0.01, 0.015],
        "negative_flip_rate": 0.004,
        "status": "pass",
    }
    return summary | {
        "subtitle": f"Subtitle {text}",
        "serving": f"Served {text}",
        "budgets": [budget],
        "frontier": {"points": [point], "budget": 0.02, "measured_on": text},
        "ladder": LADDER | {"measured_on": text},
    }


STEP = {
    "budget": 0.01,
    "chosen": False,
    "accuracy": 0.9,
    "accuracy_interval": [0.88, 0.92],
    "accuracy_gain": 0.005,
    "accuracy_gain_interval": [-0.001, 0.011],
    "against_cold": -0.002,
    "churn_rate": 0.0075,
    "churn_rate_interval": [0.005, 0.01],
    "negative_flip_rate": 0.0012,
    "negative_flip_rate_interval": [0.001, 0.002],
    "positive_flip_rate": 0.0062,
    "positive_flip_rate_interval": [0.005, 0.007],
    "lateral_flip_rate": 0.0001,
    "serving": "one model",
    "certificate": None,
}
LADDER = {
    "steps": [STEP | {"budget": 0.0}, STEP, STEP | {"budget": 0.02, "chosen": True}],
    "impossible": 0,
    "accuracy_base": 0.895,
    "cold": {"accuracy": 0.902, "churn_rate": 0.031},
    "confidence": None,
    "measured_on": "200 selection rows",
}


# --- the page as a file ---------------------------------------------------------------------------


def test_same_summary_gives_the_same_bytes(models):
    summary = full_summary(models)
    again = json.loads(json.dumps(summary))  # JSON-able, and read back the same
    assert render_page(summary) == render_page(summary) == render_page(again)


def test_page_is_below_six_megabytes_and_small_without_a_chart(models):
    summary = full_summary(models)
    assert len(render_page(summary).encode()) < 6e6
    assert len(render_page(summary | {"frontier": None}).encode()) < 120e3


def test_page_loads_nothing(models):
    page = Page(render_page(full_summary(models)))
    for _, attrs in page.elements:
        assert not set(attrs) & {"src", "srcset", "action", "data", "poster", "background"}
        assert not any(name.startswith("on") for name in attrs)
    assert [attrs["href"] for _, attrs in page.elements if "href" in attrs] == ["data:,"]
    styles = "".join(page.styles)
    assert "url(" not in styles
    assert "@import" not in styles
    assert len(page.scripts) == 4


def test_security_policy_allows_the_three_scripts_only(models):
    import base64
    import hashlib

    page = Page(render_page(full_summary(models)))
    policy = next(meta["content"] for meta in page.tags("meta") if "http-equiv" in meta)
    hashes = re.findall(r"'(sha256-[^']+)'", policy)
    runnable = page.scripts[1:]
    assert hashes == [
        f"sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}" for s in runnable
    ]
    assert "default-src 'none'" in policy
    plain = Page(render_page({"title": "x"}))
    assert "script-src 'none'" in next(
        m["content"] for m in plain.tags("meta") if "http-equiv" in m
    )


def test_page_is_accessible(models):
    page = Page(render_page(full_summary(models)))
    assert page.tags("html") == [{"lang": "en"}]
    assert all(attrs.get("scope") in ("row", "col") for attrs in page.tags("th"))
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    sections = page.tags("section")
    assert all(section["aria-labelledby"] in ids for section in sections)
    assert len(page.tags("h1")) == 1
    assert any("width=device-width" in meta.get("content", "") for meta in page.tags("meta"))
    assert "prefers-color-scheme: dark" in page.styles[0]
    statuses = [
        attrs["class"] for tag, attrs in page.elements if tag == "span" and "class" in attrs
    ]
    assert "badge fail" in statuses  # and the word beside the colour:
    assert "fail" in page.words


# --- hostile data ---------------------------------------------------------------------------------


def escaped(text):
    unseen = "\u2028\u2029\x00\ud800"
    return "".join(c.encode("unicode_escape").decode() if c in unseen else c for c in text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_strings_stay_text(models, text):
    calm = Page(render_page(full_summary(models)))
    hostile_html = render_page(full_summary(models, names=("cat", f"m{text}", "n", "z"), text=text))
    hostile = Page(hostile_html)
    assert len(hostile.scripts) == len(calm.scripts)
    assert {tag for tag, _ in hostile.elements} == {tag for tag, _ in calm.elements}
    assert not any(name.startswith("on") for _, attrs in hostile.elements for name in attrs)
    assert hostile.text.count(escaped(text)) > 10
    hostile_html.encode("utf-8")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_strings_cannot_end_the_chart_data(models, text):
    page = Page(render_page(full_summary(models, text=text)))
    assert not set("<>&\u2028\u2029") & set(page.scripts[0])
    figure = json.loads(page.scripts[0])
    # Plotly reads some mark-up, so it gets entities.
    name = figure["data"][0]["name"]
    assert "<" not in name
    assert name.startswith("series ")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_strings_in_a_snippet(text):
    snippet = render_snippet({"n": text, "churn_rate": text, "groups": [{"status": text}]})
    assert {tag for tag, _ in Page(snippet).elements} == {
        *("div", "style", "table", "caption", "tbody", "tr", "th", "td", "span", "p")
    }


# --- what is shown --------------------------------------------------------------------------------


def test_shown_numbers_are_those_of_the_comparison(models):
    summary = full_summary(models)
    c = summary["comparison"]
    words = Page(render_page(summary)).words
    for name in ("churn_rate", "negative_flip_rate", "accuracy_new"):
        low, high = c[f"{name}_interval"]
        assert f"{c[name]:.1%}".replace("%", " %") in words
        assert f"({100 * low:.1f} to {100 * high:.1f})" in words
    low, high = c["accuracy_gain_interval"]
    gain = f"{100 * c['accuracy_gain']:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
    assert gain.replace("-", "−") in words
    for pair in c["groups"]:
        assert f"= {pair['value']}" in words
    for row in summary["matrix"]["counts"]:
        assert all(f" {count:,} " in words for count in row)
    for i in summary["rows"]["shown"]:
        assert f"{100 * summary['rows']['rows'][i]['move']:.1f} %" in words
    assert "Budgets" in words
    assert "1.23 % (1.00 to 1.50)" not in words  # a width of half a point carries one decimal
    assert "1.2 % (1.0 to 1.5)" in words


def test_chart_has_the_points_and_the_budget(models):
    page = Page(render_page(full_summary(models)))
    figure = json.loads(page.scripts[0])
    trace, chosen, slider = figure["data"]
    assert (trace["x"], trace["y"]) == ([0.021], [0.9])
    assert trace["error_x"]["array"] == [pytest.approx(0.003)]
    assert trace["error_y"]["visible"] is False
    assert (chosen["name"], chosen["x"]) == ("chosen", [0.021])
    assert (slider["name"], slider["x"], slider["y"]) == ("at the slider", [0.0075], [0.9])
    assert figure["layout"]["shapes"][0]["x0"] == 0.02
    assert "λ 0.5" in trace["hovertext"][0]
    assert "weight other 0.75" in trace["hovertext"][0]


def test_chart_has_the_churn_floor(models):
    summary = full_summary(models)
    summary["frontier"] |= {"floor": 0.013}
    page = Page(render_page(summary))
    budget, floor = json.loads(page.scripts[0])["layout"]["shapes"]
    assert (budget["x0"], floor["x0"]) == (0.02, 0.013)
    assert "The dotted line is the churn floor" in page.text


def test_plotly_accepts_the_chart(models):
    from plotly.graph_objects import Figure

    figure = json.loads(Page(render_page(full_summary(models))).scripts[0])
    assert len(Figure(figure["data"], figure["layout"]).data) == 3


def test_sections_come_in_order_and_only_with_their_keys(models):
    summary = full_summary(models)
    every = [attrs["aria-labelledby"] for attrs in Page(render_page(summary)).tags("section")]
    names = ["verdict", "checks", "headline", "budgets", "frontier", "ladder"]
    names += ["classes", "groups", "rows", "provenance"]
    assert every == [f"{name}-title" for name in names]
    for key, gone in {
        "decision": {"verdict", "checks"},
        "comparison": {"headline", "groups"},
        "budgets": {"budgets"},
        "frontier": {"frontier"},
        "matrix": set(),  # the list of changes takes its place
        "ladder": {"ladder"},
        "rows": {"rows"},
        "provenance": {"provenance"},
    }.items():
        page = Page(render_page(summary | {key: None}))
        left = {attrs["aria-labelledby"] for attrs in page.tags("section")}
        assert left == set(every) - {f"{name}-title" for name in gone}


@pytest.mark.parametrize("with_y", [True, False])
def test_a_comparison_alone_renders(models, with_y):
    base, new, y, _ = models
    comparison = compare(base.argmax(1), new.argmax(1), y if with_y else None)
    page = Page(comparison.to_html())
    assert ("Accuracy gain" in page.words) is with_y
    assert ("Negative flips" in page.words) is with_y
    assert "None" not in page.words
    assert "nan" not in page.words
    assert "McNemar" not in render_snippet(comparison.to_dict())
    assert "None" not in Page(comparison._repr_html_()).words


@pytest.mark.parametrize(
    "summary", [{}, {"comparison": {}}, {"decision": {"verdict": "HOLD"}}, {"frontier": {}}]
)
def test_empty_summaries_render(summary):
    page = Page(render_page(summary))
    assert "Comparison of two models" in page.words
    assert len(page.tags("section")) <= 1


def test_nan_becomes_a_dash():
    point = {"series": "a", "label": "b", "churn_rate": 0.1, "accuracy": 0.9, "lam": float("nan")}
    broken = point | {"accuracy": float("nan")}
    frontier = {"points": [point, broken], "budget": float("nan"), "measured_on": None}
    page = Page(render_page({"frontier": frontier}))
    assert len(json.loads(page.scripts[0])["data"][0]["x"]) == 1
    assert "nan" not in page.words


def test_no_change_at_all():
    labels = [0, 1, 1, 0]
    page = Page(render_page(summarise_comparison(compare(labels, list(labels), labels))))
    assert "Of every" not in page.words
    assert "0.0 %" in page.words


def test_counts_in_words_add_up(models):
    words = Page(render_page(full_summary(models))).words
    total, negative, positive, lateral = re.search(
        r"about ([\d,]+) get another answer: ([\d,]+) right → wrong ([\d,]+) wrong → right "
        r"([\d,]+) wrong → another wrong answer",
        words,
    ).groups()
    assert int(total) == int(negative) + int(positive) + int(lateral)


def test_long_names_are_shortened():
    name = "n" * 5000
    groups = [{"column": "c", "value": name, "churn_rate": 0.1}]
    decision = {"verdict": "HOLD", "reasons": [f"churn of {name} is above 2 %"]}
    html = render_page({"comparison": {"churn_rate": 0.1, "groups": groups}, "decision": decision})
    page = Page(html)
    assert "n" * 79 + "…" in page.text
    assert "n" * 280 not in page.text
    assert "nnn is above 2 %" in page.text
    (title,) = [attrs["title"] for tag, attrs in page.elements if tag == "bdi" and "title" in attrs]
    assert len(title) == 300


def test_clip():
    assert [clip(x, 5, 2) for x in ("abcde", "abcdef", 1234567)] == ["abcde", "ab…ef", "12…67"]
    assert clip("abcdef", 5) == "abcd…"


@pytest.mark.parametrize("control", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
def test_controls_of_direction_are_escaped(models, control):
    text, shown = f"a{control}b", f"a\\u{ord(control):04x}b"
    summary = full_summary(models, text=text) | {"title": text}
    summary["decision"] = {"verdict": "HOLD", "reasons": [text]}
    for script in (page := Page(render_page(summary))).scripts[:1]:
        figure = str(json.loads(script))
        assert repr(shown)[1:-1] in figure
        assert control not in figure
    assert shown in page.text
    assert control not in page.text
    groups = [{"column": text, "value": text}]
    assert control not in render_page({"comparison": {"churn_rate": 0.1, "groups": groups}})


def test_bars_are_explained_where_there_are_any():
    point = {"series": "s", "label": "l", "churn_rate": 0.1, "accuracy": 0.9}
    text = "Bars are confidence intervals."
    assert text not in render_page({"frontier": {"points": [point]}})
    point["accuracy_interval"] = [0.8, 0.95]
    assert text in render_page({"frontier": {"points": [point]}})


def test_one_class():
    page = Page(render_page({"comparison": {"churn_rate": 0.0, "classes": ["a"], "n": 2}}))
    assert "1 class\n" in page.text


def test_many_groups_show_those_with_highest_churn():
    rng = np.random.default_rng(0)
    base, groups = rng.integers(0, 2, 20_000), rng.integers(0, 2060, 20_000)
    new = np.where(rng.random(20_000) < groups / 4000, 1 - base, base)
    comparison = compare(base, new, groups={"shop": groups})
    page = Page(render_page({"comparison": comparison.to_dict()}))
    shown = [int(value) for value in re.findall(r"shop = (\d+)", page.words)]
    assert len(shown) == 2000
    rate = {group.value: group.churn_rate for group in comparison.groups}
    assert min(rate[v] for v in shown) >= max(rate[v] for v in set(rate) - set(shown))
    assert "60 groups with lower churn are left out of this file" in page.words


def test_many_checks_and_reasons_are_cut():
    check = {"name": "churn_rate[g=1]", "limit": 0.1, "value": 0.05, "interval": [0.04, 0.06]}
    checks = [check | {"status": "pass", "reason": f"reason {i}"} for i in range(300)]
    decision = {"verdict": "PROMOTE", "reasons": [c["reason"] for c in checks], "checks": checks}
    words = Page(render_page({"decision": decision})).words
    assert words.count("reason ") == 8
    assert "and 292 more" in words
    assert "100 more checks are not shown" in words


@pytest.mark.parametrize(
    ("value", "interval", "limit", "text"),
    [
        (0.021, [0.018, 0.024], None, "2.1 % (1.8 to 2.4)"),
        (0.021, None, None, "2.1 %"),
        (0.5, [0.3, 0.7], None, "50.0 % (30.0 to 70.0)"),
        (0.00042, None, None, "0.042 %"),
        (0.02, [0.01998, 0.02002], None, "2.000 % (1.998 to 2.002)"),
        (0.018, [0.016, 0.0201], 0.02, "1.80 % (1.60 to 2.01)"),
        (0.0, [0.0, 0.0], None, "0.0 % (0.0 to 0.0)"),
        (None, None, None, "–"),
        (float("nan"), None, None, "–"),
    ],
)
def test_share(value, interval, limit, text):
    assert str(share(value, interval, limit)).replace("\N{NO-BREAK SPACE}", " ") == text


def test_other_numbers():
    shown = str(points(-0.0048, [-0.009, 0.0001])).replace("\N{NO-BREAK SPACE}", " ")
    assert shown == "−0.5 points (−0.9 to 0.0)"
    assert [limit_text(x).replace("\N{NO-BREAK SPACE}", " ") for x in (0.02, 0.005, 0.07)] == [
        *("2 %", "0.5 %", "7 %")
    ]
    assert limit_text(-0.005, gain=True) == "−0.5\N{NO-BREAK SPACE}points"
    assert [amount(x) for x in (1234, 2.0, 2.25, None)] == ["1,234", "2", "2.2", "–"]
    assert [p_value(x) for x in (0.04999, 1e-9, 1.0)] == ["0.05", "below 0.0001", "1"]


@pytest.mark.parametrize("with_chart", [True, False])
def test_a_hundred_thousand_groups_with_long_names_stay_below_six_megabytes(models, with_chart):
    summary, n, long = full_summary(models), 100_000, '<"&\N{PILE OF POO}' * 100
    (group, *_) = summary["comparison"]["groups"]
    groups = [group | {"column": long, "value": f"{i} {long}"} for i in range(n)]
    (row, *_) = summary["rows"]["rows"]
    long_row = row | dict.fromkeys(("row", "label", "base", "new"), long) | {"groups": [long] * 9}
    rows = summary["rows"] | {"columns": [long] * 9, "rows": [long_row] * 1220}
    matrix = {"classes": [f"{i} {long}" for i in range(20)], "counts": [[9] * 20] * 20}
    changed = {"groups": groups, "classes": matrix["classes"]}
    summary |= {"comparison": summary["comparison"] | changed, "rows": rows, "matrix": matrix}
    summary["provenance"]["features"] = [long] * 1000
    html = render_page(summary if with_chart else summary | {"frontier": None})
    assert len(html.encode()) < 6e6
    (left,) = re.findall(r"([\d,]+) groups with lower churn are left", html)
    table = html[html.index('id="groups-table"') :]
    shown = table[: table.index("</table>")].count("<tr") - 1
    assert shown == n - int(left.replace(",", ""))
    assert shown > 50


def test_groups_that_break_their_limit_come_first():
    group = {"column": "shop", "n": 10}
    groups = [
        group | {"value": "few", "churn_rate": 0.9, "status": "underpowered"},
        group | {"value": "good", "churn_rate": 0.95, "status": "pass"},
        group | {"value": "bad", "churn_rate": 0.2, "status": "fail"},
        group | {"value": "worse", "churn_rate": 0.3, "status": "fail"},
    ]
    html = render_page({"comparison": {"groups": groups, "max_group_churn": 0.1}})
    assert re.findall(r"shop = (\w+)", Page(html).words) == ["worse", "bad", "few", "good"]


def test_cells_and_groups_name_their_rows(models):
    summary = full_summary(models)
    page = Page(render_page(summary))
    numbers = {
        attrs["data-rows"]: attrs["data-n"] for attrs in page.tags("button") if "data-rows" in attrs
    }
    picks = summary["rows"]["changes"] + summary["rows"]["groups"]
    assert len(picks) > 10
    for pick in picks:
        assert numbers[" ".join(map(str, pick["rows"]))] == f"{pick['n']:,}"
    total = sum(pick["n"] for pick in summary["rows"]["changes"])
    assert total == round(summary["comparison"]["churn_rate"] * 600)
    # Without a script nothing that cannot work is offered.
    assert all("disabled" in attrs for attrs in page.tags("button") if "data-rows" in attrs)
    assert [
        attrs for tag, attrs in page.elements if "slider" in attrs.get("class", "").split()
    ] == [{"class": "slider", "hidden": None}]


def test_ladder_without_a_script_is_a_table(models):
    certified = {"limits": [{"upper": 0.0093}, {"upper": 0.5}]}
    steps = [STEP | {"certificate": certified}, STEP | {"budget": 0.02}]
    ladder = LADDER | {"steps": steps, "confidence": 0.95, "impossible": 1}
    words = Page(render_page({"ladder": ladder})).words
    assert "1 of these 2 budgets can be certified at 95 % confidence" in words
    assert "certified at most 0.93 %" in words
    assert "not certified by these rows" in words
    assert "1 lower budget is left out, since no candidate keeps it." in words
    assert "1 % 90.0 % (88.0 to 92.0) +0.5 points (−0.1 to +1.1) −0.20 points 0.8 %" in words
    uncertified = Page(render_page(full_summary(models))).words
    assert "Nothing is certified" in uncertified
    assert "All 3 budgets as a table" in uncertified
