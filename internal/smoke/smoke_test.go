package smoke

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// Variables that name an account to test with.
const (
	connVariable    = "TASKHUB_SMOKE_CONN"
	accountVariable = "TASKHUB_SMOKE_ACCOUNT"
	suffixVariable  = "TASKHUB_SMOKE_ENDPOINT_SUFFIX"
)

// TestSmoke runs the scenario in both kinds of fleets, on the account that is configured.
func TestSmoke(t *testing.T) {
	t.Parallel()
	for _, fleet := range []worker.Fleet{worker.FleetGo, worker.FleetMixed} {
		t.Run(string(fleet), func(t *testing.T) {
			t.Parallel()
			cfg := account(t)
			cfg.Name = testkit.Hub(t)
			scenario(t, cfg, fleet)
		})
	}
}

// account is the account of the environment, else the one that all tests use.
func account(t *testing.T) taskhub.Config {
	t.Helper()
	conn, name, suffix := os.Getenv(connVariable), os.Getenv(accountVariable), os.Getenv(suffixVariable)
	switch {
	case conn != "" && name != "":
		t.Fatalf("%s and %s are both set: set one of the two", connVariable, accountVariable)
	case conn != "":
		return taskhub.Config{Connection: conn}
	case name == "":
		t.Logf("no account is given by %s or %s: this is %s", connVariable, accountVariable, map[bool]string{true: "the embedded storage", false: "the account of " + testkit.ConnVariable}[testkit.InProcess()])
		return taskhub.Config{Connection: testkit.Conn(t)}
	}
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		t.Fatal(err)
	}
	if suffix == "" {
		suffix = "core.windows.net"
	}
	at := func(service string) string { return "https://" + name + "." + service + "." + suffix }
	return taskhub.Config{Credential: credential, BlobEndpoint: at("blob"), QueueEndpoint: at("queue"), TableEndpoint: at("table")}
}

// TestManagedIdentity runs the scenario as a container app or an App Service does: the environment names a token service, and the default credential
// asks that. It is not parallel, for it sets variables.
func TestManagedIdentity(t *testing.T) {
	azurite := startAzurite(t)
	tokens := newTokens(t)
	t.Setenv("IDENTITY_ENDPOINT", tokens.identityEndpoint(t))
	t.Setenv("IDENTITY_HEADER", identityHeader)
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
	t.Setenv("AZURE_CLIENT_ID", clientID)
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := azurite.config(t, credential)
	scenario(t, cfg, worker.FleetGo)
	if asked := tokens.asked(); len(asked) == 0 || strings.Join(asked, " ") != strings.Repeat("managed identity ", len(asked)-1)+"managed identity" {
		t.Errorf("the token service was asked for %q", asked)
	}
}

// TestWorkloadIdentity runs the scenario as a pod does: a file has a token of Kubernetes, for which the authority gives one of Microsoft Entra.
func TestWorkloadIdentity(t *testing.T) {
	t.Parallel()
	azurite := startAzurite(t)
	tokens := newTokens(t)
	credential, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: tokens.clientOptions(), DisableInstanceDiscovery: true,
		TenantID: tenantID, ClientID: clientID, TokenFilePath: tokens.assertionFile(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	scenario(t, azurite.config(t, credential), worker.FleetMixed)
	if asked := tokens.asked(); len(asked) == 0 || asked[0] != "workload identity" {
		t.Errorf("the authority was asked for %q", asked)
	}
}

// fixed is a credential that always has the same token.
type fixed string

func (f fixed) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(f), ExpiresOn: validUntil()}, nil
}

// TestBadTokens: what the service refuses is an error that says so, at once, and that has no token in it.
func TestBadTokens(t *testing.T) {
	t.Parallel()
	azurite := startAzurite(t)
	for name, claims := range map[string]claims{
		"for another service": {audience: "https://vault.azure.net", issuer: issuer},
		"of another issuer":   {audience: audience, issuer: "https://example.com/"},
		"that has expired":    {audience: audience, issuer: issuer, expired: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token := claims.token()
			hub, err := taskhub.Open(t.Context(), azurite.config(t, fixed(token)))
			if err == nil {
				err = hub.Ensure(t.Context())
				defer func() { _ = hub.Close() }()
			}
			if err == nil || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "403") {
				t.Errorf("got error %v, want one with 403", err)
			}
		})
	}
}

// TestNoTokensOverHTTP: a credential is refused before anything is sent when an endpoint is not encrypted.
func TestNoTokensOverHTTP(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"blob", "queue", "table"} {
		cfg := taskhub.Config{Name: testkit.Hub(t), Credential: fixed("the-token"), Transport: refuse{t}}
		for s, endpoint := range map[string]*string{"blob": &cfg.BlobEndpoint, "queue": &cfg.QueueEndpoint, "table": &cfg.TableEndpoint} {
			*endpoint = "https://127.0.0.1:10000/devstoreaccount1"
			if s == service {
				*endpoint = "http://127.0.0.1:10000/devstoreaccount1"
			}
		}
		if _, err := taskhub.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "uses http") {
			t.Errorf("%s: got error %v", service, err)
		}
	}
}

// refuse is a transport that must not be used.
type refuse struct{ t *testing.T }

func (r refuse) Do(req *http.Request) (*http.Response, error) {
	r.t.Errorf("a request was sent: %s %s", req.Method, req.URL.Path)
	return nil, http.ErrUseLastResponse
}
