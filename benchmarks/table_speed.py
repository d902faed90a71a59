"""Tables larger than memory: `compare_tables` against a query written by hand, and its memory.

The tables have labels, the truth and one group column (1,000 values), with ids in two different
shuffled orders; another has the truth and two scores, which a threshold turns into answers. Each
measurement runs in a process of its own, the two sides take turns, and times are medians.

Run: python benchmarks/table_speed.py [--millions 50] [--folder FOLDER]
    [--only joined one_table scores]
Needs about 17 MB of disk for each million rows, and as much again for data that do not fit memory.
Writes docs/results/table_speed.json and the table between the markers of docs/production.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
from marked import write_between

from holdfast.common.files import write_text
from holdfast.rules import Threshold

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "table_speed.json"
PAGE = ROOT / "docs" / "production.md"
TABLES = (
    ("joined", "two, joined by id"),
    ("one_table", "one, both models"),
    ("scores", "one, both models' scores"),
)
MEMORY = "512MB"
REPEATS = 3

OURS = """
import json, resource, sys, time
import holdfast
from holdfast.rules import Threshold
start = time.perf_counter()
found = holdfast.compare_tables(*{paths}, memory_limit={memory!r}, temp_dir={folder!r}, **{options})
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({{"seconds": seconds, "peak_mib": peak, "churn_rate": found.churn_rate}}))
"""
HAND = """
import json, resource, time
import duckdb
start = time.perf_counter()
connection = duckdb.connect(config={{"memory_limit": {memory!r}, "temp_directory": {folder!r}}})
found = connection.execute({sql!r}).fetchnumpy()
seconds = time.perf_counter() - start
changed = found["n"][found["old"] != found["new"]].sum() / found["n"].sum()
print(json.dumps({{"seconds": seconds, "churn_rate": float(changed)}}))
"""
JOINED = """
SELECT "group", b.prediction AS old, n.prediction AS new,
    (b.prediction = label)::INT + 2 * (n.prediction = label)::INT AS outcome, count(*) AS n
FROM '{base}' b JOIN '{new}' n USING (id) GROUP BY ALL
"""
ONE = """
SELECT "group", old, new, (old = label)::INT + 2 * (new = label)::INT AS outcome, count(*) AS n
FROM '{one}' GROUP BY ALL
"""
CUT = 0.12
# Answers and bins of both scores, and what Brier score and log loss with their intervals rest on.
SCORES = """
SELECT label, old_score >= {cut} AS old, new_score >= {cut} AS new, {old_bin} AS a, {new_bin} AS b,
    sum(old_score), sum(new_score), {losses}, count(*) AS n
