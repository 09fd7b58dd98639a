package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkOverhead compares a request straight to a service with one through the proxy.
func BenchmarkOverhead(b *testing.B) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer service.Close()
	at := service.Listener.Addr().String()
	p, err := New(Config{Target: Addresses{at, at, at}})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for name, address := range map[string]string{"direct": at, "proxied": p.Addresses().Queue} {
		b.Run(name, func(b *testing.B) {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			c := &http.Client{Transport: transport}
			for b.Loop() {
				res, err := c.Get("http://" + address + putMessage)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
}
