#!/usr/bin/env bash
# Runs every test of the module: on the embedded storage, then the storage-facing packages again on Azurite, next to the .NET library where its
# test program is at hand. Needs Go, Node and npm; works from any directory, and without a network once Azurite and the modules are there.
#
#   ./azurite-test.sh          about thirty-five minutes on two cores
#   ./azurite-test.sh --full   with the long runs too (TASKHUB_FULL=1)
#
# DTFX_PEER names the .NET test program; unset, it is unpacked from ../shared/dotnet-peer/peer.tar.xz if that is there, else the interoperability
# tests are skipped. The last line is `N passed, N failed, N skipped`; the exit status is 0 if nothing failed.
set -uo pipefail

azurite_version=3.35.0

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0"; }

full=
alone=
here=$PWD
if [ "${1:-}" = --on-azurite ]; then # for go test -exec, below: run a program with an Azurite of its own
  alone=1
  shift
else
  for arg in "$@"; do
    case $arg in
      --full) full=1 ;;
      -h | --help) usage; exit 0 ;;
      *) usage >&2; exit 2 ;;
    esac
  done
fi

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$root" || exit 1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/taskhub
work=$(mktemp -d "${TMPDIR:-/tmp}/taskhub-test.XXXXXX") || exit 1
tally=$work/tally
summary=$work/testsummary
azurite_pid=
reported=

