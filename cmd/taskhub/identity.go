package main

import (
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/go-taskhub/taskhub/storage"
)

// account finds the account that a setting of Azure Functions names: NAME is a connection string, or else NAME__accountName
// and the like say how to sign in. AzureWebJobsNAME is looked for first, as Functions does. The source is empty when there
// is nothing.
func (s *settings) account(name string) (cfg storage.Config, source string, err error) {
	names := []string{name}
	if !strings.HasPrefix(name, "AzureWebJobs") {
		names = []string{"AzureWebJobs" + name, name}
	}
	for _, name := range names {
		for _, full := range []string{"ConnectionStrings:" + name, name} {
			if text, source := s.value(full); text != "" {
				return storage.Config{ConnectionString: text}, source, nil
			}
		}
		if cfg, source, err := s.identity(name); source != "" || err != nil {
			return cfg, source, err
		}
	}
	return storage.Config{}, "", nil
}

// identity reads the form of a setting that names an account and how to sign in.
func (s *settings) identity(name string) (cfg storage.Config, source string, err error) {
	part := func(key string) string {
		value, from := s.value(name + ":" + key)
		if from != "" {
			source = from
		}
		return value
	}
	tenant, client, secret, certificate := part("tenantId"), part("clientId"), part("clientSecret"), part("clientCertificate")
	kind := part("credential")
	source = "" // what follows names the account
	cfg = storage.Config{
		AccountName: part("accountName"), BlobEndpoint: part("blobServiceUri"), QueueEndpoint: part("queueServiceUri"), TableEndpoint: part("tableServiceUri"),
	}
	if source == "" {
		return cfg, "", nil
	}
	switch {
	case strings.EqualFold(kind, "managedidentity"):
		cfg.Credential, err = managedIdentity(client)
	case kind != "":
		err = fmt.Errorf(`%s__credential is %q: only "managedidentity" is known, and leaving it out signs in as azidentity does`, name, kind)
	case tenant != "" && client != "" && secret != "":
		cfg.Credential, err = azidentity.NewClientSecretCredential(tenant, client, secret, nil)
	case certificate != "":
		err = fmt.Errorf("%s__clientCertificate is not supported here: set AZURE_CLIENT_CERTIFICATE_PATH, AZURE_CLIENT_ID and AZURE_TENANT_ID instead", name)
	default:
		return signedInFrom(cfg, source)
	}
	return cfg, source, err
}

func managedIdentity(client string) (azcore.TokenCredential, error) {
	var options azidentity.ManagedIdentityCredentialOptions
	if client != "" {
		options.ID = azidentity.ClientID(client)
	}
	return azidentity.NewManagedIdentityCredential(&options)
}

// signedIn opens an account with whatever azidentity finds: variables of the environment, a workload's or managed identity,
// or the sign-in of az, azd or PowerShell.
func signedIn(cfg storage.Config) (storage.Config, error) {
	var err error
	cfg.Credential, err = azidentity.NewDefaultAzureCredential(nil)
	return cfg, err
}

func signedInFrom(cfg storage.Config, source string) (storage.Config, string, error) {
	cfg, err := signedIn(cfg)
	return cfg, source, err
}
