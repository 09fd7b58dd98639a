package storage

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// connectionPool sends requests over kept-alive HTTP/1.1 connections. It uses the transport without an http.Client: the
// services do not redirect, and a client's errors would repeat the URL with its signature.
type connectionPool struct {
	transport *http.Transport
}

func newConnectionPool(perHost int, emulator bool) *connectionPool {
	const dialTimeout = 5 * time.Second
	// Shorter than the idle time-outs of the service and of load balancers on the way, so that a request seldom meets a
	// connection that is just being closed. Azurite closes after 5 s.
	idleTimeout := 45 * time.Second
	if emulator {
		idleTimeout = 4 * time.Second
	}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	return &connectionPool{transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{}, // the services speak HTTP/1.1
		TLSHandshakeTimeout:   dialTimeout,
		MaxIdleConnsPerHost:   perHost,
		IdleConnTimeout:       idleTimeout,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // payloads are compressed already, and the SDK wants bodies as they are
		WriteBufferSize:       16 << 10,
		ReadBufferSize:        16 << 10,
	}}
}

// Do implements policy.Transporter.
func (p *connectionPool) Do(req *http.Request) (*http.Response, error) {
	return p.transport.RoundTrip(req)
}

// Close implements io.Closer.
func (p *connectionPool) Close() error {
	p.transport.CloseIdleConnections()
	return nil
}
