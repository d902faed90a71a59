"""Damaged tables end in a readable error or are read as what they then say, never in a crash.

Five hundred of them, always the same, are compared by child processes of bounded memory and time.
"""

import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from tests.helpers.damage import (
    MOST_MEMORY,
    START,
    cut,
    dropped,
    flipped_bits,
    huge_number,
    inserted,
    noise,
    read_all,
    zeroed,
)

from holdfast.cli import main
from holdfast.tables import write_table

pytestmark = pytest.mark.slow

NUMBERS = {".parquet": 300, ".csv": 150, ".csv.gz": 50}
N = 3_000


def tables():
    rng = np.random.default_rng(0)
    base = pd.DataFrame({"id": np.arange(N), "prediction": rng.choice(["cat", "dog"], N)})
    base["label"], base["w"] = rng.choice(["cat", "dog"], N), rng.random(N)
    proba = rng.dirichlet(np.ones(2), N)
    new = pd.DataFrame({"id": rng.permutation(N), "proba_cat": proba[:, 0]})
    return base, new.assign(proba_dog=proba[:, 1])


# --- damage ---------------------------------------------------------------------------------------


def in_footer(change):
    """Damage the description at the end of a Parquet file, whose length stays right."""

    def changed(data, rng):
        length = int.from_bytes(data[-8:-4], "little")
        start = len(data) - 8 - length
        footer = change(bytearray(data[start:-8]), rng)
        return data[:start] + footer + len(footer).to_bytes(4, "little") + b"PAR1"

    return changed


KINDS = {"cut": cut, "bits": flipped_bits, "zeros": zeroed, "huge": huge_number}
KINDS |= {"inserted": inserted, "dropped": dropped, "noise": noise}
FOOTER = {f"footer {name}": in_footer(change) for name, change in KINDS.items()}
# What leaves no whole file behind, whatever its bytes are.
HOPELESS = {".parquet": ("cut", "noise"), ".csv": ("noise",), ".csv.gz": ("cut", "noise")}

READ = (
    START
    + """
import holdfast

base, *paths = arguments


def outcome(path):
    found = holdfast.compare_tables(base, path, id="id")
    return "compares" if 0 <= found.churn_rate <= 1 else "wrong"


each(outcome, paths)
"""
)


def test_every_damaged_table_is_refused_or_read(tmp_path):
    base, new = tables()
    write_table(base, tmp_path / "base.parquet")
    script = tmp_path / "read.py"
    script.write_text(READ)
    damage = {}
    for suffix, number in NUMBERS.items():
        write_table(new, tmp_path / f"whole{suffix}")
        whole = (tmp_path / f"whole{suffix}").read_bytes()
        kinds = KINDS | (FOOTER if suffix == ".parquet" else {})
        for i in range(number):
            rng = np.random.default_rng([i, len(suffix)])
            name = sorted(kinds)[i % len(kinds)]
            path = tmp_path / f"{i}{suffix}"
            path.write_bytes(kinds[name](bytearray(whole), rng))
            damage[str(path)] = (suffix, name)
    paths = list(damage)
    assert len(paths) == 500
    results, peak = read_all(script, paths, str(tmp_path / "base.parquet"))
    kinds = {path: result.partition(":")[0] for path, result in results.items()}
    print(Counter((damage[p][0], kind) for p, kind in kinds.items()), peak >> 20, "MB")
    bad = {p: results[p] for p, kind in kinds.items() if kind not in ("refused", "compares")}
    assert not bad, sorted({result[:300] for result in bad.values()})
    passed = {p: damage[p] for p, kind in kinds.items() if kind == "compares"}
    assert not {p: d for p, d in passed.items() if d[1] in HOPELESS[d[0]]}
    assert len(passed) < 100
    assert peak < MOST_MEMORY


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".csv.gz"])
def test_the_command_line_ends_with_status_2(suffix, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, table in zip(("base", "new"), tables(), strict=True):
        write_table(table, f"{name}{suffix}")
    whole = (tmp_path / f"new{suffix}").read_bytes()
    (tmp_path / f"new{suffix}").write_bytes(whole[: len(whole) // 2])
    command = ["holdfast", "compare", f"base{suffix}", f"new{suffix}", "--id", "id"]
    monkeypatch.setattr(sys, "argv", [*command, "--report", "report.html"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("holdfast: ")
    assert not (tmp_path / "report.html").exists()
