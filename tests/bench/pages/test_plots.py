import base64
import re
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import typer
from tests.helpers.bench_frames import random_results
from typer.testing import CliRunner

from holdfast.bench.findings.results import Summary
from holdfast.bench.findings.summary import summarise
from holdfast.bench.pages.page import render_benchmark
from holdfast.bench.pages.plots import pages, save_page, svg_of
from holdfast.bench.pages.style import KNOWN, style_of
from holdfast.bench.trials.contenders import CONTENDERS
from holdfast.cli.bench.plot import plot
from holdfast.exceptions import InvalidInputError, MissingExtraError

pytest.importorskip("matplotlib")

HOSTILE = [
    "</text><script>alert(1)</script>",
    "$\\frac{1}{$ _x^",
    "_hidden",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} \u202e\x00",
    "数据集",
    "x" * 300,
]


@pytest.fixture(scope="module")
def frame():
    return random_results(0, runs=4, methods=("cold", "distill", "mine"))


@pytest.fixture(scope="module")
def stream():
    return random_results(1, runs=4, updates=3, datasets=["adult"])


def drawn(frame, kind):
    return list(pages(frame, summarise(frame), kind))


def visible(figure):
    return [ax for ax in figure.axes if ax.axison]


# --- figures --------------------------------------------------------------------------------------


def test_a_page_for_each_network_and_twelve_panels(frame):
    many = random_results(0, datasets=[f"d{i:02}" for i in range(14)], runs=1, methods=("cold",))
    found = drawn(many, "frontier")
    assert [len(visible(page.figure)) for page in found] == [12, 2]
    assert found[0].title == "Accuracy against churn: fcn-10 (1 of 2)"
    two = [frame, frame.assign(network="fcn-1000")]
    found = drawn(type(frame)(np.concatenate(two), columns=frame.columns), "frontier")
    assert [page.title.split(": ")[1] for page in found] == ["fcn-10", "fcn-1000"]


def test_frontier_draws_the_efficient_settings(frame):
    summary = summarise(frame)
    (page,) = pages(frame, summary, "frontier")
    for group, ax in zip(summary.groups, page.figure.axes, strict=True):
        assert ax.get_title(loc="left") == group.group.dataset
        lines = {tuple(np.round(line.get_xydata().ravel(), 6)) for line in ax.get_lines()}
        for result in group.methods:
            best = sorted((p.churn_rate, p.accuracy) for p in result.points if p.efficient)
            assert tuple(np.round(100 * np.ravel(best), 6)) in lines
    legend = [text.get_text() for text in page.figure.legends[0].get_texts()]
    assert legend == [*summary.methods, "base model"]


def upright_lines(page):
    drawn_at = []
    for ax in visible(page.figure):
        ends = [np.unique(line.get_xdata()) for line in ax.get_lines() if len(line.get_xdata()) > 1]
        drawn_at += [float(x[0]) for x in ends if len(x) == 1]
    return drawn_at


def test_the_churn_floor_is_a_line_where_ensembles_were_run(frame):
    ensemble = frame[frame["method"] == "cold"].assign(method="ensemble", setting="ensemble")
    share = 0.02 + 0.001 * ensemble["run"]
    more = pd.concat([frame, ensemble.assign(member_churn=share)], ignore_index=True)
    summary = summarise(more)
    assert [group.churn_floor for group in summary.groups] == [pytest.approx(0.0215)] * 2
    (page,) = drawn(more, "frontier")
    assert upright_lines(page) == [pytest.approx(2.15)] * 2
    for without in (frame, more.assign(member_churn=np.nan)):
        assert [group.churn_floor for group in summarise(without).groups] == [None] * 2
        assert upright_lines(drawn(without, "frontier")[0]) == []


def test_a_method_looks_the_same_everywhere(frame, stream):
    looks = {}
    for data in (frame, stream):
        for page in drawn(data, "all"):
            legend = page.figure.legends[0]
            for text, line in zip(legend.get_texts(), legend.legend_handles, strict=True):
                look = (line.get_color(), line.get_marker(), line.get_linestyle())
                assert looks.setdefault(text.get_text(), look) == look
    assert len(set(looks.values())) == len(looks)


def test_known_methods_are_told_apart():
    assert set(CONTENDERS) <= set(KNOWN)
    assert len({(style.colour, style.marker) for style in KNOWN.values()}) == len(KNOWN)
    assert style_of("mine") == style_of("mine")
    assert style_of("mine") not in KNOWN.values()
    assert style_of("\ud800")


def test_cost_of_cold_is_the_line_at_zero(frame):
    (page,) = drawn(frame, "cost")
    for ax in visible(page.figure):
        cold = ax.get_lines()[0]
        assert np.abs(cold.get_ydata()).max() < 1e-9


def test_streams_have_three_panels(stream):
    (page,) = drawn(stream, "stream")
    assert len(visible(page.figure)) == 3
    assert [page.kind for page in drawn(stream, "all")] == ["frontier", "cost", "stream"]


def test_draws_have_no_stream(frame):
    with pytest.raises(InvalidInputError, match="--kind stream must have a group of more than one"):
        drawn(frame, "stream")
    assert [page.kind for page in drawn(frame, "all")] == ["frontier", "cost"]


