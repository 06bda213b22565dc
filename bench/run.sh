#!/usr/bin/env bash
# What Keyrack costs: start, memory, size of the WASM, long lists, the gate with a distant database,
# endpoints as ratios to bare ones, functions. It prints; it never fails for a number.
#
# COUNT credentials are stored, IN_USE of them call, in the database at URL, which must be empty; without
# it, in a fresh SQLite file. The lists have up to 100,000 credentials, ten times as many audit events
# and a tenth as many people, on SQLite and PostgreSQL: first their queries, then whole pages.
set -euo pipefail
. "$(dirname "$0")/../tools/env.sh"

COUNT=${COUNT:-100000}
IN_USE=${IN_USE:-10000}
data=$(mktemp -d)
URL=${URL:-sqlite://$data/bench.db}

# Chosen before it starts, so that an interrupted start is cleaned up as well.
KEYRACK_TEST_POSTGRES_DIR=$(mktemp -du -t keyrack-postgres.XXXXXX)
export KEYRACK_TEST_POSTGRES_DIR
finish() {
  [[ -z ${server:-} ]] || kill "$server" 2>/dev/null || true
  tools/postgres.sh stop
  rm -rf "$data"
}
trap finish EXIT
trap 'exit 130' INT TERM

echo "== Start, memory, size (release build) =="
cargo leptos build --release --split --precompress
began=$(date +%s%N)
KEYRACK_LISTEN=127.0.0.1:3999 KEYRACK_DATA_DIR=$data/keyrack KEYRACK_LOG=error target/release/keyrack serve >/dev/null &
server=$!
until (exec 3<>/dev/tcp/127.0.0.1/3999) 2>/dev/null; do sleep 0.005; done
echo "start to ready: $((($(date +%s%N) - began) / 1000000)) ms (the goal is under 300)"
sleep 1
awk '/VmRSS/ { printf "memory when idle: %.0f MB (the goal is under 80)\n", $2 / 1024 }' "/proc/$server/status"
kill $server && wait $server 2>/dev/null || true
echo "WASM after Brotli, for the first page that somebody opens (the goal is under 350 kB):"
node bench/wasm-size.mjs target/site/pkg

echo; echo "== Lists =="
cargo build --release -p storage --example list_speed
eval "$(tools/postgres.sh start)"
lists=("sqlite://$data/lists.db" "$KEYRACK_TEST_POSTGRES")
target/release/examples/list_speed $((COUNT < 100000 ? COUNT : 100000)) "${lists[@]}"
cargo run --release -p bench -- lists "${lists[@]}"
tools/postgres.sh stop
rm "$data"/lists.db*

echo; echo "== A distant database =="
eval "$(tools/postgres.sh start)"
cargo run --release -p bench -- distant "$KEYRACK_TEST_POSTGRES"
tools/postgres.sh stop

echo; echo "== Endpoints =="
cargo run --release -p bench -- "$COUNT" "$URL" "$IN_USE"

echo; echo "== Functions =="
cargo bench -p bench
