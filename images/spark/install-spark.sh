#!/bin/sh
# Build stage of saran/spark: the locked connector jars in /opt/saran/jars, and Spark without what no job of ours uses.
set -eu
export JAVA_HOME=/opt/java
python=/opt/saran/venv/bin/python
spark=$($python -c 'import importlib.util as u; print(u.find_spec("pyspark").submodule_search_locations[0])')

# The command that fetches and checks them needs more than the image does, so it runs from an environment of its own.
python3 -m venv /opt/fetch
/opt/fetch/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements/producer.txt
ln -s "$spark" "$(/opt/fetch/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/pyspark"
PYTHONPATH=libs/core/src:apps/cli/src SARAN_CACHE=/opt/fetch/cache /opt/fetch/bin/python -m saran.cli jars spark s3
mkdir -p /opt/saran/jars
cp /opt/fetch/cache/jars/spark/*.jar /opt/fetch/cache/jars/s3/*.jar /opt/saran/jars/
rm -rf /opt/fetch

rm -rf "$spark/jars/connect-repl" "$spark"/jars/spark-connect_*.jar
machine=$(uname -m | sed 's/aarch64/aarch_64/')
for jar in "$spark"/jars/netty-tcnative-boringssl-static-*Final-*.jar "$spark"/jars/netty-transport-native-*Final-*.jar; do
    case $jar in
        *linux-"$machine".jar) ;;
        *) rm -f "$jar" ;;
    esac
done
# The jar holds RocksDB for eleven platforms, 6 MB each.
$python - "$spark" <<'PYTHON'
import pathlib
import platform
import sys
import zipfile

(jar,) = pathlib.Path(sys.argv[1], "jars").glob("rocksdbjni-*.jar")
kept = {"x86_64": "librocksdbjni-linux64.so", "aarch64": "librocksdbjni-linux-aarch64.so"}[platform.machine()]
lean = jar.with_suffix(".lean")
with zipfile.ZipFile(jar) as old, zipfile.ZipFile(lean, "w", zipfile.ZIP_DEFLATED) as new:
    for entry in old.infolist():
        if not entry.filename.startswith("librocksdbjni-") or entry.filename == kept:
            new.writestr(entry, old.read(entry))
lean.replace(jar)
PYTHON
ln -s "$spark" /opt/saran/spark
