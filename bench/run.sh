#!/usr/bin/env bash
# What Keyrack costs: functions, endpoints as ratios to bare ones, start, memory, size of the WASM.
# It prints; it never fails for a number.
set -euo pipefail
. "$(dirname "$0")/../tools/env.sh"

command -v wrk >/dev/null || { echo "Installing wrk, which makes the load …"; apt-get install -y --no-install-recommends wrk >/dev/null; }
command -v brotli >/dev/null || { echo "Installing brotli …"; apt-get install -y --no-install-recommends brotli >/dev/null; }

echo "== Start, memory, size (release build) =="
cargo leptos build --release --precompress
data=$(mktemp -d)
began=$(date +%s%N)
KEYRACK_LISTEN=127.0.0.1:3999 KEYRACK_DATA_DIR=$data KEYRACK_LOG=error target/release/keyrack serve >/dev/null &
server=$!
trap 'kill $server 2>/dev/null || true; rm -rf "$data"' EXIT
until (exec 3<>/dev/tcp/127.0.0.1/3999) 2>/dev/null; do sleep 0.005; done
echo "start to ready: $((($(date +%s%N) - began) / 1000000)) ms (the goal is under 300)"
sleep 1
awk '/VmRSS/ { printf "memory when idle: %.0f MB (the goal is under 80)\n", $2 / 1024 }' "/proc/$server/status"
kill $server && wait $server 2>/dev/null || true
wasm=$(ls -t target/site/pkg/*.wasm | head -n 1)
echo "WASM after Brotli: $(($(brotli -q 11 -c "$wasm" | wc -c) / 1000)) kB (the goal is under 350)"

echo; echo "== Endpoints =="
cargo run --release -p bench -- "$@"

echo; echo "== Functions =="
cargo bench -p bench
