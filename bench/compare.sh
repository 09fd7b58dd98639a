#!/usr/bin/env bash
# Measures this module, as a Go fleet and as a mixed one, beside the .NET library: empty, chain, fan-out and idle, on one Azurite in one run,
# through a proxy that counts storage calls. Prints tables in Markdown; progress goes to standard error.
#
#   bench/compare.sh [--conn CONNECTION] [FLAG...]
#
# Without --conn it installs Azurite by npm, as azurite-test.sh does, and runs one in memory for as long as it takes. DTFX_PEER names the .NET test
# program; unset, it is unpacked from ../shared/dotnet-peer/peer.tar.xz beside the module if that is there, else only this module is measured.
# All other flags go to `bench compare`, which `go run ./bench compare -h` explains: --n, --workloads, --seconds, --settle, --maxpoll, --details.
# With the defaults it takes about five minutes on two idle cores.
set -uo pipefail

azurite_version=3.35.0

conn=
flags=()
while [ $# -gt 0 ]; do
  case $1 in
    --conn) conn=${2:-}; shift 2 || { echo "compare.sh: --conn needs a connection string" >&2; exit 2; } ;;
    --conn=*) conn=${1#--conn=}; shift ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) flags+=("$1"); shift ;;
  esac
done

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/taskhub
work=$(mktemp -d "${TMPDIR:-/tmp}/taskhub-compare.XXXXXX") || exit 1
azurite_pid=
bench_pid=

cleanup() {
  local status=$? pid
  trap - EXIT
  for pid in $bench_pid $azurite_pid; do
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  rm -rf "$work"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

die() { printf 'compare.sh: %s\n' "$*" >&2; exit 1; }

# need TOOL... stops when one is missing.
need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || die "$tool is not installed or not on the PATH"
  done
}

# place TEMPORARY FINAL moves a finished folder to its name; another run may have been faster.
place() {
  mv "$1" "$2" 2>/dev/null || [ -d "$2" ] || die "cannot create $2"
  rm -rf "$1"
}

azurite=$cache/azurite-$azurite_version/node_modules/azurite/dist/src/azurite.js
install_azurite() {
  [ -f "$azurite" ] && return
  echo "installing Azurite $azurite_version into $cache" >&2
  local new
  mkdir -p "$cache" && new=$(mktemp -d "$cache/new.XXXXXX") || die "cannot write to $cache"
  npm install --prefix "$new" --no-save --no-audit --no-fund --loglevel=error "azurite@$azurite_version" >"$work/npm.log" 2>&1 || {
    cat "$work/npm.log" >&2
    rm -rf "$new"
    die "npm could not install azurite@$azurite_version"
  }
  place "$new" "$cache/azurite-$azurite_version"
}

find_peer() {
  local archive=../shared/dotnet-peer/peer.tar.xz home new
  [ -z "${DTFX_PEER:-}" ] && [ -f "$archive" ] && [ "$(uname -sm)" = "Linux x86_64" ] && command -v xz >/dev/null || return 0
  home=$cache/dotnet-peer-$(cksum <"$archive" | tr ' ' '-')
  if [ ! -x "$home/peer" ]; then
    mkdir -p "$cache" && new=$(mktemp -d "$cache/new.XXXXXX") || die "cannot write to $cache"
    tar -xJf "$archive" -C "$new" || die "cannot unpack $archive"
    place "$new" "$home"
  fi
  export DTFX_PEER=$home/peer
}

# quiet_azurite writes the program that runs Azurite without its garbage collection, as azurite-test.sh does: once a minute that stops all
# answers for the longer the more messages there were, and would charge one system with what another one has sent.
quiet_azurite() {
  cat >"$work/azurite.cjs" <<'END'
const { dirname, join } = require("node:path");
const azurite = process.env.AZURITE_MAIN;
for (const manager of ["queue/gc/QueueGCManager", "blob/gc/BlobGCManager"]) {
  require(join(dirname(azurite), manager)).default.prototype.start = async () => {};
}
require(azurite);
END
}

# start_azurite lets the system choose the ports, waits until all three services listen, and sets conn.
start_azurite() {
  local log=$work/azurite.log service line endpoints= started=$SECONDS
  quiet_azurite
  AZURITE_MAIN=$azurite node "$work/azurite.cjs" --inMemoryPersistence --skipApiVersionCheck --disableTelemetry \
    --blobHost 127.0.0.1 --queueHost 127.0.0.1 --tableHost 127.0.0.1 --blobPort 0 --queuePort 0 --tablePort 0 >"$log" 2>&1 &
  azurite_pid=$!
  for service in Blob Queue Table; do
    until line=$(grep -m1 "Azurite $service service is successfully listening at" "$log"); do
      kill -0 "$azurite_pid" 2>/dev/null || { cat "$log" >&2; die "Azurite ended instead of starting"; }
      [ "$SECONDS" -lt "$((started + 120))" ] || { cat "$log" >&2; die "Azurite did not start within two minutes"; }
      sleep 0.1
    done
    endpoints+="${service}Endpoint=http://127.0.0.1:${line##*:}/devstoreaccount1;"
  done
  # The account and key that every Azurite has; they are public.
  conn="DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;$endpoints"
}

need go
[ -n "$conn" ] || need node npm
find_peer
[ -n "${DTFX_PEER:-}" ] || echo "compare.sh: the .NET test program is not at hand: set DTFX_PEER to its command to compare with it" >&2
go build -o "$work/bench" ./bench || die "bench does not build"
if [ -z "$conn" ]; then
  install_azurite
  start_azurite
fi

printf '%s, %s cores%s, %s, load %s, %s\n\n' "$(date -u +%Y-%m-%d)" "$(getconf _NPROCESSORS_ONLN)" \
  "$(sed -n 's/^model name[^:]*: */ of /p' /proc/cpuinfo 2>/dev/null | head -1)" "$(go env GOVERSION)" \
  "$(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null)" "${azurite_pid:+Azurite $azurite_version in memory}"
# In the background, so that a signal to this script is seen at once.
TASKHUB_BENCH_CONN=$conn "$work/bench" compare --conn - ${flags[@]+"${flags[@]}"} &
bench_pid=$!
wait "$bench_pid"
status=$?
bench_pid=
exit $status
