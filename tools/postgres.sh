#!/usr/bin/env bash
# A throw-away PostgreSQL for the tests, on a free port of the loopback address.
#
#   eval "$(tools/postgres.sh start)"   sets KEYRACK_TEST_POSTGRES (a URL that may create databases)
#                                       and KEYRACK_TEST_POSTGRES_DIR (its folder; made up when unset)
#   tools/postgres.sh stop              ends it and removes the folder
#
# It never waits for the disk: what the tests prove about durability, they prove elsewhere.
set -euo pipefail

say() { printf 'postgres: %s\n' "$*" >&2; }

# PostgreSQL refuses to run as root.
unprivileged() {
  if [[ $(id -u) = 0 ]]; then runuser -u postgres -- "$@"; else "$@"; fi
}

programs() {
  compgen -G '/usr/lib/postgresql/*/bin' | sort --version-sort | tail -n 1
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start() {
  local bin dir password port
  bin=$(programs)
  [[ -n $bin ]] || { say "not installed: run tools/setup.sh test"; exit 1; }
  dir=${KEYRACK_TEST_POSTGRES_DIR:-$(mktemp -du -t keyrack-postgres.XXXXXX)}
  unprivileged mkdir -m 700 "$dir"
  cd "$dir" # PostgreSQL wants a working folder that it can read
  trap 'remove "$dir"' EXIT # until it runs

  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  unprivileged tee "$dir/password" <<<"$password" >/dev/null
  unprivileged "$bin/initdb" --pgdata="$dir/data" --username=keyrack --pwfile="$dir/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync >"$dir/initdb.log" || {
    cat "$dir/initdb.log" >&2
    exit 1
  }

  for _ in {1..10}; do
    port=$((20000 + RANDOM % 12000))
    port_is_free $port || continue
    if unprivileged "$bin/pg_ctl" start --pgdata="$dir/data" --log="$dir/server.log" --silent --wait \
      --options="-p $port -h 127.0.0.1 -c unix_socket_directories= -c max_connections=300 \
        -c fsync=off -c synchronous_commit=off -c full_page_writes=off" >/dev/null; then
      trap - EXIT
      printf 'export KEYRACK_TEST_POSTGRES=%q\n' "postgres://keyrack:$password@127.0.0.1:$port/postgres"
      printf 'export KEYRACK_TEST_POSTGRES_DIR=%q\n' "$dir"
      return
    fi
  done
  cat "$dir/server.log" >&2
  exit 1
}

remove() {
  cd /
  if [[ -e $1/data/postmaster.pid ]]; then
    unprivileged "$(programs)/pg_ctl" stop --pgdata="$1/data" --mode=immediate --silent || true
  fi
  rm -rf "$1"
}

case ${1:-} in
  start) start ;;
  stop) [[ ! -e ${KEYRACK_TEST_POSTGRES_DIR:-} ]] || remove "$KEYRACK_TEST_POSTGRES_DIR" ;;
  *) say "usage: tools/postgres.sh start|stop"; exit 2 ;;
esac