cleanup() {
  local status=$?
  trap - EXIT
  if [ -n "$azurite_pid" ]; then
    kill "$azurite_pid" 2>/dev/null
    wait "$azurite_pid" 2>/dev/null
  fi
  rm -rf "$work"
  if [ -z "$reported" ]; then # stopped half-way: that is a failure, whatever passed before
    [ "$status" -ne 0 ] || status=1
    echo "0 passed, 1 failed, 0 skipped"
  fi
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() { printf '\n== %s\n' "$*"; }
die() { printf 'azurite-test.sh: %s\n' "$*" >&2; exit 1; }

for tool in go node npm; do
  command -v "$tool" >/dev/null || die "$tool is not installed or not on the PATH"
done

# place TEMPORARY FINAL moves a finished folder to its name; another run may have been faster.
place() {
  mv "$1" "$2" 2>/dev/null || [ -d "$2" ] || die "cannot create $2"
  rm -rf "$1"
}

azurite=$cache/azurite-$azurite_version/node_modules/azurite/dist/src/azurite.js
install_azurite() {
  [ -f "$azurite" ] && return
  say "installing Azurite $azurite_version into $cache"
  mkdir -p "$cache" || die "cannot create $cache"
  local new
  new=$(mktemp -d "$cache/new.XXXXXX") || die "cannot write to $cache"
  npm install --prefix "$new" --no-save --no-audit --no-fund --loglevel=error "azurite@$azurite_version" >"$work/npm.log" 2>&1 || {
    cat "$work/npm.log" >&2
    rm -rf "$new"
    die "npm could not install azurite@$azurite_version"
  }
  place "$new" "$cache/azurite-$azurite_version"
}

find_peer() {
  local archive=../shared/dotnet-peer/peer.tar.xz
  [ -z "${DTFX_PEER:-}" ] || return 0
  [ -f "$archive" ] && [ "$(uname -sm)" = "Linux x86_64" ] || return 0
  command -v xz >/dev/null || { echo "xz is missing: the .NET test program stays packed"; return 0; }
  local home new
  home=$cache/dotnet-peer-$(cksum <"$archive" | tr ' ' '-')
  if [ ! -x "$home/peer" ]; then
    say "unpacking the .NET test program into $home"
    mkdir -p "$cache" && new=$(mktemp -d "$cache/new.XXXXXX") || die "cannot write to $cache"
    tar -xJf "$archive" -C "$new" || die "cannot unpack $archive"
    place "$new" "$home"
  fi
  DTFX_PEER=$home/peer
}

# An Azurite for each package: it becomes slower with every message that it has ever had, and one package's load is not another's.
# on_azurite PROGRAM ARGUMENT... runs the program, in the folder that this script was called in, with TASKHUB_TEST_CONN set.
on_azurite() {
  local status
  reported=1
  start_azurite
  cd "$here" || exit 1
  set -m # without it the program would not hear of interrupts
  TASKHUB_TEST_CONN=$conn "$@" &
  program=$!
  set +m
  trap 'kill -QUIT "$program" 2>/dev/null' QUIT # go test asks so for the stacks of what hangs
  trap 'kill "$program" 2>/dev/null' INT TERM HUP
  while wait "$program"; status=$?; kill -0 "$program" 2>/dev/null; do :; done
  exit "$status"
}

# quiet_azurite writes the program that runs Azurite without its garbage collection. Once a minute that deletes the texts of deleted messages,
# one after another, and sorts an index anew for each: after a minute of many messages Azurite answers nobody for up to a minute. The tests end
# before the memory is missed.
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

# start_azurite lets the system choose the ports, waits until all three services answer, and sets conn.
start_azurite() {
  local log=$work/azurite.log service line port endpoints=
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
    port=${line##*:}
    answers "$port" || die "Azurite's $service service does not answer on port $port"
    endpoints+="${service}Endpoint=http://127.0.0.1:$port/devstoreaccount1;"
  done
  # The account and key that every Azurite has; they are public.
  conn="DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;$endpoints"
}

# answers PORT asks for anything; every answer, an error too, starts with the protocol.
answers() {
  local line=
  { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
  printf 'GET / HTTP/1.0\r\n\r\n' >&3
  read -r -t 30 line <&3
  exec 3<&- 3>&-
  [[ $line == HTTP/* ]]
}

# other_modules lists the folders of the modules inside this one.
other_modules() { find . -mindepth 2 -name go.mod -not -path '*/testdata/*' -not -path '*/node_modules/*' -not -path '*/.*/*' -exec dirname {} \; | sort; }

# tests LABEL ARGUMENT... runs `go test -race ARGUMENT...` and counts.
tests() {
  local label=$1 codes
  shift
  say "$label: go test -race $*"
  go test -race -json -timeout "$timeout" "$@" | "$summary" run --label "$label" --tally "$tally"
  codes=("${PIPESTATUS[@]}")
  if [ "${codes[0]}" -ne 0 ] && [ "${codes[1]}" -eq 0 ]; then
    check "go test ($label) ended with status ${codes[0]}" false # what it printed is above
  fi
}

# check NAME [--want LINE] COMMAND... counts a command as one test; with --want its output must have that line.
check() {
  local name=$1 want=
  shift
  if [ "$1" = --want ]; then
    want=$2
    shift 2
  fi
  "$summary" command --label "$name" --tally "$tally" --want "$want" -- "$@"
}

# storage_packages lists the packages whose tests take a storage account or the .NET test program, as their sources say.
storage_packages() {
  local package dir files
  go list -f '{{.ImportPath}}|{{.Dir}}|{{join .TestGoFiles " "}} {{join .XTestGoFiles " "}}' ./... | while IFS='|' read -r package dir files; do
    # shellcheck disable=SC2086
    if [ -n "${files// /}" ] && (cd "$dir" && grep -qE 'testkit\.(Conn|Account|Open|Peer)\(|TASKHUB_TEST_CONN|DTFX_PEER' $files); then
      echo "$package"
    fi
  done
}

started=$SECONDS
if [ -n "$alone" ]; then
  on_azurite "$@"
fi

timeout=20m # of a package, which may have to share two cores
if [ -n "$full" ]; then
  export TASKHUB_FULL=1
  timeout=90m
fi

install_azurite
export TASKHUB_AZURITE=$azurite # internal/smoke starts one that takes tokens
find_peer
peer=${DTFX_PEER:-}
unset DTFX_PEER TASKHUB_TEST_CONN AzureWebJobsStorage TASKHUB_SMOKE_CONN TASKHUB_SMOKE_ACCOUNT TASKHUB_SMOKE_ENDPOINT_SUFFIX
go build -o "$summary" ./internal/testsummary || die "the test counter does not build"

say "checks"
check "go vet" go vet ./...
golden=../shared/golden
if [ -d "$golden" ] && [ -d internal/goldencheck ]; then
  check "goldencheck" go run ./internal/goldencheck "$golden/safe-exceptions" "$golden/table-details"
fi

tests embedded ./...
TASKHUB_TEST_FLEET=go tests "embedded, Go fleet" ./worker
for module in $(other_modules); do
  check "go vet ($module)" go -C "$module" vet ./...
  cd "$module" && tests "${module#./}" ./...
  cd "$root" || exit 1
done

[ -z "$peer" ] || export DTFX_PEER=$peer
packages=$(storage_packages) || die "cannot list the storage-facing packages"
if [ -n "$packages" ]; then
  # Word splitting makes the list.
  # shellcheck disable=SC2086
  tests azurite -count=1 -p 2 -parallel 4 -exec "'$root/azurite-test.sh' --on-azurite" $packages
fi

TASKHUB_TEST_FLEET=go tests "azurite, Go fleet" -count=1 -exec "'$root/azurite-test.sh' --on-azurite" ./worker

say "starting Azurite"
started=$SECONDS
start_azurite

say "samples"
greetings='["Hello Tokyo!","Hello Seattle!","Hello London!"]'
check "samples/hello" --want "$greetings" go run ./samples/hello
check "samples/hello on Azurite" --want "$greetings" go run ./samples/hello --conn "$conn" --hub "Hello$$"
for sample in chaining orders monitor downloadsamples; do
  check "samples/$sample" go run "./samples/$sample"
done
check "samples/openissues on Azurite" go run ./samples/openissues --conn "$conn" --hub "Issues$$"

say "result after $((SECONDS / 60)) min $((SECONDS % 60)) s"
"$summary" report --tally "$tally"
status=$?
reported=1
exit $status
