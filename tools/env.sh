# shellcheck shell=bash
# Sourced by every script here, from any folder and as often as they like: where the tools are.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit

# Tools that the set-up builds belong to the user, not to one checkout: a fresh clone finds them.
tools=${XDG_CACHE_HOME:-$HOME/.cache}/keyrack/tools

# Playwright uses the system's Chromium.
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1

# Whether the compiler that PATH finds is new enough, and has a standard library and a linker for WASM.
rust_ready() {
  local -x RUSTUP_AUTO_INSTALL=0
  local needed found probe status=0
  needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  found=$(rustc --version 2>/dev/null | cut -d' ' -f2)
  [[ -n $found ]] && printf '%s\n' "$needed" "$found" | sort --version-sort --check=silent || return
  probe=$(mktemp -d)
  rustc - --crate-type cdylib --crate-name probe --out-dir "$probe" \
    --target wasm32-unknown-unknown >/dev/null 2>&1 <<<'pub fn probe() -> String { String::new() }' || status=1
  rm -rf "$probe"
  return $status
}

# Debian's compiler steps in where rustup's is too old or can't build for WASM.
path=$PATH:$HOME/.cargo/bin:/usr/sbin
PATH=$tools/bin:$path
if ! rust_ready && PATH=/usr/bin:$PATH rust_ready; then
  PATH=$tools/bin:/usr/bin:$path
fi
export PATH
unset path
