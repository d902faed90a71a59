"""The store: finished trials as Parquet files, each written once, whole, and never changed.

A store is a folder of such files, or one of them. Files of several machines may be put into one
folder; rows that are there twice count once. The metadata of a file say which protocol it follows
and how long its trials took. The rows themselves hold only what a second computation would repeat.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.bench.trials.protocol import COUNTS, MEANS, PROTOCOL, Trial
from holdfast.common.files import replace_file
from holdfast.common.parameters import first_line
from holdfast.exceptions import InvalidInputError
from holdfast.tables.reading import connect

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Facts", "Store", "merge", "read_facts", "read_store"]

KEY = tuple(f.name for f in fields(Trial))
MAGIC = b"PAR1"
METADATA = "holdfast_bench"
LIBRARIES = (
    "holdfast",
    "numpy",
    "torch",
    "scikit-learn",
    "lightgbm",
    "xgboost",
    "xgboost-cpu",
    "catboost",
)


@dataclass(frozen=True)
class Facts:
    """The time, machines and versions behind the rows of a store.

    Attributes
    ----------
    trials : int
        Number of finished computations of a trial, with all methods or with some.
    seconds : float
        Sum of their times, each on one core unless `machines` says otherwise.
    machines, versions : tuple of str
        Machines that computed them, and versions of Python and the libraries.
    """

    trials: int = 0
    seconds: float = 0.0
    machines: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()

    def __add__(self, other: Facts) -> Facts:
        return Facts(
            self.trials + other.trials,
            self.seconds + other.seconds,
            tuple(sorted({*self.machines, *other.machines})),
            tuple(sorted({*self.versions, *other.versions})),
        )

    @classmethod
    def here(cls, seconds: float, device: str) -> Facts:
        """Return the facts of one trial that this machine has computed."""
        machine = f"{platform.machine()}, {os.cpu_count()} cores, {device}"
        return cls(1, round(seconds, 3), (machine,), tuple(_versions()))


def _versions() -> Iterable[str]:
    yield f"python {platform.python_version()}"
    for name in LIBRARIES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue


@dataclass(frozen=True)
class Store:
    """A folder of finished trials to which more can be added.

    Parameters
    ----------
    folder : Path
        The folder; `open` makes it if it does not exist.
    """

    folder: Path
    _done: dict[Trial, set[str]] = field(default_factory=dict, compare=False)
    _base: dict[Trial, int] = field(default_factory=dict, compare=False)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Store:
        """Open a folder as a store, and read which trials are done already.

        Raises
        ------
        InvalidInputError
            If the folder cannot be used, or has a file that is cut off or of another protocol.
        """
        store = cls(Path(folder))
        try:
            store.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=store.folder):  # fails now, not after hours of work
                pass
        except OSError as error:
            raise InvalidInputError(
                f"--store must be a folder that can be written to, got {folder} "
                f"({error.strerror}); choose another place"
            ) from error
        files = _files(store.folder)
        if files:
            store._remember(_rows(files))
        return store

    def _remember(self, rows: pd.DataFrame) -> None:
        there = rows[[*KEY, "method"]].drop_duplicates()
        for *key, method in there.itertuples(index=False, name=None):
            self._done.setdefault(Trial(*key), set()).add(method)
        self._base.update(_base_correct(rows))

    def has(self, trial: Trial) -> bool:
        """Return whether the store has some method of a trial."""
        return trial in self._done

    def conflict(self, trial: Trial, rows: pd.DataFrame) -> str | None:
        """Return why rows cannot stand beside those of the same trial, or None if they can.

        The methods of a trial are compared in pairs, so they must have the same base model. Another
        machine, or other versions, may have trained a different one.
        """
        base, before = _base_correct(rows).get(trial), self._base.get(trial)
        if before is None or base is None or base == before:
            return None
        return (
            f"{trial} must have the base model of the methods that are there already, got one that "
            f"has {base} test rows right and not {before}, probably since the machine or the "
            "versions differ; go on where it was begun, or name another --store"
        )

    def missing(self, trial: Trial, methods: Iterable[str]) -> list[str]:
        """Return the methods of a trial that the store lacks."""
        done = self._done.get(trial, set())
        return [name for name in methods if name not in done]

    def add(self, trial: Trial, rows: pd.DataFrame, facts: Facts) -> Path:
        """Write the rows of one trial, whole or not at all.

        Raises
        ------
        InvalidInputError
            If the file cannot be written, for example on a full disk.
        """
        methods = sorted(set(rows["method"]))
        self._remember(rows)
        name = hashlib.sha256(repr((trial, methods)).encode()).hexdigest()[:24]
        path = self.folder / f"{name}.parquet"
        _write(rows, {name: facts}, path)
        return path


def read_store(paths: Sequence[str | os.PathLike[str]]) -> pd.DataFrame:
    """Return the rows of stores, each once, in the order of their keys.

    Parameters
    ----------
    paths : sequence of path-like
        Folders and files; a path that is given twice counts once.

    Returns
    -------
    pandas.DataFrame
        The columns are those of `run_trial`. If one name stands for data sets with different
        contents, or with different numbers of test rows, the difference is added to the name.

    Raises
    ------
    InvalidInputError
        If a path does not exist, if none of them has any trials, or if a file is cut off, belongs
        to no store, or is of another protocol.

    Notes
    -----
    Two machines may have computed one trial with different results. Then the rows of a single base
    model are taken, that with more methods, and the rows of each method come from the file that has
    more of them. The results themselves play no part in the choice.
    """
    return _with_distinct_names(_rows(_all_files(paths)))


def _rows(files: Sequence[Path]) -> pd.DataFrame:
    return _settled(_read(files))


def _read(files: Sequence[Path]) -> pd.DataFrame:
    """Return all rows of the files, each with the name of its file."""
    _all_facts(files)
    sql = (
        "SELECT * FROM read_parquet($files, hive_partitioning = false, filename = true, "
        "union_by_name = true)"
    )
    rows = _query(files, sql).astype(dict.fromkeys(COUNTS, "Int64"))
    for name in MEANS:  # files of earlier versions may lack them
        rows[name] = rows.get(name, np.nan)
    return rows


def _settled(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each trial once, in order."""
    return _in_order(_of_one_computation(rows).drop(columns="filename"))


