#!/usr/bin/env bash
# What Keyrack does while its surroundings break, tried on the real program, with figures: kill -9, a
# full disk, a failover that lost events, a database that stalls or takes no writes.
#
#   drill.sh [kill full_disk failover stall read_only]   all of them without a name
#
# ROUNDS (20) is how often each database is killed. Each wait is bounded, the whole takes some three
# minutes. It fails when something that was acknowledged is lost, when the gate lets through what it must
# not, or when Keyrack does not come back by itself.
set -euo pipefail
. "$(dirname "$0")/env.sh"

drills=("$@")
[[ $# != 0 ]] || drills=(kill full_disk failover stall read_only)
ROUNDS=${ROUNDS:-20}
program=${KEYRACK_BIN:-$root/target/release/keyrack}
port=$((20000 + RANDOM % 10000))
base=http://127.0.0.1:$port
work=$(mktemp -d)
server=''
mounted=''
KEYRACK_TEST_POSTGRES_DIR=$(mktemp -du -t keyrack-postgres.XXXXXX)
export KEYRACK_TEST_POSTGRES_DIR

finish() {
  local status=$?
  trap - EXIT
  [[ -z $server ]] || kill -9 "$server" 2>/dev/null || true
  signal_postgres CONT
  tools/postgres.sh stop
  [[ -z $mounted ]] || umount "$mounted"
  if [[ $status != 0 ]]; then
    printf '\nThe end of the log:\n' >&2
    tail -n 20 "$work/log" >&2 || true
  fi
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
  printf 'drill: %s\n' "$*" >&2
  exit 1
}

millis() { date +%s%3N; }

# --- Keyrack ---

# The tests' own variables look like settings.
keyrack=(env -u KEYRACK_BIN -u KEYRACK_TEST_POSTGRES -u KEYRACK_TEST_POSTGRES_DIR "$program")

# A new installation; `data` is its folder.
new_installation() {
  data=$1
  export KEYRACK_DATA_DIR=$data KEYRACK_LISTEN=127.0.0.1:$port KEYRACK_LOG=info
  # In this mode the gate may answer with any status.
  export KEYRACK_GATE_MODE=caddy
  "${keyrack[@]}" user add --email mara@example.com --name Mara --role superuser --password-stdin \
    <<<'mice-juggle-seven-lamps' >/dev/null
}

start() {
  "${keyrack[@]}" serve >>"$work/log" 2>&1 &
  server=$!
  within 10 ready || fail "the server does not get ready"
}

end() { # signal
  kill "-${1:-TERM}" "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=''
}

status() { curl -s -o /dev/null -m 10 -w '%{http_code}' "$@" || true; }

ready() { [[ $(status "$base/readyz") = 200 ]]; }

# Repeats a test until it succeeds; prints how many milliseconds that took.
within() { # seconds, command
  local began now limit=$(($1 * 1000))
  shift
  began=$(millis)
  while ! "$@"; do
    now=$(millis)
    ((now - began < limit)) || return 1
    sleep 0.02
  done
  took=$(($(millis) - began))
}

field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }

# Issues a credential beside the running server; sets id and secret, or fails.
issue() { # flow
  local answer
  answer=$("${keyrack[@]}" credential issue --name drill --purpose Drill --owner mara@example.com \
    --flow "$1" --expires never --access full --json 2>>"$work/log") || return
  id=$(field key_id <<<"$answer")
  secret=$(field secret <<<"$answer")
}

# What the gate says to a legacy credential.
gate() { # id, secret
  status -u "$1:$2" -H 'X-Forwarded-Method: GET' -H 'X-Forwarded-Uri: /v1/accounts' "$base/v1/verify"
}

gate_says() { [[ $(gate "$2" "$3") = "$1" ]]; }

gate_with_token() { # token
  status -H "Authorization: Bearer $1" -H 'X-Forwarded-Method: GET' -H 'X-Forwarded-Uri: /v1/accounts' \
    "$base/v1/verify"
}

# A token for a credential, or nothing.
token() { # id, secret
  curl -s -m 10 -u "$1:$2" -d grant_type=client_credentials "$base/v1/oauth2/token" | field access_token
}

# Revokes a token: a write that is acknowledged by its status.
revoke() { # id, secret, token
  status -u "$1:$2" -d "token=$3" "$base/v1/oauth2/revoke"
}

# Whether a write goes through: a token of one's own is revoked.
can_write() { # id, secret
  local token
  token=$(token "$1" "$2")
  [[ -n $token && $(revoke "$1" "$2" "$token") = 200 ]]
}

verify_log() { "${keyrack[@]}" audit verify >/dev/null || fail "the audit log does not verify"; }

# --- PostgreSQL ---

postgres() {
  eval "$(tools/postgres.sh start)"
  export KEYRACK_DATABASE_URL=$KEYRACK_TEST_POSTGRES
  # The tests' server forgets its last commits when it is killed.
  sql 'ALTER ROLE CURRENT_USER SET synchronous_commit = on'
}

no_postgres() {
  tools/postgres.sh stop
  unset KEYRACK_DATABASE_URL
}

pg_ctl() {
  (cd "$KEYRACK_TEST_POSTGRES_DIR" && as_postgres "$(compgen -G '/usr/lib/postgresql/*/bin' |
    sort --version-sort | tail -n 1)/pg_ctl" "$@" --silent --pgdata="$KEYRACK_TEST_POSTGRES_DIR/data" \
    >/dev/null 2>&1)
}

as_postgres() {
  if [[ $(id -u) = 0 ]]; then runuser -u postgres -- "$@"; else "$@"; fi
}

sql() { psql -qAt "$KEYRACK_TEST_POSTGRES" -c "$1"; }

# Sends a signal to the server process of PostgreSQL and all that work for it.
signal_postgres() {
  local pid
  pid=$(head -n 1 "$KEYRACK_TEST_POSTGRES_DIR/data/postmaster.pid" 2>/dev/null) || return 0
  pkill "-$1" -P "$pid" || true
  kill "-$1" "$pid" 2>/dev/null || true
}

# --- The drills ---

# Gets tokens and revokes them while the server answers; notes those that it said are revoked.
keep_revoking() { # id, secret
  local token
  while token=$(token "$1" "$2") && [[ -n $token ]]; do
    [[ $(revoke "$1" "$2" "$token") = 200 ]] || break
    echo "$token" >>"$work/revoked"
  done
}

# Looks up what was said to be revoked before the server died.
look_up_revoked() {
  local token
  while read -r token; do
    ((++acknowledged))
    [[ $(gate_with_token "$token") = 401 ]] || ((++lost))
  done <"$work/revoked"
  : >"$work/revoked"
}

# The server dies while tokens are revoked; what was acknowledged holds after it starts again.
kill_rounds() { # name
  local round acknowledged=0 lost=0 starts=0 slowest=0
  : >"$work/revoked"
  for ((round = 0; round < ROUNDS; round++)); do
    start
    starts=$((starts + took))
    slowest=$((took > slowest ? took : slowest))
    look_up_revoked
    # One more each time: a credential may revoke 300 tokens an hour.
    issue client-secret
    for _ in {1..4}; do keep_revoking "$id" "$secret" & done
    sleep "$((RANDOM % 2)).$((RANDOM % 9 + 1))"
    end KILL
    wait
  done
  start
  look_up_revoked
  end
  verify_log
  printf '%-28s %d kills, %d acknowledged writes, %d lost; ready again after %d ms, at most %d\n' \
    "kill -9 on $1" "$ROUNDS" "$acknowledged" "$lost" $((starts / ROUNDS)) "$slowest"
  [[ $lost = 0 ]] || fail "acknowledged writes were lost"
  [[ $acknowledged != 0 ]] || fail "nothing was written"
}

kill_drill() {
  new_installation "$work/kill"
  kill_rounds SQLite
  postgres
  new_installation "$work/kill-postgres"
  kill_rounds PostgreSQL
  # And the database's own process, under a running server.
  issue legacy
  start
  gate_says 200 "$id" "$secret" || fail "the gate refuses a good credential"
  signal_postgres KILL
  sleep 1.5
  gate_says 503 "$id" "$secret" || fail "without its database the gate says $(gate "$id" "$secret")"
  pg_ctl restart --wait
  within 10 gate_says 200 "$id" "$secret" || fail "the gate does not come back"
  printf '%-28s the gate refuses, and answers again %d ms after the database\n' "kill -9 of PostgreSQL" "$took"
  end
  no_postgres
}

full_disk_drill() {
  [[ $(id -u) = 0 ]] || { echo "full disk: skipped, only root can mount a small one"; return; }
  mounted=$work/small
  mkdir "$mounted"
  mount -t tmpfs -o size=16m,mode=700 tmpfs "$mounted"
  new_installation "$mounted/data"
  issue client-secret
  local client=$id proof=$secret
  issue legacy
  start
  can_write "$client" "$proof" || fail "nothing can be written on an empty disk"
  head -c 32M /dev/zero >"$mounted/filler" 2>/dev/null || true
  local refused=0 done=0 try
  for try in {1..30}; do
    if can_write "$client" "$proof"; then ((++done)); else ((++refused)); fi
  done
  gate_says 200 "$id" "$secret" || fail "the gate needs no disk, but says $(gate "$id" "$secret")"
  [[ $refused != 0 ]] || fail "the disk was not full"
  local readiness
  readiness=$(status "$base/readyz")
  rm "$mounted/filler"
  within 10 can_write "$client" "$proof" || fail "nothing can be written after the disk has room again"
  within 10 ready || fail "the server is not ready after the disk has room again"
  verify_log
  printf '%-28s %d of %d writes refused, /readyz %s; writes again after %d ms\n' \
    "full disk" "$refused" "$try" "$readiness" "$took"
  end
  umount "$mounted"
  mounted=''
}

# The database is put back to an earlier state under a running server, as after the promotion of a
# replica that was behind.
failover_drill() {
  postgres
  new_installation "$work/failover"
  issue legacy
  local id1=$id secret1=$secret
  start
  sql CHECKPOINT
  pg_ctl stop --mode=fast --wait
  as_postgres cp -a "$KEYRACK_TEST_POSTGRES_DIR/data" "$KEYRACK_TEST_POSTGRES_DIR/earlier"
  pg_ctl restart --wait
  within 10 gate_says 200 "$id1" "$secret1" || fail "the gate does not come back"
  # What will be lost: one more credential.
  issue legacy
  local lost=$id lost_secret=$secret
  issue legacy
  within 5 gate_says 200 "$lost" "$lost_secret" || fail "a new credential is refused"
  pg_ctl stop --mode=immediate --wait
  as_postgres rm -rf "$KEYRACK_TEST_POSTGRES_DIR/data"
  as_postgres mv "$KEYRACK_TEST_POSTGRES_DIR/earlier" "$KEYRACK_TEST_POSTGRES_DIR/data"
  pg_ctl restart --wait
  within 10 gate_says 200 "$id1" "$secret1" || fail "the gate does not come back"
  within 10 gate_says 401 "$lost" "$lost_secret" || fail "the gate goes on with a credential that is lost"
  local forgets=$took
  # Its event has a number that the server has already seen.
  "${keyrack[@]}" credential revoke "$id1" --reason Drill >/dev/null
  within 10 gate_says 401 "$id1" "$secret1" || fail "the gate does not hear of what is revoked after a failover"
  verify_log
  printf '%-28s a lost credential is refused after %d ms, a revoked one after %d ms\n' \
    "failover that lost events" "$forgets" "$took"
  end
  no_postgres
}

stall_drill() {
  postgres
  new_installation "$work/stall"
  issue client-secret
  local client=$id proof=$secret
  issue legacy
  start
  gate_says 200 "$id" "$secret" || fail "the gate refuses a good credential"
  signal_postgres STOP
  within 5 gate_says 503 "$id" "$secret" || fail "the gate trusts a database that does not answer"
  local refuses=$took began
  began=$(millis)
  [[ $(gate "$id" "$secret") = 503 ]] || fail "the gate says something else after 503"
  local gate_takes=$(($(millis) - began))
  began=$(millis)
  [[ -z $(token "$client" "$proof") ]] || fail "a token without a database"
  local token_takes=$(($(millis) - began))
  [[ $(status "$base/healthz") = 200 ]] || fail "the process is not alive"
  ready && fail "ready without a database"
  signal_postgres CONT
  within 15 gate_says 200 "$id" "$secret" || fail "the gate does not come back"
  local comes_back=$took
  within 15 can_write "$client" "$proof" || fail "writes do not come back"
  printf '%-28s the gate refuses after %d ms, then within %d ms (token endpoint %d); back after %d ms\n' \
    "database that stalls" "$refuses" "$gate_takes" "$token_takes" "$comes_back"
  end
  no_postgres
}

read_only_drill() {
  postgres
  new_installation "$work/read-only"
  issue client-secret
  local client=$id proof=$secret
  issue legacy
  start
  local database
  database=$(sql 'SELECT current_database()')
  can_write "$client" "$proof" || fail "nothing can be written"
  # New connections can't write; the old ones are ended, as a failover does.
  sql "ALTER DATABASE \"$database\" SET default_transaction_read_only = on"
  sql 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = $$keyrack$$' >/dev/null
  within 10 gate_says 200 "$id" "$secret" || fail "the gate needs no writes, but says $(gate "$id" "$secret")"
  can_write "$client" "$proof" && fail "the database takes writes"
  local readiness
  readiness=$(curl -s -m 5 "$base/readyz" | tr '\n' ' ')
  end
  start_read_only
  gate_says 200 "$id" "$secret" || fail "after a start the gate says $(gate "$id" "$secret")"
  PGOPTIONS='-c default_transaction_read_only=off' \
    sql "ALTER DATABASE \"$database\" RESET default_transaction_read_only"
  within 15 can_write "$client" "$proof" || fail "writes do not come back by themselves"
  printf '%-28s the gate answers, also after a start; /readyz: %s; writes again after %d ms\n' \
    "read-only database" "$readiness" "$took"
  end
  no_postgres
}

# It may say that it is not ready for everything.
start_read_only() {
  "${keyrack[@]}" serve >>"$work/log" 2>&1 &
  server=$!
  within 10 gate_says 200 "$id" "$secret" || fail "the server does not start on a read-only database"
}

[[ -x $program ]] || cargo leptos build --release --split --precompress
for drill in "${drills[@]}"; do
  "${drill}_drill"
done
