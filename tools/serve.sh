#!/usr/bin/env bash
# Builds Keyrack and starts it: `serve.sh run`, `dev` (a debug build that follows the source) or
# `demo` (made-up data in a place of its own).
set -euo pipefail
. "$(dirname "$0")/env.sh"

release() {
  echo "• Building the release (about 7 minutes the first time on two cores, one minute afterwards)"
  cargo leptos build --release --split --precompress
}

case ${1:-} in
  run)
    release
    exec target/release/keyrack serve
    ;;
  dev)
    exec cargo leptos watch --split
    ;;
  demo)
    release
    KEYRACK_DATA_DIR=${KEYRACK_DATA_DIR:-./data/demo} exec target/release/keyrack demo
    ;;
  *)
    echo "usage: tools/serve.sh run|dev|demo" >&2
    exit 2
    ;;
esac