def _of_one_computation(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep one base model for each trial, and each of its methods from one file."""
    import pandas as pd

    keys, of_file = list(KEY), [*KEY, "filename"]
    if not rows[of_file].drop_duplicates().duplicated(keys).any():
        return rows
    first_base = rows["base_correct"].where(rows["update"] == 1).astype("Float64")
    rows = rows.assign(
        _base=first_base.to_numpy(dtype=np.float64, na_value=np.nan),
        _values=rows[[*COUNTS, *MEANS]].notna().sum(axis=1),
        _mark=pd.util.hash_pandas_object(rows.drop(columns="filename"), index=False),
    )
    rows["_base"] = rows.groupby(of_file, sort=False)["_base"].transform("min")
    bases = _fullest_first(rows.dropna(subset="_base"), [*keys, "_base"]).drop_duplicates(keys)
    bases = bases[[*keys, "_base"]].rename(columns={"_base": "_kept"})
    rows = rows.merge(bases, on=keys, how="left")
    # If everything in a file has diverged, its base model is not known.
    rows = rows[rows["_base"].isna() | (rows["_base"] == rows["_kept"])]
    files = _fullest_first(rows, of_file).reset_index(names="_place")
    rows = rows.merge(files[[*of_file, "_place"]], on=of_file)
    best = rows.groupby([*keys, "method"], sort=False)["_place"].transform("min")
    rows = rows[rows["_place"] == best]
    return rows.drop(columns=["_base", "_values", "_mark", "_kept", "_place"])


def _fullest_first(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return each value of `by`: more methods first, then fewer missing values, then by chance."""
    of = rows.groupby(by, sort=False)
    found = of.agg(n=("method", "nunique"), values=("_values", "sum"), mark=("_mark", "sum"))
    # The mark is a hash: between computations of equal extent no result is favoured.
    order = found.sort_values(["n", "values", "mark"], ascending=[False, False, True])
    return order.reset_index()


def _base_correct(rows: pd.DataFrame) -> dict[Trial, int]:
    """Return how many test rows the first base model of each trial has right, if known."""
    first = rows[rows["update"] == 1].dropna(subset="base_correct")
    known = first.groupby(list(KEY), sort=False)["base_correct"].min().reset_index()
    return {Trial(*key): int(n) for *key, n in known.itertuples(index=False, name=None)}


def _with_distinct_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Add contents or numbers of test rows to the names of data sets that differ in these."""
    name = rows["dataset"]
    several = rows.groupby("dataset")["data"].transform("nunique") > 1
    label = name.where(~several, name + " " + rows["data"].str[:6])
    same = [label.rename("label"), *(rows[c] for c in KEY if c not in ("dataset", "n_test", "run"))]
    mixed = rows["n_test"].groupby(same).transform("nunique") > 1
    tests = rows["n_test"].astype(str).replace("0", "all") + " test rows"
    return rows.assign(dataset=label.where(~mixed, label + ", " + tests))


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by their key, then methods and settings in the order of the benchmark."""
    import pandas as pd

    from holdfast.bench.trials.contenders import CONTENDERS

    listed = [(name, str(m)) for name, methods in CONTENDERS.items() for m in methods]
    places = pd.DataFrame(listed, columns=["method", "setting"]).reset_index(names="_place")
    placed = frame.merge(places, on=["method", "setting"], how="left")
    by = [*KEY, "update", "_place", "method", "setting"]
    return placed.sort_values(by, ignore_index=True).drop(columns="_place")


def read_facts(paths: Sequence[str | os.PathLike[str]]) -> Facts:
    """Return the time, machines and versions behind the rows of stores."""
    return sum(_all_facts(_all_files(paths)).values(), Facts())


def merge(paths: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]) -> tuple[int, int]:
    """Write the rows of several stores to one file, which is a store too.

    Parameters
    ----------
    paths : sequence of path-like
    out : path-like
        A .parquet file. If it exists, it must be a store itself.

    Returns
    -------
    written : int
        Number of rows in the file.
    left_out : int
        Number of rows left out because their trial is there more than once.
    """
    folders = [Path(path).resolve() for path in paths if Path(path).is_dir()]
    if Path(out).resolve().parent in folders:
        raise InvalidInputError(
            f"--out must not lie in a store that is merged, got {out}; name another folder"
        )
    files = _all_files(paths)
    _all_facts(_files(Path(out)))  # raises if `out` is a file that must not be replaced
    read = _read(files)
    rows = _settled(read)
    _write(rows, _all_facts(files), Path(out))
    return len(rows), len(read) - len(rows)


