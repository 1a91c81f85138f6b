"""Any other job, as a SparkApplication names it: arguments are those of `saran`, the command's name first."""

import sys

from saran.spark.commands import app

# In a pod's log an error is one line, not a drawing as wide as a terminal.
app.pretty_exceptions_enable = False
app(sys.argv[1:])
