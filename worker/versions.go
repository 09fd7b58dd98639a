package worker

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// VersionMatch says which instances a worker runs, by the version they were started with. An instance that is not for
// this worker waits for one that it is for; [Worker.Health] shows it. Activities have no part in this: they are found by
// name.
type VersionMatch int

const (
	// VersionAny runs instances of any version.
	VersionAny VersionMatch = iota
	// VersionOwn runs instances of exactly this worker's version.
	VersionOwn
	// VersionOwnOrOlder runs instances of this worker's version, of older ones, and those without a version.
	VersionOwnOrOlder
)

// String returns "any", "own" or "own or older".
func (m VersionMatch) String() string {
	switch m {
	case VersionAny:
		return "any"
	case VersionOwn:
		return "own"
	case VersionOwnOrOlder:
		return "own or older"
	}
	return fmt.Sprintf("VersionMatch(%d)", int(m))
}

// versions is a worker's version and which others it takes.
type versions struct {
	own   string
	match VersionMatch
}

func (v versions) validate() error {
	if v.match < VersionAny || v.match > VersionOwnOrOlder {
		return fmt.Errorf("worker: VersionMatch is %v; use VersionAny, VersionOwn or VersionOwnOrOlder", v.match)
	}
	return nil
}

// refuses says why an instance's version is not for this worker; "" when it is.
func (v versions) refuses(version string) string {
	order := CompareVersions(version, v.own)
	switch {
	case v.match == VersionAny, order == 0, v.match == VersionOwnOrOlder && order < 0:
		return ""
	case v.match == VersionOwn:
		return fmt.Sprintf("its version is %q and this worker runs %q only; run a worker of its version", version, v.own)
	}
	return fmt.Sprintf("its version %q is newer than this worker's, %q; run a worker of its version or a newer one", version, v.own)
}

// CompareVersions orders versions: negative when a is older than b, zero when they are the same, positive when a is
// newer.
//
// No version is older than every version. Versions of numbers with dots between them are compared number by number,
// where a missing number is less than 0: "1.9" < "1.10" < "1.10.0" < "2". A "v" in front is ignored. That is the order
// of .NET's System.Version, by which .NET workers compare, and its extension to single numbers and to more than four, which
// .NET compares as texts. All other versions, and such a one with a numeric one, are compared as texts without
// regard to case.
func CompareVersions(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(min(len(a), 1), min(len(b), 1))
	}
	x, xNumeric := numbers(a)
	y, yNumeric := numbers(b)
	if !xNumeric || !yNumeric {
		return strings.Compare(strings.ToUpper(a), strings.ToUpper(b))
	}
	for i := range max(len(x), len(y)) {
		if order := cmp.Compare(numberAt(x, i), numberAt(y, i)); order != 0 {
			return order
		}
	}
	return 0
}

func numberAt(list []int64, i int) int64 {
	if i < len(list) {
		return list[i]
	}
	return -1
}

// numbers splits a version of numbers.
func numbers(version string) ([]int64, bool) {
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(version, "v"), "V"), ".")
	list := make([]int64, len(parts))
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 62)
		if err != nil {
			return nil, false
		}
		list[i] = int64(n)
	}
	return list, true
}