# --- files ---------------------------------------------------------------------------------------


def _all_files(paths: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Return the files of stores, each once; raise if a path is wrong or there are no files."""
    for path in map(Path, paths):
        if not path.is_dir() and not (path.suffix == ".parquet" and path.is_file()):
            what = "another file" if path.exists() else "nothing"
            raise InvalidInputError(
                f"the store must be a folder or a .parquet file, got {what} at {path}; correct "
                "the path"
            )
    found = [file for path in paths for file in _files(Path(path))]
    if not found:
        raise InvalidInputError(
            f"the store must have finished trials, got none in {', '.join(map(str, paths))}; "
            "run some with holdfast bench run"
        )
    return list({file.resolve(): file for file in found}.values())


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.glob("*.parquet") if not file.name.startswith("."))
    else:
        found = [path]
    return [file for file in found if file.is_file()]


def _write(rows: pd.DataFrame, parts: Mapping[str, Facts], path: Path) -> None:
    import duckdb

    facts = sum(parts.values(), Facts())
    described: dict[str, Any] = {"protocol": PROTOCOL}
    described |= {f.name: getattr(facts, f.name) for f in fields(facts)}
    if len(parts) > 1:
        described["parts"] = {name: (part.trials, part.seconds) for name, part in parts.items()}
    text = json.dumps(described).replace("'", "''")
    with replace_file(path) as temporary, connect() as connection:
        connection.register("rows", rows)
        target = str(temporary).replace("'", "''")
        try:
            # DuckDB's own temporary file would stay behind when the process is killed.
            connection.execute(
                f"COPY rows TO '{target}' (FORMAT parquet, COMPRESSION zstd, "
                f"USE_TMP_FILE false, KV_METADATA {{{METADATA}: '{text}'}})"
            )
        except duckdb.Error as error:
            if "KeyboardInterrupt" in str(error):  # DuckDB wraps it
                raise KeyboardInterrupt from error
            raise InvalidInputError(
                f"the store must be writable, got for {path}: {_reason(error)}; make room or "
                "choose another place; what was finished before is kept"
            ) from error


def _reason(error: Exception) -> str:
    """Return DuckDB's own words, without the JSON that some errors have around them."""
    line = first_line(error)
    try:
        return str(json.loads(line)["exception_message"])
    except (ValueError, KeyError, TypeError):
        return line[:300]


def _all_facts(files: Sequence[Path]) -> dict[str, Facts]:
    """Return the facts of each computation; a merged file keeps them apart.

    Raises InvalidInputError for a file that is not whole or not of this protocol.
    """
    if not files:
        return {}
    for file in files:
        _check_whole(file)
    sql = (
        "SELECT file_name, decode(value) AS text FROM parquet_kv_metadata($files) "
        f"WHERE decode(key) = '{METADATA}'"
    )
    texts = {Path(name): text for name, text in _query(files, sql).itertuples(index=False)}
    found: dict[str, Facts] = {}
    for file in files:
        found |= _facts_of(file, texts.get(file))
    return found


def _facts_of(file: Path, text: str | None) -> dict[str, Facts]:
    try:
        described = json.loads(text or "")
        protocol, machines = described["protocol"], tuple(described["machines"])
        versions = tuple(described["versions"])
        whole = hashlib.sha256(f"{file.stem} {text}".encode()).hexdigest()[:16]
        alone = {whole: (described["trials"], described["seconds"])}
        facts = {
            name: Facts(trials, seconds, machines, versions)
            for name, (trials, seconds) in described.get("parts", alone).items()
        }
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(
            f"{file} must be a file of a benchmark's store, got a Parquet file of another kind; "
            "move it elsewhere"
        ) from error
    if protocol != PROTOCOL:
        raise InvalidInputError(
            f"{file} must be of protocol {PROTOCOL}, got {protocol}: its rows do not compare with "
            "those of this version; name another folder with --store"
        )
    return facts


def _check_whole(file: Path) -> None:
    with file.open("rb") as opened:
        start = opened.read(4)
        size = opened.seek(0, os.SEEK_END)
        opened.seek(max(size - 4, 0))
        end = opened.read(4)
    if size < 12 or start != MAGIC or end != MAGIC:
        raise InvalidInputError(
            f"{file} must be a whole Parquet file, got one of {size} bytes that is cut off or of "
            "another kind; remove it, and its trial will be run again"
        )


def _query(files: Sequence[Path], sql: str) -> pd.DataFrame:
    import duckdb

    with connect() as connection:
        try:
            return connection.execute(sql, {"files": [str(file) for file in files]}).df()
        except duckdb.Error as error:
            if len(files) > 1:  # find the one that is damaged
                for file in files:
                    _query([file], sql)
            raise InvalidInputError(
                f"{files[0]} must be a whole Parquet file of a benchmark, got: {_reason(error)}; "
                "remove it, and its trial will be run again"
            ) from error
