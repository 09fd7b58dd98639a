package proxy

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrNoEndpoint is returned for a connection string without an endpoint of its own for each service: a proxy has no place in front of it.
var ErrNoEndpoint = errors.New("faultproxy: the connection string does not give BlobEndpoint, QueueEndpoint and TableEndpoint as http:// addresses of this machine")

const developmentStorage = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
	"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
	"BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;" +
	"TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"

// TargetOf returns the addresses that a storage connection string names, for Config.Target.
func TargetOf(connection string) (Addresses, error) {
	var out Addresses
	_, err := mapEndpoints(connection, func(s Service, host string) string {
		out.set(s, host)
		return host
	})
	return out, err
}

// ConnectionString returns a connection string like the one given whose endpoints lead to the proxy.
func (p *Proxy) ConnectionString(connection string) (string, error) {
	return mapEndpoints(connection, func(s Service, _ string) string { return p.addresses.Of(s) })
}

// mapEndpoints returns the connection string with the host of each service's endpoint replaced by what replace makes of it.
func mapEndpoints(connection string, replace func(s Service, host string) string) (string, error) {
	if strings.EqualFold(strings.TrimRight(strings.TrimSpace(connection), ";"), "UseDevelopmentStorage=true") {
		connection = developmentStorage
	}
	missing := map[Service]bool{Blob: true, Queue: true, Table: true}
	parts := strings.Split(connection, ";")
	for i, part := range parts {
		key, value, _ := strings.Cut(part, "=")
		for s := range missing {
			if !strings.EqualFold(strings.TrimSpace(key), string(s)+"Endpoint") {
				continue
			}
			u, err := url.Parse(strings.TrimSpace(value))
			if err != nil || u.Scheme != "http" || u.Host == "" {
				return "", fmt.Errorf("%w: its %s is not one", ErrNoEndpoint, key)
			}
			u.Host = replace(s, u.Host)
			parts[i] = key + "=" + u.String()
			delete(missing, s)
		}
	}
	if len(missing) > 0 {
		return "", ErrNoEndpoint
	}
	return strings.Join(parts, ";"), nil
}
