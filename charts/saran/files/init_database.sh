#!/bin/sh
# Makes the database cluster in $PGDATA when there is none. Made beside its place and renamed, so that a start that was
# killed leaves nothing half made. The password of its owner, saran, is in $POSTGRES_PASSWORD_FILE.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "$PGDATA.new"
    initdb -D "$PGDATA.new" -U saran --pwfile="$POSTGRES_PASSWORD_FILE" --auth=scram-sha-256 --encoding=UTF8 \
        --locale=C.UTF-8
    echo "host all all all scram-sha-256" >>"$PGDATA.new/pg_hba.conf"
    echo "CREATE DATABASE saran" | postgres --single -D "$PGDATA.new" postgres
    mv "$PGDATA.new" "$PGDATA"
fi
