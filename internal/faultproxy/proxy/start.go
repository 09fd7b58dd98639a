package proxy

import "testing"

// Start runs a proxy for a test in front of the storage that a connection string names. It returns the connection string that leads through the
// proxy. The proxy records every operation, and ends with the test. Each change may alter the configuration before the start.
func Start(t testing.TB, connection string, changes ...func(*Config)) (string, *Proxy) {
	t.Helper()
	target, err := TargetOf(connection)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Target: target, Record: true}
	for _, change := range changes {
		change(&cfg)
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	through, err := p.ConnectionString(connection)
	if err != nil {
		t.Fatal(err)
	}
	return through, p
}
