package storage

import (
	"net"
	"net/url"
	"strings"
)

// service is one of the three services of an account.
type service int

const (
	serviceBlob service = iota
	serviceQueue
	serviceTable
	serviceCount
)

// String returns the service's label in host names.
func (s service) String() string {
	return [...]string{"blob", "queue", "table"}[s]
}

// role returns the data-plane role that lets an identity do on the service what a task hub needs.
func (s service) role() string {
	return [...]string{"Storage Blob Data Contributor", "Storage Queue Data Contributor", "Storage Table Data Contributor"}[s]
}

// endpoints are the services' URLs without query and trailing slash.
type endpoints [serviceCount]string

// accountName finds the account's name in the endpoints: the first label of the host, or the first segment of the path
// when the host is an address or the path is not empty, as emulators have it.
func (e endpoints) accountName() string {
	for _, endpoint := range e {
		u, err := url.Parse(endpoint)
		if err != nil || endpoint == "" {
			continue
		}
		if segment, _, _ := strings.Cut(strings.Trim(u.Path, "/"), "/"); segment != "" {
			return segment
		}
		if net.ParseIP(u.Hostname()) == nil {
			label, _, _ := strings.Cut(u.Hostname(), ".")
			return label
		}
	}
	return ""
}

func deriveEndpoint(protocol, account string, s service, suffix string) string {
	return protocol + "://" + account + "." + s.String() + "." + suffix
}

// parseEndpoint splits an endpoint into the URL proper and its query (a shared access signature), or says what is wrong.
func parseEndpoint(text string) (endpoint, query, fault string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return "", "", "is not an absolute http or https URL"
	case u.User != nil:
		return "", "", "contains a user name"
	case u.Fragment != "":
		return "", "", "contains a fragment"
	}
	query = u.RawQuery
	u.RawQuery, u.ForceQuery = "", false
	return strings.TrimRight(u.String(), "/"), query, ""
}

// completeEndpoints fills in missing endpoints from the account's name, or from another endpoint whose host has the
// form {account}.{service}.{domain}.
func completeEndpoints(e endpoints, account, suffix string) endpoints {
	for s := range serviceCount {
		if e[s] != "" {
			continue
		}
		if account != "" {
			e[s] = deriveEndpoint("https", account, s, suffix)
			continue
		}
		for other := range serviceCount {
			if sibling := siblingEndpoint(e[other], other, s); e[s] == "" && sibling != "" {
				e[s] = sibling
			}
		}
	}
	return e
}

func siblingEndpoint(endpoint string, from, to service) string {
	u, err := url.Parse(endpoint)
	if err != nil || endpoint == "" || strings.Trim(u.Path, "/") != "" {
		return ""
	}
	before, after, ok := strings.Cut(u.Host, "."+from.String()+".")
	if !ok {
		return ""
	}
	u.Host = before + "." + to.String() + "." + after
	return u.String()
}

// mayUseHTTP reports whether requests to an endpoint may go unencrypted without the user's explicit consent.
func mayUseHTTP(endpoint, account string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	return u.Scheme == "https" || account == developmentAccount || isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func isAccountName(name string) bool {
	const longest = 63
	return name != "" && len(name) <= longest && !strings.ContainsFunc(name, notHostRune)
}

func isHostName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if !isAccountName(label) {
			return false
		}
	}
	return true
}

func notHostRune(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
}

// redactURL drops what could be secret from a text that should be a URL or a plain value.
func redactURL(text string) string {
	if before, _, ok := strings.Cut(text, "?"); ok {
		text = before + "?***"
	}
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		if authority, _, _ := strings.Cut(rest, "/"); strings.Contains(authority, "@") {
			return scheme + "://***"
		}
	}
	return text
}