def test_one_run_and_one_method():
    frame = random_results(0, runs=1, datasets=["adult"], methods=("cold",), updates=2)
    for page in drawn(frame, "all"):
        assert svg_of(page)


def test_unknown_kind(frame):
    with pytest.raises(InvalidInputError, match="--kind must be one of 'frontier'"):
        drawn(frame, "frontiers")


def test_without_matplotlib(frame, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"holdfast\[bench\]"):
        drawn(frame, "frontier")


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_same_bytes_each_time(stream, tmp_path, form):
    files = []
    for attempt in ("a", "b"):
        for number, page in enumerate(drawn(stream, "all")):
            files.append(tmp_path / f"{attempt}{number}.{form}")
            save_page(page, files[-1], form)
    half = len(files) // 2
    for one, other in zip(files[:half], files[half:], strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_png_is_a_picture_of_many_colours(frame, tmp_path):
    from matplotlib.image import imread

    (page,) = drawn(frame, "frontier")
    save_page(page, tmp_path / "a.png", "png")
    pixels = imread(tmp_path / "a.png")
    height, width = pixels.shape[:2]
    assert (width, height) > (900, 500)
    assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 100
    # Nothing is cut off: the border is white.
    for edge in (pixels[:2], pixels[-2:], pixels[:, -2:]):
        assert (edge[..., :3] == 1).all()


def test_svg_is_self_contained(frame):
    for page in drawn(frame, "all"):
        root = ElementTree.fromstring(svg_of(page))
        assert len(list(root.iter())) > 100
        for element in root.iter():
            assert element.tag.split("}")[-1] not in ("script", "foreignObject", "image")
            for name, value in element.attrib.items():
                if name.endswith("href"):
                    assert value.startswith("#")
        assert b"date" not in svg_of(page).lower()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_drawn_as_they_are(name):
    frame = random_results(0, runs=2, datasets=["adult"], methods=("cold", "mine"))
    frame = frame.replace({"dataset": {"adult": name}, "method": {"mine": name}})
    for page in drawn(frame.assign(network=name), "all"):
        ElementTree.fromstring(svg_of(page))
        labels = [text.get_text() for text in page.figure.legends[0].get_texts()]
        assert len(labels) == 2 + (page.kind == "frontier")


# --- the page -------------------------------------------------------------------------------------


class Html(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_data(self, data):
        self.text += data


def test_page_has_tables_and_figures_and_loads_nothing(frame):
    summary = summarise(frame)
    found = list(pages(frame, summary, "all"))
    page = render_benchmark(summary, found)
    assert page == render_benchmark(summary, found)
    html = Html(page)
    assert html.tags.count("table") == 7
    assert html.tags.count("img") == len(found)
    assert "script" not in html.tags
    for _, name, value in html.attributes:
        assert not name.startswith("on")
        if name in ("src", "href"):
            assert value.startswith("data:")
    assert "http" not in re.sub(r"http-equiv", "", page)
    for group in summary.groups:
        for result in group.methods:
            if result.strict is not None:
                assert f"{100 * result.strict.churn_rate:.2f}" in html.text
    (source, *_) = (v for tag, name, v in html.attributes if (tag, name) == ("img", "src"))
    ElementTree.fromstring(base64.b64decode(source.split(",")[1]))


@pytest.mark.parametrize("name", HOSTILE)
def test_page_escapes_names(name):
    frame = random_results(0, runs=2, datasets=["adult"], methods=("cold", "mine"))
    frame = frame.replace({"dataset": {"adult": name}, "method": {"mine": name}})
    frame = frame.assign(network=name)
    lost = frame.assign(dataset=f"{name}2").query("method != 'cold'")
    both = type(frame)(np.concatenate([frame, lost]), columns=frame.columns)
    page = render_benchmark(summarise(both), [], title=name)
    html = Html(page)
    assert not {"script", "img"} & set(html.tags)
    assert " ".join(name.split())[:60].replace("\u202e", " ").replace("\x00", " ")[:12] in html.text
    assert "Left out." in html.text


def test_page_of_nothing():
    assert "Left out" not in render_benchmark(Summary((), (), 0.95, 0.002), [])


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def cli(monkeypatch, frame):
    import holdfast.bench.store

    monkeypatch.setattr(holdfast.bench.store, "read_store", lambda paths: frame)
    app = typer.Typer()
    app.command()(plot)

    def call(*arguments):
        result = CliRunner().invoke(app, ["store", *map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return call


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".html", b"<!DOCTYPE html>")]
)
def test_command_writes_one_file(cli, tmp_path, suffix, start):
    out = tmp_path / f"figure{suffix}"
    shown = cli("--out", out, "--method", "distill")
    assert shown.startswith("wrote")
    assert out.read_bytes().lstrip().startswith(start)
    assert list(tmp_path.iterdir()) == [out]


def test_several_figures_are_numbered(cli, tmp_path):
    cli("--out", tmp_path / "a.svg", "--kind", "all", "--dataset", "adult")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1.svg", "a-2.svg"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "a.pdf"], r"--out must end in one of .png, .svg, .html, got 'a.pdf'"),
        (["--out", "a.png", "--kind", "x"], "--kind must be one of"),
        (["--out", "a.png", "--dataset", "adlut"], "did you mean 'adult'"),
        (["--out", "/nowhere/a.png"], "must be in an existing folder"),
    ],
)
def test_command_refuses(cli, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        cli(*arguments)
