"""The pages about the benchmark's results, from the stores that are kept beside them.

For each docs/results/bench/SUITE.parquet the script writes SUITE.md, which says what was run and
what was not, sums up the results, and has the tables of every measure. It also writes
SUITE-frontier-N.png (SUITE-stream-N.png for streams), and the overview in docs/benchmark.md.

With --from, SUITE.parquet is first made from a store. To add to a suite that is kept, copy
SUITE.parquet into the folder of a store.

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
    """Make the published store of a suite from another store."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    kept = FOLDER / f"{suite}.parquet"
    print(f"{kept}: {merge([store], kept):,} rows")


def write_page(path: Path) -> None:
    rows = read_store([path])
    summary = summarise(rows)
    suite = path.stem
    lines = [f"# {TITLES[suite]}", "", *intro(path, summary), "", "## What it shows", ""]
    lines += [*findings(summary), *figure(rows, summary, suite)]
    found = [table for measure in MEASURES for table in tables(summary, measure)]
    lines.append(render(found, "markdown"))
    write_text(path.with_suffix(".md"), "\n".join(lines).rstrip() + "\n")
    print(path.with_suffix(".md"))


def write_overview(paths: list[Path]) -> None:
    """Put a table of all suites into the guide."""
    lines = [
        "Each cell has the median churn of a method at cold accuracy (strict), relative to cold "
        "start's. In brackets is the number of groups in which it has a setting that is as "
        "accurate.",
        "",
        f"| suite | network | rows | groups | runs | {' | '.join(SHOWN)} |",
        f"|---|---|---|---:|---:|{'---:|' * len(SHOWN)}",
    ]
    for path in paths:
        lines += [f"| [{path.stem}](results/bench/{path.stem}.md) {row}" for row in ratios(path)]
    write_between(GUIDE, {"overview": "\n".join(lines) + "\n"})


def ratios(path: Path) -> list[str]:
    """Return a row for each network and its sizes."""
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
        f"[{path.name}]({path.name}) has all rows, from which `python benchmarks/bench_pages.py`",
        "makes this page. [The guide](../../benchmark.md) explains the protocol, and",
        "[the glossary](../../words.md#the-benchmark) the words. The trials took",
        f"{facts.seconds / 3600:.1f} hours, added up, on these machines: "
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
    """Return a sentence that names the parts of the suite that were not run."""
    suite = SUITES[name]
    able = chosen(able=architecture(suite.networks[0]).changes)
    parts, run = [], by_sizes(summary.groups)
    for (network, sizes), groups in run.items():
        sets = {group.group.dataset for group in groups}
        missing = [source.label for source in suite.sources if source.label not in sets]
        if missing:
            parts.append(f"{network} at {sizes} on {', '.join(missing)}")
    networks = [network for network in suite.networks if network not in {n for n, _ in run}]
    methods = [method for method in able if method not in summary.methods]
    kinds = (("networks", networks), ("methods", methods))
    parts += [f"{kind} {', '.join(names)}" for kind, names in kinds if names]
    if not parts:
        return "The whole suite was run."
    return f"These parts of the suite were not run: {'; '.join(parts)}."


def findings(summary: Summary) -> list[str]:
    """Return a table and sentences that sum up the numbers, also where a method loses."""
    won = wins(summary, "strict").shares
    return [
        "The table compares each method with cold start by churn at cold accuracy (strict). It has "
        "the number of groups in which a method has a setting that is as accurate as cold start, "
        "the median ratio of its churn to cold start's in these groups, and the number of them in "
        "which its churn is less. The last column is the share of groups in which its churn is the "
        "lowest of all methods.",
        "",
        "| method | groups | as accurate | ratio of churn | less churn | lowest of all |",
        "|---|---:|---:|---:|---:|---:|",
        *(finding(summary, name, won[name] or 0.0) for name in summary.methods if name != "cold"),
        "",
        *losses(summary.groups),
    ]


def finding(summary: Summary, method: str, won: float) -> str:
    """Return the row of one method."""
    found = [(group.method(method), group.cold_churn_rate) for group in summary.groups]
    there = [(result, cold) for result, cold in found if result is not None]
    known = [(result.strict, cold) for result, cold in there if result.strict is not None]
    ratios = [choice.churn_rate / cold for choice, cold in known if cold > 0]
    ratio = f"{median(ratios):.2f}" if ratios else "–"
    lower = sum(value < 1 for value in ratios)
    return f"| {method} | {len(there)} | {len(known)} | {ratio} | {lower} | {won:.0%} |"


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
            lines += [f"{method} does not beat cold start on: {'; '.join(lost)}.", ""]
    return lines


def name_of(group: GroupResult, groups: Sequence[GroupResult]) -> str:
    """Return data set and network; the sizes too where the network was run at several."""
    network = group.group.network
    several = sum(name == network for name, _ in by_sizes(groups)) > 1
    sizes = f" at {sizes_of(group)}" if several else ""
    return f"{group.group.dataset} × {network}{sizes}"


def figure(rows: pd.DataFrame, summary: Summary, suite: str) -> list[str]:
    kind = "stream" if suite == "stream" else "frontier"
    lines = [plots.NOTES[kind], ""]
    for number, page in enumerate(plots.pages(rows, summary, kind), start=1):
        name = f"{suite}-{kind}-{number}.png"
        plots.save_page(page, FOLDER / name, "png")
        lines += [f"![{page.title}]({name})", ""]
    return lines


if __name__ == "__main__":
    main()
