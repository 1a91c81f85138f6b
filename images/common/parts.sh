#!/bin/sh
# Last build step of every image: parts of Saran into /opt/saran/venv, and proof that what the image runs can be loaded.
#   parts.sh MODULES PART…      MODULES: what the image runs, with commas; PART: a folder such as libs/core
set -eu
modules=$1
shift

for part in "$@"; do
    /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /opt/build/wheels "./$part"
done
/opt/build/bin/pip --python /opt/saran/venv/bin/python install --quiet --no-compile --no-deps --no-index /opt/build/wheels/*.whl

# What is left works, and is compiled: the image cannot be written to when it runs.
cd /
SARAN_HOME=/tmp/saran /opt/saran/venv/bin/python -c "import $modules"
rm -rf /opt/build
