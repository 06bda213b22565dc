#!/usr/bin/env bash
# Runs the test phases named as arguments, or all of them, and stops at the first that fails.
# The last line counts the tests, as their own runners reported them.
set -euo pipefail
. "$(dirname "$0")/env.sh"

phases=("$@")
[[ $# != 0 ]] || phases=(setup formatting clippy clippy_wasm tests app browser)

# What the runners leave for the count at the end.
cargo_log=$root/target/test.log
journeys=$root/end2end/results/report.json
mkdir -p target
rm -f "$cargo_log" "$journeys"

# Chosen before it starts, so that an interrupted start is cleaned up as well.
KEYRACK_TEST_POSTGRES_DIR=$(mktemp -du -t keyrack-postgres.XXXXXX)
export KEYRACK_TEST_POSTGRES_DIR

setup() {
  tools/setup.sh test
  . tools/env.sh # a compiler may have come
}

formatting() { cargo fmt --all --check; }

# `frontend` exists for WASM only.
clippy() { cargo clippy --locked --keep-going --workspace --exclude frontend --all-targets -- -D warnings; }

# In the folder and profile of cargo-leptos, so that it finds the macros compiled.
clippy_wasm() {
  cargo clippy --locked --package frontend --no-default-features --target wasm32-unknown-unknown \
    --profile wasm-dev --target-dir target/front -- -D warnings
}

# Unit, contract and HTTP tests.
tests() {
  eval "$(tools/postgres.sh start)"
  eval "$(tools/postgres.sh more)"
  cargo test --locked --workspace --exclude frontend --exclude bench --no-fail-fast 2>&1 | tee "$cargo_log"
}

# The debug build that the journeys use, in folders that leave a running `make run` alone.
app() { LEPTOS_SITE_ROOT=target/site-debug cargo leptos build --split; }

browser() {
  cd end2end
  npx --no-install tsc --noEmit
  LEPTOS_SITE_ROOT=$root/target/site-debug KEYRACK_BIN=$root/target/debug/keyrack \
    npx --no-install playwright test
  cd "$root"
}

# What the runners counted, as "passed failed skipped".
count() {
  {
    awk '/^test result: / { print $4, $6, $8 }' "$cargo_log"
    node -p 'const { expected, unexpected, flaky, skipped } = require(process.argv[1]).stats;
      [expected, unexpected + flaky, skipped].join(" ")' "$journeys"
  } 2>/dev/null | awk '{ passed += $1; failed += $2; skipped += $3 } END { print passed + 0, failed + 0, skipped + 0 }'
}

finish() {
  local status=$? passed failed skipped
  trap - EXIT
  "$root/tools/postgres.sh" stop
  read -r passed failed skipped < <(count)
  if [[ $status != 0 ]]; then
    printf '\nFailed in phase "%s" after %d s.\n' "$phase" $((SECONDS - began))
  fi
  if [[ $((passed + failed)) != 0 ]]; then
    local skips=''
    [[ $skipped = 0 ]] || skips=", $skipped skipped"
    printf '%d passed, %d failed%s\n' "$passed" "$failed" "$skips"
  fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

for phase in "${phases[@]}"; do
  began=$SECONDS
  printf '\n== %s\n' "$phase"
  $phase
  printf '== %s: %d s\n' "$phase" $((SECONDS - began))
done
echo
