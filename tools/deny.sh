#!/usr/bin/env bash
# Licences, sources, duplicates and known vulnerabilities of all dependencies, after deny.toml.
set -euo pipefail
. "$(dirname "$0")/env.sh"

if ! command -v cargo-deny >/dev/null; then
  echo "cargo-deny is not installed; this gets it: cargo install --locked cargo-deny" >&2
  exit 1
fi
exec cargo deny check
