"""The recommender's trainer, as a SparkApplication names it: arguments are those of `saran train recommender`."""

import sys

from saran.spark.commands import app

app(["train", "recommender", *sys.argv[1:]])
