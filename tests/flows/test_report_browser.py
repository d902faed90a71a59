"""The report in a real browser: what can be moved, clicked, searched, printed and read aloud."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from holdfast import LowChurnClassifier, compare
from holdfast.comparison import Policy
from holdfast.render.page import render_page
from holdfast.report.frontier import frontier
from holdfast.report.ladder import ladder
from holdfast.report.summarise import summarise_comparison

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("HOLDFAST_CHROMIUM") or shutil.which("chromium")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, or HOLDFAST_CHROMIUM"),
]

HIT = "window.hit=(window.hit||0)+1"
HOSTILE = [
    f"</script><img src=x onerror={HIT}>",
    f"\"'><svg onload={HIT}>",
    f"javascript:{HIT}",
    f"<!--<script>{HIT}</script>",
    f"\u202e\u200f\u0645{HIT}\x00\u2028",
    f"{{{{7*7}}}}${{{HIT}}}<style>*{{display:none}}</style>",
    "\ud800 a lone surrogate <iframe srcdoc=x>",
    "long " * 2000,
]


class Screen:
    """A page in a window, and what went wrong in it."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page, self.problems = page, []
        page.on("console", lambda message: self.problems.append(message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda dialog: (self.problems.append("dialog"), dialog.dismiss()))
        self.requests: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.page.evaluate(script, *arguments)

    def text(self, selector: str) -> str:
        return " ".join(self.page.locator(selector).first.inner_text().split())

    def visible(self, selector: str) -> list[str]:
        shown = "s => [...document.querySelectorAll(s)].filter(e => e.checkVisibility())"
        return [
            " ".join(text.split()) for text in self.run(f"{shown}.map(e => e.innerText)", selector)
        ]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def show(browser):
    contexts = []

    def show(path: Path, **options: Any) -> Screen:
        size = {"width": options.pop("width", 1100), "height": 844}
        contexts.append(browser.new_context(viewport=size, **options))
        screen = Screen(contexts[-1].new_page(), path)
        screens.append((screen, path))
        return screen

    screens: list[tuple[Screen, Path]] = []
    yield show
    for screen, path in screens:
        assert screen.problems == []
        assert screen.requests == [path.as_uri()]
    for context in contexts:
        context.close()


def update_summary(names: list[str], text: str) -> dict[str, Any]:
    """Return the summary of an update, certified, with groups; every name is one of those given."""
    X, y = make_classification(2400, n_informative=6, n_classes=3, flip_y=0.1, random_state=0)
    labels = np.array(names)[y]
    base = LogisticRegression().fit(X[:80], labels[:80])
    model = LowChurnClassifier(
        LogisticRegression(), base, max_churn=0.15, confidence=0.9, random_state=0
    ).fit(X[:1600], labels[:1600], seen_by_base=np.arange(1600) < 80)
    rows, truth = X[1600:], labels[1600:]
    answers = base.predict(rows), model.predict(rows)
    groups = {f"side {text}": np.array(names)[(rows[:, :2] > 0).sum(axis=1)]}
    comparison = compare(*answers, truth, groups=groups, max_group_churn=0.12)
    summary = summarise_comparison(
        comparison,
        decision=Policy(max_churn=0.2, per_group=0.12).decide(comparison),
        base=base.predict_proba(rows),
        new=model.predict_proba(rows),
        classes=model.classes_,
        answers=answers,
        y=truth,
        ids=[f"{i} {text}" for i in range(len(rows))],
        groups=groups,
        title=f"Update {text}",
        facts={"command": text, text: {text: text}},
    )
    drawn = frontier(model, floor=0.03)
    drawn["points"][0] |= {"series": text, "label": text, "weights": {text: 1.0}}
    return summary | {
        "subtitle": text,
        "serving": model.serving_,
        "certificate": str(model.certificate_).splitlines(),
        "frontier": drawn,
        "ladder": ladder(model),
    }


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    return update_summary(["cat", "dog", "fox"], "calm")


@pytest.fixture(scope="module")
def update(summary: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory, summary)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100,000 groups: shop 0 has the highest churn, shop 99,999 the lowest."""
    interval = {"churn_rate_interval": [0.01, 0.9]}
    groups = [
        {"column": "shop", "value": f"S{i}", "n": 9, "churn_rate": 0.8 - i * 1e-6} | interval
        for i in range(100_000)
    ]
    return write(tmp_path_factory, {"comparison": {"churn_rate": 0.7, "groups": groups}})


def write(factory: pytest.TempPathFactory, summary: dict[str, Any]) -> Path:
    path = factory.mktemp("page") / "report.html"
    path.write_text(render_page(summary), encoding="utf-8")
    assert path.stat().st_size < 6e6
    return path


# --- the slider -----------------------------------------------------------------------------------


def test_slider_moves_along_the_budgets_by_keyboard(show, update, summary):
    screen, steps = show(update), summary["ladder"]["steps"]
    slider = screen.page.get_by_role("slider", name="Churn budget")
    at = next(i for i, step in enumerate(steps) if step["chosen"])
    assert screen.text("#budget-is") == "15 % chosen"
    slider.focus()
    for key, to in (
        ("ArrowRight", at + 1),
        ("ArrowLeft", at),
        ("Home", 0),
        ("End", len(steps) - 1),
    ):
        slider.press(key)
        step = steps[to]
        assert slider.input_value() == str(to)
        assert screen.text("#budget-is").startswith(f"{100 * step['budget']:.6g} %")
        spoken = slider.get_attribute("aria-valuetext").replace("\N{NO-BREAK SPACE}", " ")
        assert spoken.startswith(f"budget {100 * step['budget']:.6g} %, accuracy ")
        assert spoken.endswith(", certified") is bool(step["certificate"])
        shown = screen.visible(".slider dd")
        assert len(shown) == 8
        assert shown[0].startswith(f"{100 * step['accuracy']:.1f} %")
        assert shown[3].startswith(f"{100 * step['churn_rate']:.1f}")
        assert shown[7].startswith("certified at most" if step["certificate"] else "not certified")
        point = screen.run("() => document.getElementById('frontier-plot').data.at(-1)")
        assert (point["x"], point["y"]) == ([step["churn_rate"]], [step["accuracy"]])


def test_slider_shows_what_its_row_of_the_table_says(show, update):
    screen = show(update)
    screen.page.get_by_text("budgets as a table").click()
    screen.page.get_by_role("slider").press("Home")
    for to in range(screen.page.locator("#ladder-table tbody tr").count()):
        cells = screen.page.locator("#ladder-table tbody tr").nth(to).locator("td")
        row = [" ".join(cell.split()) for cell in cells.all_inner_texts()]
        panel = [
            " ".join(p.split()) for p in screen.page.locator("[data-column]").all_inner_texts()
        ]
        assert panel == row[:8]
        screen.page.get_by_role("slider").press("ArrowRight")


# --- rows behind cells and groups -----------------------------------------------------------------


def names_of(summary: dict[str, Any], pick: dict[str, Any]) -> list[str]:
    return [summary["rows"]["rows"][i]["row"] for i in pick["rows"]]


@pytest.mark.parametrize("how", ["click", "Enter"])
def test_a_cell_shows_its_rows(show, update, summary, how):
    screen = show(update)
    pick = summary["rows"]["changes"][0]
    assert pick["n"] > 20
    assert screen.visible("#rows-table tbody th") == [
        summary["rows"]["rows"][i]["row"] for i in summary["rows"]["shown"]
    ]
    cell = screen.page.get_by_role("button", name=f"{pick['base']} → {pick['new']} ")
    cell.click() if how == "click" else cell.press(how)
    assert screen.visible("#rows-table tbody th") == names_of(summary, pick)
    change = f"{pick['base']} → {pick['new']}"
    told = f"{change}: 20 of {pick['n']} changed rows, most confident changes first."
    assert screen.text("#rows-what") == told
    shares = [
        float(re.search(r"([\d.]+)\s%", cell)[1])
        for cell in screen.visible("#rows-table tbody td:nth-child(4)")
    ]
    assert shares == sorted(shares, reverse=True)
    assert screen.run("() => document.activeElement.id") == "rows-what"
    assert cell.get_attribute("aria-current") == "true"
    back = screen.page.get_by_role("button", name="Back to the table")
    back.press("Enter")
    assert screen.run("() => document.activeElement.className") == "pick"
    assert len(screen.visible("#rows-table tbody th")) == 20
    assert screen.text("#rows-what").startswith("The rows whose probabilities moved most")
    assert not back.is_visible()


def test_every_cell_and_group_shows_its_own_rows(show, update, summary):
    screen = show(update)
    picks = summary["rows"]["changes"] + summary["rows"]["groups"]
    buttons = screen.page.locator("button.pick")
    assert buttons.count() == len(picks) == 9
    for pick in picks:
        name = " = ".join((pick["column"], pick["value"])) if "column" in pick else None
        name = name or f"{pick['base']} → {pick['new']} "
        screen.page.get_by_role("button", name=name).click()
        assert screen.visible("#rows-table tbody th") == names_of(summary, pick)
        assert f"{len(pick['rows'])} of {pick['n']}" in screen.text("#rows-what")
        if "column" in pick:
            assert {*screen.visible("#rows-table td:last-child")} == {pick["value"]}


# --- many groups ----------------------------------------------------------------------------------


def test_groups_are_searched_and_turned(show, crowd):
    screen = show(crowd)
    status, rows = "#groups-status", "#groups-table tbody th"
    assert screen.text(status) == "1–50 of 2,000 groups"
    assert screen.visible(rows) == [f"shop = S{i}" for i in range(50)]
    back = screen.page.get_by_role("button", name="Previous")
    on = screen.page.get_by_role("button", name="Next")
    assert back.is_disabled()
    on.press("Enter")
    assert screen.text(status) == "51–100 of 2,000 groups"
    assert screen.visible(rows)[0] == "shop = S50"
    back.click()
    search = screen.page.get_by_role("searchbox", name="Search groups")
    search.press_sequentially("s19")
    expected = [f"shop = S{i}" for i in range(2000) if str(i).startswith("19")]
    assert screen.text(status) == f"1–50 of {len(expected)} that match, of 2,000 groups"
    assert screen.visible(rows) == expected[:50]
    on.click()
    on.click()
    assert screen.visible(rows) == expected[100:]
    assert on.is_disabled()
    search.fill("<img src=x>")
    assert screen.text(status) == "No group of the 2,000 in this file matches"
    assert screen.visible(rows) == []
    search.fill("")
    assert len(screen.visible(rows)) == 50
    assert "98,000 groups with lower churn are left out of this file." in screen.text("main")


# --- without a script, on paper -------------------------------------------------------------------


def test_without_a_script_everything_is_a_table(show, update, crowd, summary):
    screen = show(update, java_script_enabled=False)
    assert len(screen.visible("#ladder-table tbody tr")) == len(summary["ladder"]["steps"])
    assert len(screen.visible("#rows-table tbody tr")) == 20
    assert screen.visible("input, .tools button, .scripted") == []
    assert screen.page.locator("button:not([disabled])").filter(visible=True).count() == 0
    assert len(show(crowd, java_script_enabled=False).visible("#groups-table tbody tr")) == 200


def test_paper_has_what_is_useful_and_no_controls(show, update, crowd, summary):
    screen = show(update, width=720, color_scheme="dark")  # a sheet of A4 with margins
    screen.page.emulate_media(media="print", color_scheme="dark")
    assert (
        screen.run("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    )
    screen.run("() => window.dispatchEvent(new Event('beforeprint'))")
    assert len(screen.visible("#ladder-table tbody tr")) == len(summary["ladder"]["steps"])
    assert screen.page.locator("details:not([open])").count() == 0
    wide = "() => [...document.querySelectorAll('table')].map(t => t.getBoundingClientRect().right)"
    assert max(screen.run(wide)) <= 720
    assert screen.visible("input, .tools, .scripted") == []
    screen.run("() => window.dispatchEvent(new Event('afterprint'))")
    assert screen.page.locator("details[open]").count() == 0
    assert screen.page.pdf().startswith(b"%PDF")
    many = show(crowd)
    many.page.emulate_media(media="print")
    many.run("() => window.dispatchEvent(new Event('beforeprint'))")
    assert len(many.visible("#groups-table tbody tr")) == 200
    many.run("() => window.dispatchEvent(new Event('afterprint'))")
    assert len(many.visible("#groups-table tbody tr")) == 50


# --- screens --------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["update", "crowd"])
@pytest.mark.parametrize("width", [390, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_and_nothing_scrolls_sideways(show, request, which, width, scheme):
    path = request.getfixturevalue(which)
    screen = show(path, width=width, color_scheme=scheme)
    for button in screen.page.locator("button.pick").all()[:2]:
        button.click()
    screen.run("() => document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert screen.run("() => document.documentElement.scrollWidth") == width
    faint = screen.run(CONTRAST)
    assert faint["checked"] > 40
    assert faint["below"] == []


# The ratio of WCAG 2 between every text's colour and the colours behind it.
CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3]));
  const light = colour => {
    const [r, g, b] = colour.slice(0, 3).map(part => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(rgba(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const below = [];
  let checked = 0;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest('svg, .hidden, button:disabled')) continue;
    const under = behind(element);
    const pair = [light(over(rgba(getComputedStyle(element).color), under)), light(under)];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    checked += 1;
    if (ratio < 4.5) below.push([texts.currentNode.data.trim().slice(0, 40), ratio]);
  }
  return {checked, below};
}"""


def test_whatever_has_the_focus_is_seen_and_named(show, update):
    screen = show(update)
    kinds = set()
    for _ in range(40):
        screen.page.keyboard.press("Tab")
        found = screen.run(
            """() => {
              const one = document.activeElement, style = getComputedStyle(one);
              return {
                tag: one.tagName, outline: style.outlineStyle + ' ' + style.outlineWidth,
                name: one.getAttribute('aria-label') || one.innerText
                  || (one.labels && one.labels[0] && one.labels[0].innerText) || '',
              };
            }"""
        )
        if found["tag"] == "BODY":
            break
        kinds.add(found["tag"])
        assert found["name"].strip()
        assert found["outline"] not in ("none 0px", "none 3px"), found
    assert kinds >= {"INPUT", "SUMMARY", "BUTTON", "DIV"}


# --- hostile values -------------------------------------------------------------------------------


TAGS = "() => [...new Set([...document.querySelectorAll('*')].map(e => e.tagName))].sort()"


@pytest.fixture(scope="module")
def calm_tags(browser, update):
    """Elements that a page without hostile values has."""
    page = browser.new_page()
    page.goto(update.as_uri())
    page.get_by_role("slider").press("End")
    tags = page.evaluate(TAGS)
    page.close()
    return tags


@pytest.mark.parametrize("first", [0, 3, 6])
def test_hostile_values_do_not_run(show, calm_tags, tmp_path_factory, first):
    names = [f"{i} {HOSTILE[(first + i) % len(HOSTILE)]}" for i in range(3)]
    screen = show(write(tmp_path_factory, update_summary(names, HOSTILE[first])))
    assert screen.run(TAGS) == calm_tags
    buttons = screen.page.locator("button.pick")
    assert buttons.count() == 9
    buttons.evaluate_all("all => all.forEach(button => button.click())")
    screen.page.get_by_role("slider").press("End")
    screen.page.locator("#frontier-plot").hover()
    assert screen.run(TAGS) == calm_tags
    assert screen.run("() => window.hit") is None
    attributes = screen.run(
        """() => [...document.querySelectorAll('main *')].flatMap(
             e => [...e.attributes].filter(a => /^on|^src$|^href$|^style$/i.test(a.name))
               .filter(a => !e.closest('.plot')).map(a => a.name + '=' + a.value))"""
    )
    assert {re.sub(r"[\d.]+", "0", value) for value in attributes} <= {
        *("style=--shade:0%", "style=width:0%", "style=left:0%", "style=left:0%;width:0%"),
    }
    assert screen.run("() => document.documentElement.scrollWidth") == 1100
