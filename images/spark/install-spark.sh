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

# Spark Connect, the Scala shell, and Hive with its metastore: tables are Delta's, found by their paths.
# hive-storage-api stays, ORC's reader needs it.
cd "$spark/jars"
rm -rf connect-repl spark-connect_*.jar spark-repl_*.jar scala-compiler-*.jar jline-*.jar \
    spark-hive_*.jar spark-hive-thriftserver_*.jar hive-beeline-*.jar hive-cli-*.jar hive-common-*.jar hive-exec-*.jar \
    hive-jdbc-*.jar hive-metastore-*.jar hive-serde-*.jar hive-service-rpc-*.jar hive-shims-*.jar \
    datanucleus-*.jar derby*.jar javax.jdo-*.jar jdo-api-*.jar jta-*.jar HikariCP-*.jar \
    libthrift-*.jar libfb303-*.jar ST4-*.jar antlr-runtime-*.jar stax-api-*.jar
cd -
machine=$(uname -m | sed 's/aarch64/aarch_64/')
for jar in "$spark"/jars/netty-tcnative-boringssl-static-*Final-*.jar "$spark"/jars/netty-transport-native-*Final-*.jar; do
    case $jar in
        *linux-"$machine".jar) ;;
        *) rm -f "$jar" ;;
    esac
done
# Libraries in C for many platforms, of which one is this: RocksDB has eleven of 6 MB each.
$python - "$spark" <<'PYTHON'
import pathlib
import platform
import sys
import zipfile

NATIVE = (".so", ".dll", ".dylib", ".jnilib")
KEPT = {
    "x86_64": {"rocksdbjni": "librocksdbjni-linux64.so", "zstd-jni": "linux/amd64/"},
    "aarch64": {"rocksdbjni": "librocksdbjni-linux-aarch64.so", "zstd-jni": "linux/aarch64/"},
}[platform.machine()]

for library, kept in KEPT.items():
    (jar,) = pathlib.Path(sys.argv[1], "jars").glob(f"{library}-*.jar")
    lean = jar.with_suffix(".lean")
    with zipfile.ZipFile(jar) as old, zipfile.ZipFile(lean, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            if not entry.filename.endswith(NATIVE) or entry.filename.startswith(kept):
                new.writestr(entry, old.read(entry))
    lean.replace(jar)
PYTHON
ln -s "$spark" /opt/saran/spark
