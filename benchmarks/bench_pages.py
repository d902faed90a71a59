"""The pages about the benchmark's results, from the stores that are kept beside them.

For each docs/results/bench/SUITE.parquet writes SUITE.md with what was run and what was not, what
it shows and the tables of every measure, and SUITE-frontier-N.png (SUITE-stream-N.png for streams);
and the overview in docs/benchmark.md. With --from SUITE.parquet is first made of a store; to go on
with what is kept, copy SUITE.parquet into a store's folder.

Run: python benchmarks/bench_pages.py [--from SUITE=STORE]...
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import pandas as pd
from marked import write_between

from holdfast.bench.findings.summary import GroupResult, Summary, summarise
from holdfast.bench.findings.wins import wins
from holdfast.bench.pages import plots
from holdfast.bench.pages.tables import render, tables
from holdfast.bench.store import merge, read_facts, read_store
from holdfast.bench.trials.architectures import architecture
from holdfast.bench.trials.contenders import chosen
from holdfast.bench.trials.suites import SUITES
from holdfast.common.files import write_text

DOCS = Path(__file__).parents[1] / "docs"
FOLDER, GUIDE = DOCS / "results" / "bench", DOCS / "benchmark.md"
TITLES = {
    "openml": "Tables: thirteen OpenML sets, fully-connected networks",
    "images": "Images: convolutional networks",
    "text": "Texts: transformers",
    "stream": "Streams: ten updates in a row",
    "resnet": "ResNet",
    "trees": "Tables: gradient boosting",
}
MEASURES = ("strict", "honest", "non_inferior", "gain", "wins")
SHOWN = (
    "anchor",
    "distill",
    "warm_distill",
    "average",
    "override",
    "ensemble",
    "average_ensemble",
    "override_ensemble",
)
PAPER = ("distill", "anchor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="stores", action="append", default=[], metavar="SUITE=STORE")
    for given in parser.parse_args().stores:
        suite, _, store = given.partition("=")
        keep(suite, Path(store))
    paths = sorted(FOLDER.glob("*.parquet"))
    for path in paths:
        write_page(path)
    write_overview(paths)


def keep(suite: str, store: Path) -> None:
    """Make the published store of a suite of another one."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    kept = FOLDER / f"{suite}.parquet"
    print(f"{kept}: {merge([store], kept):,} rows")


def write_page(path: Path) -> None:
    rows = read_store([path])
    summary = summarise(rows)
    suite = path.stem
    lines = [f"# {TITLES[suite]}", "", *intro(path, summary), "", "## What it shows", ""]
    lines += [*findings(summary), "", *figure(rows, summary, suite)]
    found = [table for measure in MEASURES for table in tables(summary, measure)]
    lines.append(render(found, "markdown"))
    write_text(path.with_suffix(".md"), "\n".join(lines).rstrip() + "\n")
    print(path.with_suffix(".md"))


def write_overview(paths: list[Path]) -> None:
    """Put a table of all suites into the guide."""
    lines = [
        "Median churn of each method at cold accuracy (strict), relative to cold start's; in "
        "brackets in how many groups it has a setting that is as accurate.",
        "",
        f"| suite | network | rows | groups | runs | {' | '.join(SHOWN)} |",
        f"|---|---|---|---:|---:|{'---:|' * len(SHOWN)}",
    ]
    for path in paths:
        lines += [f"| [{path.stem}](results/bench/{path.stem}.md) {row}" for row in ratios(path)]
    write_between(GUIDE, {"overview": "\n".join(lines) + "\n"})


def ratios(path: Path) -> list[str]:
    """Return a row for each network and sizes."""
    rows = []
    for (network, sizes), groups in by_sizes(summarise(read_store([path])).groups).items():
        cells = [relative(groups, method) for method in SHOWN]
        runs = between(group.n_runs for group in groups)
        rows.append(f"| {network} | {sizes} | {len(groups)} | {runs} | {' | '.join(cells)} |")
    return rows


def by_sizes(groups: Iterable[GroupResult]) -> dict[tuple[str, str], list[GroupResult]]:
    """Return the groups of each network and its sizes."""
    found: dict[tuple[str, str], list[GroupResult]] = {}
    for group in groups:
        found.setdefault((group.group.network, sizes_of(group)), []).append(group)
    return found


def relative(groups: list[GroupResult], method: str) -> str:
    found = [(g.method(method), g.cold_churn_rate) for g in groups]
    known = [m.strict.churn_rate / cold for m, cold in found if m and m.strict and cold > 0]
    if not any(m for m, _ in found):
        return "not run"
    return f"{median(known):.2f} ({len(known)})" if known else "– (0)"


