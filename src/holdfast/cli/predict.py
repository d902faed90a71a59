"""`holdfast predict MODEL DATA`: writes a prediction table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.checks import check_columns, check_outputs, explained
from holdfast.cli.features import checked_features, warn_of_unseen
from holdfast.cli.options import (
    FORMER_TRUSTED_OPTION,
    JSON_OPTION,
    TRUST_FILE_OPTION,
    TRUST_TYPE_OPTION,
    trusted_by,
)
from holdfast.cli.output import print_json, progress, say
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def predict(
    model: Annotated[
        str, typer.Argument(help="Model: .skops, .onnx, .safetensors, or models:/NAME@ALIAS.")
    ],
    data: Annotated[Path, typer.Argument(help="Rows to predict: a Parquet, CSV or Arrow file.")],
    out: Annotated[Path, typer.Option(help="Prediction table to write.")],
    id_column: Annotated[
        str | None,
        typer.Option("--id", help="Column with the id of each row, which the table keeps."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            help="Column with the truth [default: the target of the model, if it exists]."
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Further column that the table keeps, e.g. a group; repeatable."),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            help="Feature of the model, if its file names none; repeatable, in the model's order."
        ),
    ] = None,
    trust_type: Annotated[list[str] | None, TRUST_TYPE_OPTION] = None,
    trust_file: Annotated[list[str] | None, TRUST_FILE_OPTION] = None,
    trusted: Annotated[list[str] | None, FORMER_TRUSTED_OPTION] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Predict rows with a model and write a prediction table for `holdfast compare`."""
    import pandas as pd

    from holdfast.common.plain import plain
    from holdfast.models.loading import load_model
    from holdfast.tables.reading import read_table
    from holdfast.tables.writing import write_table

    trust = trusted_by(trust_type, trust_file, trusted)
    check_outputs(out, inputs=[model, data])
    loaded = load_model(model, **trust)
    table = read_table(data)
    target = label or loaded.card.get("target")
    named = [*([id_column] if id_column else []), *(keep or [])]
    kept = {name: name for name in named}
    truth = str(target) if label or target in table.columns else None
    if truth is not None:
        kept["label"] = truth
    check_columns(list(kept.values()), table)
    _check_kept(named, loaded.model, label=truth)
    rows = checked_features(loaded.model, loaded.card, table, data, feature or ())
    X = rows.X
    with progress(f"predicting {len(X):,} rows"), explained("predicting"):
        columns: dict[str, Any] = {name: table[source] for name, source in kept.items()}
        columns["prediction"], proba = _predicted(loaded.model, X)
        if proba is not None:
            for position, name in enumerate(loaded.model.classes_):
                columns[f"proba_{name}"] = proba[:, position]
        write_table(pd.DataFrame(columns), out)
    if as_json:
        facts = {"n": len(X), "out": str(out), "columns": list(columns)}
        print_json(facts | {"unseen": plain(rows.unseen)})
    else:
        warn_of_unseen(rows.unseen)
        say(f"{len(X):,} predictions in {out}")


def _check_kept(named: list[str], model: Any, *, label: str | None) -> None:
    """Raise if a column of the data would be lost to one that the table writes itself."""
    own = {"prediction", *(f"proba_{name}" for name in getattr(model, "classes_", ()))}
    if label not in (None, "label"):
        own.add("label")
    taken = {name.casefold() for name in own}
    lost = next((name for name in named if name.casefold() in taken), None)
    if lost is not None:
        raise InvalidInputError(
            f"--id and --keep must name columns that the table does not write itself, got "
            f"{lost!r}; rename the column of the data"
        )


def _predicted(model: Any, X: Any) -> tuple[NDArray[Any], NDArray[np.floating] | None]:
    """Return the answers of a model, and its probabilities if it names their columns."""
    from holdfast.models.served import answers_of

    if not hasattr(model, "predict_proba") or not hasattr(model, "classes_"):
        return answers_of(model, X), None
    if hasattr(model, "predict_with_proba"):  # an ONNX file, whose graph then runs only once
        labels, proba = model.predict_with_proba(X)
        return labels, proba
    return answers_of(model, X), model.predict_proba(X)
