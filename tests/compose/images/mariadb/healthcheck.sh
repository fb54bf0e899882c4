#!/bin/bash
# healthcheck.sh --connect --innodb_initialized: over TCP, as the user that the first start made.
set -euo pipefail
engine="SELECT COUNT(*) FROM information_schema.ENGINES WHERE engine = 'InnoDB' AND support IN ('YES', 'DEFAULT')"
[ "$(mariadb --defaults-extra-file=/var/lib/mysql/.health.cnf --protocol=tcp -h 127.0.0.1 -N -B -e "$engine")" = 1 ]
