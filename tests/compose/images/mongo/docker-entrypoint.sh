#!/bin/bash
# First start: the root user and what lies in /docker-entrypoint-initdb.d, by a server that only this container reaches
# and that asks for no password. Then the server itself, as the user mongodb.
set -euo pipefail
if [ "${1:-}" != mongod ]; then exec "$@"; fi
if [ "$(id -u)" = 0 ]; then
  find /data/db \! -user mongodb -exec chown mongodb: '{}' +
  exec setpriv --reuid=mongodb --regid=mongodb --init-groups "$0" "$@"
fi
export HOME=/tmp
if [ ! -e /data/db/.prepared ]; then
  mongod --port 27018 &
  server=$!
  shell() { mongosh --quiet --port 27018 "$@"; }
  for _ in $(seq 60); do shell --eval 'db.hello()' > /dev/null 2>&1 && break; sleep 0.5; done
  shell admin --eval 'db.createUser({user: process.env.MONGO_INITDB_ROOT_USERNAME,
    pwd: process.env.MONGO_INITDB_ROOT_PASSWORD, roles: ["root"]})'
  for file in /docker-entrypoint-initdb.d/*.js; do [ -e "$file" ] && shell "$file"; done
  kill "$server"
  wait "$server" || true
  touch /data/db/.prepared
fi
exec "$@"
