"""Damaged tables end in a readable error or are read as what they then say, never in a crash.

Five hundred of them, always the same, are compared by child processes of bounded memory and time.
"""

import json
import subprocess
import sys
import textwrap
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from holdfast.cli import main
from holdfast.tables import write_table

pytestmark = pytest.mark.slow

NUMBERS = {".parquet": 300, ".csv": 150, ".csv.gz": 50}
BATCHES = 2
SECONDS = 10  # for one file
MEMORY = 8 * 2**30
MOST_MEMORY = 2**30  # what may really be in use
N = 3_000


def tables():
    rng = np.random.default_rng(0)
    base = pd.DataFrame({"id": np.arange(N), "prediction": rng.choice(["cat", "dog"], N)})
    base["label"], base["w"] = rng.choice(["cat", "dog"], N), rng.random(N)
    proba = rng.dirichlet(np.ones(2), N)
    new = pd.DataFrame({"id": rng.permutation(N), "proba_cat": proba[:, 0]})
    return base, new.assign(proba_dog=proba[:, 1])


# --- damage ---------------------------------------------------------------------------------------


def cut(data, rng):
    return data[: rng.integers(len(data) - 40)]


def flipped_bits(data, rng):
    for at in rng.integers(len(data), size=rng.integers(1, 8)):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def zeroed(data, rng):
    at = rng.integers(len(data))
    data[at : at + 200] = bytes(len(data[at : at + 200]))
    return data


def huge_number(data, rng):
    """Write a huge number where there may be a length."""
    at = rng.integers(len(data) - 4)
    data[at : at + 4] = b"\xff\xff\xff\x7f"
    return data


def inserted(data, rng):
    at = rng.integers(len(data))
    data[at:at] = rng.bytes(int(rng.integers(1, 40)))
    return data


def dropped(data, rng):
    at = rng.integers(len(data))
    del data[at : at + rng.integers(1, 60)]
    return data


def noise(data, rng):
    return bytearray(rng.bytes(len(data)))


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

READ = textwrap.dedent("""
    import json, resource, signal, sys, warnings
    import holdfast
    from holdfast.exceptions import HoldfastError

    warnings.simplefilter("ignore")
    seconds, memory, base, *paths = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))

    for path in paths:
        print(json.dumps({"file": path}), flush=True)
        signal.alarm(int(seconds))
        try:
            found = holdfast.compare_tables(base, path, id="id")
            result = "compares" if 0 <= found.churn_rate <= 1 else "wrong"
        except HoldfastError as error:
            result = "refused: " + str(error)
        except BaseException as error:
            result = f"other: {type(error).__name__}: {error}"
        signal.alarm(0)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"file": path, "result": result, "memory": used}), flush=True)
""")


def read_all(script, base, paths):
    """Return what became of each file; a process that dies takes only one file with it."""
    results, peak, waiting = {}, 0, list(map(str, paths))
    while waiting:
        command = [sys.executable, script, str(SECONDS), str(MEMORY), base, *waiting]
        done = subprocess.run(command, capture_output=True, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert lines, done.stderr
        for line in lines:
            results[line["file"]] = line.get("result", f"crash: status {done.returncode}")
            peak = max(peak, line.get("memory", 0))
        waiting = [path for path in waiting if path not in results]
    return results, peak


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
    with ThreadPoolExecutor(BATCHES) as pool:
        parts = list(
            pool.map(
                lambda start: read_all(
                    str(script), str(tmp_path / "base.parquet"), paths[start::BATCHES]
                ),
                range(BATCHES),
            )
        )
    results = {path: result for part, _ in parts for path, result in part.items()}
    kinds = {path: result.partition(":")[0] for path, result in results.items()}
    print(Counter((damage[p][0], kind) for p, kind in kinds.items()), [p >> 20 for _, p in parts])
    bad = {p: results[p] for p, kind in kinds.items() if kind not in ("refused", "compares")}
    assert not bad, sorted({result[:300] for result in bad.values()})
    passed = {p: damage[p] for p, kind in kinds.items() if kind == "compares"}
    assert not {p: d for p, d in passed.items() if d[1] in HOPELESS[d[0]]}
    assert len(passed) < 100
    assert max(peak for _, peak in parts) < MOST_MEMORY


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
