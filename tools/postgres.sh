#!/usr/bin/env bash
# A throw-away PostgreSQL for the tests, on a free port of the loopback address.
#
#   eval "$(tools/postgres.sh start)"   sets KEYRACK_TEST_POSTGRES (a URL that may create databases)
#                                       and KEYRACK_TEST_POSTGRES_DIR (its folder; made up when unset)
#   eval "$(tools/postgres.sh more)"    starts beside it what only the storage tests need, and sets
#     KEYRACK_TEST_POSTGRES_TLS           the URL of another one that speaks TLS alone, with certificates for
#                                         localhost in the folder tls/certificates
#     KEYRACK_TEST_PGBOUNCER_SESSION      the URL of a PgBouncer before the first
#     KEYRACK_TEST_PGBOUNCER_TRANSACTION  and of one that hands out transactions
#   tools/postgres.sh stop              ends all of it and removes the folder
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

make_cluster() { # folder
  local bin
  bin=$(programs)
  unprivileged tee "$1/password" <<<"$password" >/dev/null
  unprivileged "$bin/initdb" --pgdata="$1/data" --username=keyrack --pwfile="$1/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync >"$1/initdb.log" || {
    cat "$1/initdb.log" >&2
    exit 1
  }
}

# Sets `port`.
start_cluster() { # folder, more options
  for _ in {1..10}; do
    port=$((20000 + RANDOM % 12000))
    port_is_free $port || continue
    unprivileged "$(programs)/pg_ctl" start --pgdata="$1/data" --log="$1/server.log" --silent --wait \
      --options="-p $port -h 127.0.0.1 -c unix_socket_directories= -c max_connections=300 \
        -c fsync=off -c synchronous_commit=off -c full_page_writes=off ${2:-}" >/dev/null && return
  done
  cat "$1/server.log" >&2
  exit 1
}

random_word() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

start() {
  local dir password port
  [[ -n $(programs) ]] || { say "not installed: run tools/setup.sh test"; exit 1; }
  dir=${KEYRACK_TEST_POSTGRES_DIR:-$(mktemp -du -t keyrack-postgres.XXXXXX)}
  unprivileged mkdir -m 700 "$dir"
  cd "$dir" # PostgreSQL wants a working folder that it can read
  trap 'remove "$dir"' EXIT # until it runs
  password=$(random_word)
  make_cluster "$dir"
  start_cluster "$dir"
  trap - EXIT
  printf 'export KEYRACK_TEST_POSTGRES=%q\n' "postgres://keyrack:$password@127.0.0.1:$port/postgres"
  printf 'export KEYRACK_TEST_POSTGRES_DIR=%q\n' "$dir"
}

more() {
  cd "$KEYRACK_TEST_POSTGRES_DIR"
  command -v pgbouncer >/dev/null || { say "PgBouncer is not installed: run tools/setup.sh test"; exit 1; }
  tls
  pgbouncer_in session
  pgbouncer_in transaction
}

# A server that nobody reaches without TLS, and the account needs_certificate not without a certificate.
tls() {
  local dir=$KEYRACK_TEST_POSTGRES_DIR/tls password port
  password=$(random_word)
  unprivileged mkdir "$dir"
  make_certificates "$dir/certificates"
  make_cluster "$dir"
  unprivileged tee "$dir/data/pg_hba.conf" >/dev/null <<<"
    hostssl all needs_certificate 127.0.0.1/32 scram-sha-256 clientcert=verify-ca
    hostssl all all 127.0.0.1/32 scram-sha-256"
  start_cluster "$dir" "-c ssl=on -c ssl_ca_file=$dir/certificates/authority.pem \
    -c ssl_cert_file=$dir/certificates/server.pem -c ssl_key_file=$dir/certificates/server.key"
  PGPASSWORD=$password psql --quiet "host=127.0.0.1 port=$port user=keyrack dbname=postgres" \
    --command="CREATE ROLE needs_certificate SUPERUSER LOGIN PASSWORD '$password'"
  printf 'export KEYRACK_TEST_POSTGRES_TLS=%q\n' "postgres://keyrack:$password@localhost:$port/postgres"
}

# authority.pem signs server.pem (for localhost) and client.pem; another.pem signs nothing.
make_certificates() { # folder
  unprivileged mkdir "$1"
  local name
  for name in authority another; do
    certificate "$1" $name -x509 -addext basicConstraints=critical,CA:true
  done
  for name in server client; do
    certificate "$1" $name -x509 -CA "$1/authority.pem" -CAkey "$1/authority.key" \
      -addext basicConstraints=critical,CA:false -addext subjectAltName=DNS:localhost
  done
}

certificate() { # folder, name, more arguments of openssl req
  local folder=$1 name=$2
  shift 2
  unprivileged openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 \
    -subj "/CN=$name" -keyout "$folder/$name.key" -out "$folder/$name.pem" "$@" 2>/dev/null ||
    { say "openssl made no certificate"; exit 1; }
}

# PgBouncer runs as little as root as PostgreSQL.
pgbouncer_in() { # mode
  local mode=$1 address port folder=$KEYRACK_TEST_POSTGRES_DIR/pgbouncer-$1
  address=${KEYRACK_TEST_POSTGRES##*@}
  address=${address%/*}
  local password=${KEYRACK_TEST_POSTGRES#*keyrack:}
  password=${password%@*}
  unprivileged mkdir "$folder"
  unprivileged tee "$folder/users.txt" <<<"\"keyrack\" \"$password\"" >/dev/null
  for _ in {1..10}; do
    port=$((20000 + RANDOM % 12000))
    port_is_free $port || continue
    unprivileged tee "$folder/pgbouncer.ini" >/dev/null <<<"
[databases]
* = host=${address%:*} port=${address#*:}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
pool_mode = $mode
max_client_conn = 1000
default_pool_size = 40
auth_type = scram-sha-256
auth_file = $folder/users.txt
logfile = $folder/log
pidfile = $folder/pid"
    unprivileged pgbouncer --daemon --quiet "$folder/pgbouncer.ini" && break
  done
  printf 'export KEYRACK_TEST_PGBOUNCER_%s=%q\n' "${mode^^}" \
    "postgres://keyrack:$password@127.0.0.1:$port/postgres"
}

remove() {
  cd /
  local data pid
  for pid in "$1"/pgbouncer-*/pid; do
    [[ ! -e $pid ]] || kill "$(<"$pid")" || true
  done
  for data in "$1/tls/data" "$1/data"; do
    [[ ! -e $data/postmaster.pid ]] ||
      unprivileged "$(programs)/pg_ctl" stop --pgdata="$data" --mode=immediate --silent || true
  done
  rm -rf "$1"
}

case ${1:-} in
  start) start ;;
  more) more ;;
  stop) [[ ! -e ${KEYRACK_TEST_POSTGRES_DIR:-} ]] || remove "$KEYRACK_TEST_POSTGRES_DIR" ;;
  *) say "usage: tools/postgres.sh start|more|stop"; exit 2 ;;
esac
