package rest

import (
	"net"
	"net/url"
	"strings"
)

// SecondarySuffix ends the account name in the address of a secondary
// endpoint.
const SecondarySuffix = "-secondary"

// Address is where a URL points: an account and a path below it.
type Address struct {
	Account   string
	Secondary bool
	Path      string
}

// ParseAddress finds account and path. A host whose first label is a known
// account, and which has more labels, names the account itself
// ("account.queue.core.windows.net", "account.queue.localhost"); anywhere
// else the account is the first segment of the path.
func ParseAddress(host string, u *url.URL, known func(string) bool) (Address, bool) {
	path := strings.TrimPrefix(u.Path, "/")
	if account, ok := hostAccount(host); ok {
		name, secondary := strings.CutSuffix(account, SecondarySuffix)
		if known(name) {
			return Address{Account: name, Secondary: secondary, Path: path}, true
		}
	}
	account, rest, _ := strings.Cut(path, "/")
	if account == "" {
		return Address{}, false
	}
	name, secondary := strings.CutSuffix(account, SecondarySuffix)
	return Address{Account: name, Secondary: secondary, Path: rest}, true
}

func hostAccount(host string) (string, bool) {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if net.ParseIP(strings.Trim(name, "[]")) != nil {
		return "", false
	}
	account, rest, ok := strings.Cut(name, ".")
	return strings.ToLower(account), ok && account != "" && rest != ""
}

// HostService finds the service a host name speaks of: a label "blob",
// "queue" or "table" in first or second place.
func HostService(host string) (Service, bool) {
	labels := strings.SplitN(strings.ToLower(host), ".", 3)
	if len(labels) > 2 {
		labels = labels[:2]
	}
	for _, label := range labels {
		for _, s := range Services {
			if label == s.Label() {
				return s, true
			}
		}
	}
	return Blob, false
}
