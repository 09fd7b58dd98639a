package smoke

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

const (
	tenantID       = "11111111-1111-1111-1111-111111111111"
	clientID       = "22222222-2222-2222-2222-222222222222"
	identityHeader = "the-header-of-the-identity-endpoint"
	assertion      = "the-token-of-kubernetes"

	audience = "https://storage.azure.com"
	issuer   = "https://sts.windows.net/" + tenantID + "/"
)

// claims are what Azurite looks at in a token. It does not look at the signature, for which it would have to know Microsoft Entra's keys.
type claims struct {
	audience, issuer string
	expired          bool
}

func validUntil() time.Time { return time.Now().Add(time.Hour) }

// token is a JSON Web Token with the claims and a signature that nobody checks.
func (c claims) token() string {
	from, until := time.Now().Add(-time.Hour), validUntil()
	if c.expired {
		until = time.Now().Add(-time.Minute)
	}
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // maps of texts and numbers always marshal
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(map[string]string{"alg": "RS256", "typ": "JWT"}) + "." +
		part(map[string]any{"aud": c.audience, "iss": c.issuer, "tid": tenantID, "iat": from.Unix(), "nbf": from.Unix(), "exp": until.Unix()}) + "." +
		base64.RawURLEncoding.EncodeToString([]byte("no signature"))
}

// tokens gives out tokens, as the identity endpoint of a container app does and as Microsoft Entra does.
type tokens struct {
	authority *httptest.Server // HTTPS: azidentity accepts no other

	mu   sync.Mutex
	list []string
}

func newTokens(t *testing.T) *tokens {
	s := &tokens{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /"+tenantID+"/oauth2/v2.0/token", s.exchange)
	mux.HandleFunc("GET /"+tenantID+"/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		base := s.authority.URL + "/" + tenantID
		answer(w, map[string]any{"issuer": base + "/v2.0", "token_endpoint": base + "/oauth2/v2.0/token", "authorization_endpoint": base + "/oauth2/v2.0/authorize"})
	})
	s.authority = httptest.NewTLSServer(mux)
	t.Cleanup(s.authority.Close)
	return s
}

func (s *tokens) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, what)
}

// asked lists how tokens were asked for.
func (s *tokens) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.list...)
}

// exchange gives a token for one of Kubernetes.
func (s *tokens) exchange(w http.ResponseWriter, r *http.Request) {
	form := map[string]string{
		"client_id": clientID, "client_assertion": assertion, "grant_type": "client_credentials",
		"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
	}
	for name, want := range form {
		if got := r.PostFormValue(name); got != want {
			http.Error(w, fmt.Sprintf("%s is %q, want %q", name, got, want), http.StatusBadRequest)
			return
		}
	}
	s.note("workload identity")
	answer(w, map[string]any{"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": claims{audience: audience, issuer: issuer}.token()})
}

// identityEndpoint is what the variable IDENTITY_ENDPOINT names. It is on this machine and takes plain HTTP, as the real one does.
func (s *tokens) identityEndpoint(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if r.Header.Get("X-IDENTITY-HEADER") != identityHeader || query.Get("resource") != audience || query.Get("client_id") != clientID {
			http.Error(w, "not for you", http.StatusBadRequest)
			return
		}
		s.note("managed identity")
		answer(w, map[string]any{
			"token_type": "Bearer", "resource": audience, "expires_on": strconv.FormatInt(validUntil().Unix(), 10),
			"access_token": claims{audience: audience, issuer: issuer}.token(),
		})
	}))
	t.Cleanup(server.Close)
	return server.URL + "/msi/token"
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // whoever asked may have gone
}

// clientOptions point azidentity to the authority.
func (s *tokens) clientOptions() azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: s.authority.URL},
		Transport: s.authority.Client(),
	}
}

// assertionFile has the token of Kubernetes.
func (s *tokens) assertionFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "azure-identity-token")
	if err := os.WriteFile(file, []byte(assertion), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
