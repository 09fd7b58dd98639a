#!/usr/bin/env bash
# Builds the commands of this module for all systems, packs each build with the licence and the README, and writes SHA256SUMS beside them.
#
#   ./release.sh v1.2.3                       into dist/v1.2.3
#   ./release.sh --target linux/amd64 --out DIR v1.2.3
#
#   --target OS/ARCH   only for this system; may be repeated
#   --out DIR          into another directory, which must not be there or be empty
#   --dirty            although there are changes that are not committed, for trials: the binaries then name no revision
#
# The version is a tag of Semantic Versioning with v0 or v1 in front. The same commit, built by the same version of Go, gives the same bytes everywhere.
set -euo pipefail

targets=()
all=(linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64)
out= dirty= version=

usage() { sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
die() { printf 'release.sh: %s\n' "$*" >&2; exit 1; }
misuse() { printf 'release.sh: %s\n\n' "$*" >&2; usage >&2; exit 2; }

while [ $# -gt 0 ]; do
  case $1 in
    --target) [ $# -gt 1 ] || misuse "--target needs OS/ARCH"; targets+=("$2"); shift ;;
    --out) [ $# -gt 1 ] && [ -n "$2" ] || misuse "--out needs a directory"; out=$2; shift ;;
    --dirty) dirty=1 ;;
    -h | --help) usage; exit 0 ;;
    -*) misuse "unknown flag $1" ;;
    *) [ -z "$version" ] || misuse "there are two versions, $version and $1"; version=$1 ;;
  esac
  shift
done

[ -n "$version" ] || misuse "the version is missing: give one such as v1.2.3"
number='(0|[1-9][0-9]*)'
identifier="($number|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
[[ $version =~ ^v$number\.$number\.$number(-$identifier(\.$identifier)*)?$ ]] || misuse "$version is no version: write it like v1.2.3 or v1.2.3-rc.1"
[ "${BASH_REMATCH[1]}" -le 1 ] || misuse "$version: from v2 on the module's path needs /v${BASH_REMATCH[1]} at its end, see https://go.dev/ref/mod#major-version-suffixes"
[ ${#targets[@]} -gt 0 ] || targets=("${all[@]}")
for target in "${targets[@]}"; do
  [[ " ${all[*]} " == *" $target "* ]] || misuse "there are no releases for $target, only for ${all[*]}"
done

[ -z "$out" ] || case $out in /*) ;; *) out=$PWD/$out ;; esac
cd -P "$(dirname "${BASH_SOURCE[0]}")"
: "${out:=$PWD/dist/$version}"
for tool in go git; do
  command -v "$tool" >/dev/null || die "$tool is not installed or not on the PATH"
done
[ ! -e "$out" ] || { [ -d "$out" ] && [ -z "$(ls -A "$out")" ]; } || die "$out is there already and is not an empty directory: remove it, or give another one with --out"

# What is built must be what the commit says, and a tag of that name must be on it.
revision=
if [ -z "$dirty" ]; then
  changes=$(git status --porcelain 2>&1) || die "this is no copy of the repository: $changes"
  [ -z "$changes" ] || die "there are changes that are not committed: commit them, or add --dirty for a trial
$changes"
  revision=$(git rev-parse HEAD)
  if tagged=$(git rev-parse -q --verify "refs/tags/$version^{commit}"); then
    [ "$tagged" = "$revision" ] || die "the tag $version is on commit $tagged, and this is $revision: check it out first"
  fi
fi
# Files in archives bear the time of the commit.
time=$(git log -1 --format=%ct 2>/dev/null) || time=315532800

# Nothing of the environment may change what is built.
unset GOEXPERIMENT GOFIPS140
export CGO_ENABLED=0 GOFLAGS=-mod=readonly GOAMD64=v1 GOARM64=v8.0 GOWORK=off
work=$(mktemp -d "${TMPDIR:-/tmp}/taskhub-release.XXXXXX")
trap 'rm -rf "$work"' EXIT
packer=$work/packer
go build -o "$packer" ./internal/release
mkdir -p "$out"

for target in "${targets[@]}"; do
  os=${target%/*} arch=${target#*/}
  name=taskhub_${version#v}_${os}_$arch
  folder=$work/$name
  mkdir "$folder"
  for command in cmd/*/; do
    command=${command%/}
    program=$(basename "$command")
    [ "$os" != windows ] || program+=.exe
    GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=false -o "$folder/$program" \
      -ldflags "-s -w -buildid= -X main.version=$version -X main.revision=$revision" "./$command"
  done
  cp LICENSE README.md CHANGELOG.md "$folder/"
  archive=$name.tar.gz
  [ "$os" != windows ] || archive=$name.zip
  "$packer" pack --time "$time" --out "$out/$archive" "$folder"
  echo "$out/$archive"
done

"$packer" sum "$out"
"$packer" check "$out"
echo "$out/SHA256SUMS"
