"""Prediction tables as Spark frames give what the in-memory comparison gives."""

import os
import shutil

import pytest
from tests.predictions.test_tables import (
    assert_same,
    in_memory,
    polars_of,
    two_tables,
    with_probabilities,
)

from holdfast import compare_tables

pyspark_sql = pytest.importorskip("pyspark.sql")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (os.environ.get("JAVA_HOME") or shutil.which("java")), reason="Spark needs Java"
    ),
]


@pytest.fixture(scope="module")
def spark():
    session = (
        pyspark_sql.SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.mark.parametrize("proba", [False, True])
def test_spark_frames(spark, proba):
    base, new = two_tables()
    if proba:
        base, new = with_probabilities(base, new)
    frames = [spark.createDataFrame(polars_of(t).rows(), schema=list(t)) for t in (base, new)]
    options = {"groups": ["region", "size"], "weight": "w"}
    found = compare_tables(*frames, id="key", max_group_churn=0.1, **options)
    assert_same(found, in_memory(base, new, proba=proba, **options))