FROM '{scores}' GROUP BY ALL
"""
BIN = (
    "least(floor((sqrt({0}) - sqrt(1 - {0}) + 1) / 2 * 4096), 4095)::BIGINT + ({0} >= {1})::BIGINT"
)
RIGHT = "CASE WHEN label = 'fraud' THEN {0} ELSE 1 - {0} END"
LOSSES = ("(1 - ({0})) ** 2", "-ln(greatest({0}, 2.2e-16))")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=int, nargs="*", default=[50, 200])
    kinds = [name for name, _ in TABLES]
    parser.add_argument("--only", nargs="*", choices=kinds, default=kinds)
    parser.add_argument("--folder", type=Path, help="where the tables are made")
    arguments = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        for millions in arguments.millions:
            own = results.setdefault(str(millions), {})
            own |= measured(Path(name), millions * 10**6, arguments.only)
            print(millions, json.dumps(results[str(millions)]), flush=True)
            write_text(RESULTS, json.dumps(results, indent=1) + "\n")
    write_between(PAGE, {"speed": table(results)})


def measured(folder: Path, n: int, only: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    repeats = REPEATS if n <= 50 * 10**6 else 1
    if "scores" in only:
        found["scores"] = measured_scores(folder, n, repeats)
    if {*only} - {"scores"}:
        found |= measured_answers(folder, n, repeats)
    return {name: own for name, own in found.items() if name in only}


def measured_scores(folder: Path, n: int, repeats: int) -> dict[str, Any]:
    path = folder / f"scores-{n}.parquet"
    run_sql(
        folder,
        "COPY (SELECT p AS old_score, "
        "least(greatest(p + ((hash(id + 3) % 1000)::INT - 500) / 50000, 0), 1) AS new_score, "
        "CASE WHEN hash(id + 7) % 1000000 < p * 1000000 THEN 'fraud' ELSE 'legit' END AS label "
        "FROM (SELECT range AS id, power((hash(range) % 1000003) / 1000003, 6) AS p "
        f"FROM range({n}))) TO '{path}' (FORMAT parquet)",
    )
    columns = {"score": "old_score", "new_score": "new_score"}
    options = columns | {"rule": Threshold(CUT, positive="fraud")}
    found = contest([path], options, hand_scores(path), repeats)
    path.unlink()
    return found


def hand_scores(path: Path) -> str:
    losses = []
    for loss in LOSSES:
        old, new = (loss.format(RIGHT.format(score)) for score in ("old_score", "new_score"))
        losses += [f"sum({one}), sum(({one}) ** 2)" for one in (old, new)]
        losses.append(f"sum((({new}) - ({old})) ** 2)")
    return SCORES.format(
        cut=CUT,
        old_bin=BIN.format("old_score", CUT),
        new_bin=BIN.format("new_score", CUT),
        losses=", ".join(losses),
        scores=path,
    )


def measured_answers(folder: Path, n: int, repeats: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    base, new = folder / f"base-{n}.parquet", folder / f"new-{n}.parquet"
    one = folder / f"one-{n}.parquet"
    make(folder, base, new, n)
    groups = {"groups": ["group"]}
    found["joined"] = contest(
        [base, new], {"id": "id"} | groups, JOINED.format(base=base, new=new), repeats
    )
    new.unlink()
    both = f"SELECT id, prediction AS old, {CHANGED}, label, \"group\" FROM '{base}'"
    run_sql(folder, f"COPY ({both}) TO '{one}' (FORMAT parquet)")
    base.unlink()
    columns = {"prediction": "old", "new_prediction": "new"} | groups
    found["one_table"] = contest([one], columns, ONE.format(one=one), repeats)
    one.unlink()
    return found


CHANGED = (
    "CASE WHEN hash(id + 5) % 100 < 95 THEN prediction ELSE (hash(id + 9) % 10)::INTEGER END AS new"
)


def make(folder: Path, base: Path, new: Path, n: int) -> None:
    """Write both tables; multiplying by a prime modulo n shuffles the ids."""

    def ids(prime: int) -> str:
        return f"(SELECT ((range::HUGEINT * {prime} + 11) % {n})::BIGINT AS id FROM range({n}))"

    run_sql(
        folder,
        "COPY (SELECT id, (hash(id) % 10)::INTEGER AS prediction, "
        "CASE WHEN hash(id + 7) % 100 < 85 THEN (hash(id) % 10)::INTEGER "
        "ELSE (hash(id + 3) % 10)::INTEGER END AS label, "
        "'g' || (hash(id + 11) % 1000) AS \"group\" "
        f"FROM {ids(7368787)}) TO '{base}' (FORMAT parquet)",
    )
    answers = f"SELECT id, (hash(id) % 10)::INTEGER AS prediction FROM {ids(15485863)}"
    changed = f"SELECT id, new AS prediction FROM (SELECT id, {CHANGED} FROM ({answers}))"
    run_sql(folder, f"COPY ({changed}) TO '{new}' (FORMAT parquet)")


def run_sql(folder: Path, sql: str) -> None:
    config = {"temp_directory": str(folder / "tmp"), "preserve_insertion_order": "false"}
    with duckdb.connect(config=config) as connection:
        connection.execute(sql)


def contest(paths: list[Path], options: dict[str, Any], sql: str, repeats: int) -> dict[str, Any]:
    folder = str(paths[0].parent)
    ours = OURS.format(paths=[*map(str, paths)], options=options, memory=MEMORY, folder=folder)
    hand = HAND.format(sql=sql, memory=MEMORY, folder=f"{folder}/hand")
    runs = [(child(ours), child(hand)) for _ in range(repeats)]
    assert all(abs(a["churn_rate"] - b["churn_rate"]) < 1e-12 for a, b in runs)
    return {
        "seconds": round(median(a["seconds"] for a, _ in runs), 1),
        "hand_seconds": round(median(b["seconds"] for _, b in runs), 1),
        "ratio": round(median(a["seconds"] / b["seconds"] for a, b in runs), 2),
        "peak_mib": round(max(a["peak_mib"] for a, _ in runs)),
    }


def child(code: str) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:  # DuckDB is chatty with -c
        script.write(code)
        script.flush()
        command = [sys.executable, script.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def table(results: dict[str, Any]) -> str:
    lines = [
        "| rows | tables | seconds | the same query by hand | ratio | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    for millions, found in sorted(results.items(), key=lambda item: int(item[0])):
        for name, tables in TABLES:
            own = found.get(name)
            if own is None:
                continue
            lines.append(
                f"| {millions} million | {tables} | {own['seconds']} | {own['hand_seconds']} | "
                f"{own['ratio']} | {own['peak_mib']} MiB |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
