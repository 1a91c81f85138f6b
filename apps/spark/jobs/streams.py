"""The stream driver, as a SparkApplication names it; on a laptop `saran up` starts the same module."""

import sys

from saran.spark.streams import main

sys.exit(main())