def sizes_of(group: GroupResult) -> str:
    return f"{group.group.n_init:,} / {group.group.n_val:,} / {group.group.n_batch:,}"


def between(numbers: Iterable[int]) -> str:
    found = list(numbers)
    return " to ".join(map(str, sorted({min(found), max(found)})))


def intro(path: Path, summary: Summary) -> list[str]:
    facts = read_facts([path])
    lines = [
        f"Every row is kept in [{path.name}]({path.name}); this page is made from it by",
        "`python benchmarks/bench_pages.py`. The protocol is in",
        "[the guide](../../benchmark.md). "
        f"Its trials took {facts.seconds / 3600:.1f} hours, added up, on: "
        f"{'; '.join(facts.machines)}.",
        "",
        "| network | initial / validation / further rows | data sets | runs |",
        "|---|---|---|---|",
    ]
    for (network, sizes), groups in by_sizes(summary.groups).items():
        sets = ", ".join(group.group.dataset for group in groups)
        runs = between(group.n_runs for group in groups)
        lines.append(f"| {network} | {sizes} | {sets} | {runs} |")
    return [*lines, "", absent(path.stem, summary)]


def absent(name: str, summary: Summary) -> str:
    """Say what of the suite was not run."""
    suite = SUITES[name]
    able = chosen(able=architecture(suite.networks[0]).changes)
    told, run = [], by_sizes(summary.groups)
    for (network, sizes), groups in run.items():
        sets = {group.group.dataset for group in groups}
        missing = [source.label for source in suite.sources if source.label not in sets]
        if missing:
            told.append(f"{network} at {sizes} on {', '.join(missing)}")
    networks = [network for network in suite.networks if network not in {n for n, _ in run}]
    methods = [method for method in able if method not in summary.methods]
    told += [f"{w} {', '.join(x)}" for w, x in (("networks", networks), ("methods", methods)) if x]
    return f"Not run: {'; '.join(told)}." if told else "Nothing of the suite was left out."


def findings(summary: Summary) -> list[str]:
    """Say in sentences what the numbers are, also where a method loses."""
    strict = wins(summary, "strict")
    lines = []
    for method in summary.methods:
        if method == "cold":
            continue
        found = [group.method(method) for group in summary.groups]
        there = [(g, m) for g, m in zip(summary.groups, found, strict=True) if m is not None]
        known = [(g, m) for g, m in there if m.strict is not None]
        ratios = [
            m.strict.churn_rate / g.cold_churn_rate
            for g, m in known
            if m.strict is not None and g.cold_churn_rate > 0
        ]
        if not ratios:
            lines.append(f"- **{method}**: in none of {len(there)} groups as accurate as cold.")
            continue
        lower = sum(ratio < 1 for ratio in ratios)
        share = strict.shares[method] or 0.0
        lines.append(
            f"- **{method}**: as accurate as cold start in {len(known)} of {len(there)} groups, "
            f"there with {median(ratios):.2f} times its churn (median; less in {lower}); lowest of "
            f"all methods in {share:.0%} of the groups."
        )
    return [
        "Churn at cold accuracy (strict), each method against cold start:",
        "",
        *lines,
        "",
        *losses(summary.groups),
    ]


def losses(groups: Sequence[GroupResult]) -> list[str]:
    lines = []
    for method in PAPER:
        lost = []
        for group in groups:
            result = group.method(method)
            if result is None:
                continue
            if result.strict is None:
                lost.append(f"{name_of(group, groups)} (never as accurate)")
            elif result.honest is not None and result.honest.churn_rate >= group.cold_churn_rate:
                lost.append(f"{name_of(group, groups)} (honest churn higher)")
        if lost:
            lines += [f"Where {method} does not beat cold start: {'; '.join(lost)}.", ""]
    return lines


def name_of(group: GroupResult, groups: Sequence[GroupResult]) -> str:
    """Return data set and network; the sizes too where the network was run at several."""
    network = group.group.network
    several = sum(name == network for name, _ in by_sizes(groups)) > 1
    sizes = f" at {sizes_of(group)}" if several else ""
    return f"{group.group.dataset} × {network}{sizes}"


def figure(rows: pd.DataFrame, summary: Summary, suite: str) -> list[str]:
    kind = "stream" if suite == "stream" else "frontier"
    lines = []
    for number, page in enumerate(plots.pages(rows, summary, kind), start=1):
        name = f"{suite}-{kind}-{number}.png"
        plots.save_page(page, FOLDER / name, "png")
        lines += [f"![{page.title}]({name})", "", page.note, ""]
    return lines


if __name__ == "__main__":
    main()
