#!/usr/bin/env bash
# Makes pages of the report, opens them in headless Chromium and measures them: accessibility by axe, in light and in
# dark; no page that is wider than a phone; nothing asked for; no complaint of the browser. What was seen lies in
# target/pages.
#
#     tests/pages/look.sh [PAGE.html...]
#
# Needs npm and Chromium, and gets what is missing where it may. Ends with 69 where they cannot be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=target/pages

cannot() { echo "the pages were not looked at: $*" >&2; exit 69; }

browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

if ! browser >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium fonts-liberation; } \
        >/dev/null 2>&1 || true
fi
browser >/dev/null || cannot "there is no Chromium"
command -v npm >/dev/null || cannot "there is no npm"
if [ ! -d tests/pages/node_modules/axe-core ] || [ ! -d tests/pages/node_modules/playwright-core ]; then
    (cd tests/pages && npm ci --silent) || cannot "what tests/pages/package.json asks for cannot be installed"
fi

rm -rf "$out/seen"
mkdir -p "$out"
if [ $# -gt 0 ]; then
    pages=("$@")
else
    cadenced() { cargo run --quiet --locked -- "$@"; }
    rm -f "$out"/*.html
    # Pages at the limits are made by the test; a story that is made up, and a store in which little has happened.
    cargo test --quiet --locked --test pages
    cp "${CARGO_TARGET_DIR:-target}"/tmp/pages/*.html "$out"
    cadenced report --demo --format html -o "$out/demo.html"
    cadenced run --until-idle --config config/quickstart.toml >/dev/null
    cadenced report --format html -o "$out/quickstart.html" --config config/quickstart.toml
    # And the status page as the daemon gives it.
    sed -e 's/^\[control\]$/&\nlisten = "127.0.0.1:0"/' config/quickstart.toml >"config/.look.toml"
    "${CARGO_TARGET_DIR:-target}/debug/cadenced" run --config config/.look.toml >"$out/daemon.log" &
    daemon=$!
    trap 'kill "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true; rm -f config/.look.toml' EXIT
    waited=0
    until grep -q '"daemon.ready"' "$out/daemon.log"; do
        { kill -0 "$daemon" 2>/dev/null && [ $((waited += 1)) -lt 600 ]; } || { cat "$out/daemon.log" >&2; exit 1; }
        sleep 0.2
    done
    address=$(sed -n 's/.*"control.listening".*"address":"\([^"]*\)".*/\1/p' "$out/daemon.log")
    pages=("$out"/*.html "http://$address/")
fi
node tests/pages/look.mjs "$(browser)" "$out/seen" "${pages[@]}"
