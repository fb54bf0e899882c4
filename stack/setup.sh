#!/bin/sh
# Everything a fresh Debian 12 with Python 3.11 and make lacks. Safe and quick to run again.
#   system packages   apt, as root or with sudo; each with its reason below
#   .venv-uv          uv, which installs the rest with checked hashes
#   .venv             requirements-dev.txt
#   .tools            Kafka's jars, from Maven Central
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3.11}
command -v "$PYTHON" >/dev/null 2>&1 || PYTHON=python3

fail() { printf 'setup: %s\n  what to do: %s\n' "$1" "$2" >&2; exit 1; }

"$PYTHON" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
  fail "Python 3.11 is needed" "apt-get install python3 on Debian 12, or PYTHON=/path/to/python3.11 make setup"

missing=""
need() { # need TEST PACKAGE REASON
  if ! eval "$1" >/dev/null 2>&1; then
    missing="$missing $2"
    printf '  %-26s %s\n' "$2" "$3"
  fi
}
need '"$PYTHON" -c "import ensurepip, venv"'      python3-venv             'virtual environments'
need '"$PYTHON"-config --includes || ls /usr/include/python3.11/Python.h || "$PYTHON" -c "import sysconfig,os,sys; sys.exit(not os.path.exists(sysconfig.get_path(\"include\")+\"/Python.h\"))"' python3-dev 'headers, to build the MariaDB driver'
need 'command -v gcc'                             gcc                      'builds the MariaDB driver'
need 'command -v pkg-config'                      pkg-config               'builds the MariaDB driver'
need 'test -e /usr/include/mariadb/mysql.h'       libmariadb-dev           'builds the MariaDB driver'
need 'command -v git'                             git                      'tests look at tracked files'
need 'command -v java'                            openjdk-17-jre-headless  'runs Kafka'
need 'command -v mvn'                             maven                    'fetches Kafka'
need 'ls /usr/lib/postgresql/*/bin/postgres'      postgresql               "Airflow's database"
need 'test -x /usr/sbin/mariadbd'                 mariadb-server           'operational database'
need 'test -x /usr/sbin/sshd'                     openssh-server           'collector hosts'
need 'command -v ssh'                             openssh-client           'collector hosts'
need 'command -v rsync'                           rsync                    'collector hosts'
need 'command -v bwrap'                           bubblewrap               'the box of the report parser'
need 'command -v setpriv'                         util-linux               'starts servers as their own users'
if [ -n "$missing" ]; then
  echo "setup: the packages above are missing; installing them with apt"
  if [ "$(id -u)" = 0 ]; then as_root=""; elif command -v sudo >/dev/null 2>&1; then as_root="sudo"; else
    fail "no root and no sudo" "as root: apt-get install -y$missing"
  fi
  log=$(mktemp)
  # Servers must not be started by their packages: the stack starts its own.
  if ! { $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get update -q &&
         $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -5 "$log" >&2
    fail "apt could not install$missing" "is a Debian mirror reachable? the whole output is in $log"
  fi
  rm -f "$log"
fi

if [ ! -x .venv-uv/bin/uv ]; then
  "$PYTHON" -m venv .venv-uv
  .venv-uv/bin/python -m pip -q install --disable-pip-version-check uv ||
    fail "uv could not be installed" "is PyPI, or a mirror in pip's configuration, reachable?"
fi
stamp=.venv/.requirements
if ! cmp -s requirements-dev.txt "$stamp"; then
  echo "setup: installing Python packages into .venv"
  [ -x .venv/bin/python ] || .venv-uv/bin/uv venv -q --python "$PYTHON" .venv
  .venv-uv/bin/uv pip install -q --python .venv/bin/python --require-hashes --compile-bytecode -r requirements-dev.txt ||
    fail "the Python packages could not be installed" "is PyPI, or a mirror, reachable? then run make setup again"
  cp requirements-dev.txt "$stamp"
fi
PYTHONPATH=. .venv/bin/python -m stack fetch
