package smoke

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/taskhub"
)

// azuriteVariable names the program of an installed Azurite: node_modules/azurite/dist/src/azurite.js.
const azuriteVariable = "TASKHUB_AZURITE"

// azurite is an Azurite that takes tokens, over HTTPS with a certificate of its own.
type azurite struct {
	endpoints map[string]string // by service: blob, queue, table
	roots     *x509.CertPool
}

// startAzurite starts one that ends with the test, or skips the test.
func startAzurite(t *testing.T) *azurite {
	t.Helper()
	program := os.Getenv(azuriteVariable)
	if program == "" {
		t.Skipf("needs Azurite: set %s to the path of its azurite.js", azuriteVariable)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs node, to run Azurite")
	}
	a := &azurite{endpoints: map[string]string{}, roots: x509.NewCertPool()}
	certificate, key := a.certify(t)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), node, program, "--oauth", "basic", "--cert", certificate, "--key", key,
		"--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry",
		"--blobHost", "127.0.0.1", "--queueHost", "127.0.0.1", "--tableHost", "127.0.0.1", "--blobPort", "0", "--queuePort", "0", "--tablePort", "0")
	cmd.Dir = t.TempDir()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems strings.Builder
	cmd.Stderr = &problems
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		<-read
		_ = cmd.Wait() // it was killed
	})
	ready := make(chan map[string]string, 1)
	go func() {
		defer close(read)
		found, told := map[string]string{}, false
		listens := regexp.MustCompile(`Azurite (Blob|Queue|Table) service is successfully listening at (https://\S+)`)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := listens.FindStringSubmatch(lines.Text()); m != nil {
				found[strings.ToLower(m[1])] = m[2] + "/devstoreaccount1"
			}
			if len(found) == 3 && !told {
				told = true
				ready <- found
			}
		}
		close(ready)
	}()
	select {
	case found, ok := <-ready:
		if !ok {
			t.Fatalf("Azurite ended instead of starting: %s", problems.String())
		}
		a.endpoints = found
	case <-time.After(patience):
		t.Fatal("Azurite does not start")
	}
	return a
}

// certify makes a certificate for this machine, which only this test trusts.
func (a *azurite) certify(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Azurite"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: privateDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a.roots.AddCert(parsed)
	return certificate, key
}

// config opens a fresh hub there with a credential.
func (a *azurite) config(t *testing.T, credential azcore.TokenCredential) taskhub.Config {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return taskhub.Config{
		Name: testkit.Hub(t), Credential: credential, Transport: &http.Client{Transport: transport},
		BlobEndpoint: a.endpoints["blob"], QueueEndpoint: a.endpoints["queue"], TableEndpoint: a.endpoints["table"],
	}
}
