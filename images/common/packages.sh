#!/bin/sh
# First build step of every image: /opt/saran/venv with the locked packages of `requirements/NAME.txt`.
#   packages.sh NAME
# What only builds, tests or documents is not in it, and neither is pip. It is a step of its own so that a change of Saran's
# own code does not install all of it again.
set -eu

python3 -m venv /opt/build
/opt/build/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements/image-build.txt
python3 -m venv --without-pip /opt/saran/venv
/opt/build/bin/pip --python /opt/saran/venv/bin/python install --quiet --no-cache-dir --no-compile \
    --require-hashes --prefer-binary -r "requirements/$1.txt"

packages=$(/opt/saran/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cd "$packages"
find . -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.a' -o -name '*.h' -o -name '*.c' \) -delete
rm -rf pyarrow/include pyarrow/src pyarrow/libarrow_flight* pyarrow/_flight* \
    numpy/f2py numpy/distutils confluent_kafka/schema_registry pyspark/examples pyspark/data
# For programs in C; Python's module has all of it in itself.
rm -rf onnxruntime/capi/libonnxruntime.so.* onnxruntime/transformers
# A wheel has no links: three equal files stand for one library.
for library in pyarrow/*.so.*.*.*; do
    ln -sf "${library##*/}" "${library%.*.*}"
    ln -sf "${library##*/}" "${library%.*.*.*}"
done
# Only libraries as their compiler left them: strip breaks those that a wheel's tools have patched (a folder *.libs).
for package in pyarrow uvloop httptools yaml _polars_runtime_32 llvmlite numba fontTools kiwisolver sqlalchemy; do
    [ ! -d "$package" ] || find "$package" -type f -name '*.so*' -exec strip --strip-unneeded {} +
done
