package storage

import (
	"errors"
	"io"
	"log/slog"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	blobservice "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
)

// ErrNoConnection is the error of [Open] when neither a connection string nor a credential is given.
var ErrNoConnection = errors.New("no storage account is given: set the connection string to that of an Azure Storage account, " +
	`to "UseDevelopmentStorage=true" for "taskhub dev" or Azurite on this machine, or to "embedded:" (in memory) or "embedded:DIR" (on disk) for the embedded storage; ` +
	"or set a Credential with the account's name")

// Account gives access to an Azure Storage account. It is safe for concurrent use.
type Account struct {
	name      string
	endpoints endpoints
	blobs     *azblob.Client
	queues    *azqueue.ServiceClient
	tables    *aztables.ServiceClient
	counters  *counters
	resources []io.Closer
	// tableCalls sends the requests of CallTable and Transact, queueCalls those of CallQueue.
	tableCalls, queueCalls *caller
}

// Open returns the account that cfg describes. It makes no request: whether the account can be reached shows with the
// first one, whose error [Explain] turns into a clear text.
//
// A connection string follows the rules of the .NET SDK: UseDevelopmentStorage=true (with DevelopmentStorageProxyUri), or
// AccountName with AccountKey or SharedAccessSignature, DefaultEndpointsProtocol, EndpointSuffix, and BlobEndpoint,
// QueueEndpoint, TableEndpoint; in any order and letter case, with or without a semicolon at the end. Secondary endpoints
// are accepted and not used. "embedded:" opens an embedded storage in memory, a new and empty one each time, which ends with
// the account; "embedded:DIR" opens one on disk, which one account of one process at a time may have open. DIR is made if it
// is not there, but no directory above it.
//
// Errors are [ErrNoConnection], [*ConnectionStringError], [*ConfigError], and those of package emulator.
func Open(cfg Config) (*Account, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	logger := cfg.Logger
	cfg = cfg.withDefaults()
	var resources []io.Closer
	if dir, ok := strings.CutPrefix(strings.TrimSpace(cfg.ConnectionString), embeddedPrefix); ok {
		closer, err := useEmbedded(&cfg, dir, logger)
		if err != nil {
			return nil, err
		}
		resources = append(resources, closer)
	}
	t, err := resolve(cfg)
	if err == nil {
		err = checkEncryption(t, cfg)
	}
	if err != nil {
		return nil, errors.Join(err, closeAll(resources))
	}
	if cfg.Transport == nil {
		pool := newConnectionPool(cfg.MaxConcurrency, t.emulator)
		cfg.Transport, resources = pool, append(resources, pool)
	}
	a := &Account{name: t.account, endpoints: t.endpoints, counters: newCounters(), resources: resources}
	if err := a.connect(cfg, t); err != nil {
		return nil, errors.Join(err, closeAll(resources))
	}
	return a, nil
}

// resolve finds out which account is meant and how requests to it are authorised.
func resolve(cfg Config) (*target, error) {
	if strings.TrimSpace(cfg.ConnectionString) == "" {
		return resolveCredential(cfg)
	}
	for name, value := range map[string]string{
		"AccountName": cfg.AccountName, "BlobEndpoint": cfg.BlobEndpoint, "QueueEndpoint": cfg.QueueEndpoint, "TableEndpoint": cfg.TableEndpoint,
	} {
		if value != "" {
			return nil, &ConfigError{Field: name, Reason: "and ConnectionString are both set; set one of the two"}
		}
	}
	t, err := parseConnectionString(cfg.ConnectionString)
	if err != nil {
		return nil, err
	}
	switch secret := t.key != "" || t.sas != [serviceCount]string{}; {
	case secret && cfg.Credential != nil:
		return nil, &ConfigError{Field: "Credential", Reason: "is set, and the ConnectionString contains a secret as well; remove one of the two"}
	case !secret && cfg.Credential == nil:
		return nil, faulty(settingAccountKey, "and "+settingSAS+" are missing", "add one of them, or set a Credential")
	case cfg.Credential == nil && t.key == "":
		for s, name := range endpointSettings() {
			if t.sas[s] == "" {
				return nil, faulty(name, "has no shared access signature", "add "+settingSAS)
			}
		}
	}
	return t, nil
}

func resolveCredential(cfg Config) (*target, error) {
	t := &target{account: cfg.AccountName}
	given := [serviceCount]string{serviceBlob: cfg.BlobEndpoint, serviceQueue: cfg.QueueEndpoint, serviceTable: cfg.TableEndpoint}
	if cfg.Credential == nil {
		if t.account == "" && given == [serviceCount]string{} {
			return nil, ErrNoConnection
		}
		return nil, &ConfigError{Field: "Credential", Reason: "is missing beside AccountName and endpoints; set one of azidentity's, or a ConnectionString instead"}
	}
	if t.account != "" && !isAccountName(t.account) {
		return nil, &ConfigError{Field: "AccountName", Reason: "contains other characters than letters, digits and hyphens"}
	}
	if !isHostName(cfg.EndpointSuffix) {
		return nil, &ConfigError{Field: "EndpointSuffix", Reason: "is not a domain name like " + DefaultEndpointSuffix}
	}
	for s, name := range endpointSettings() {
		if given[s] == "" {
			continue
		}
		endpoint, query, fault := parseEndpoint(given[s])
		if fault == "" && query != "" {
			fault = "has a query, which a Credential does not need"
		}
		if fault != "" {
			return nil, &ConfigError{Field: name, Reason: fault}
		}
		t.endpoints[s] = endpoint
	}
	t.endpoints = completeEndpoints(t.endpoints, t.account, cfg.EndpointSuffix)
	for s, name := range endpointSettings() {
		if t.endpoints[s] == "" {
			return nil, &ConfigError{Field: name, Reason: "is missing and cannot be derived; set it, or set AccountName"}
		}
	}
	if t.account == "" {
		t.account = t.endpoints.accountName()
	}
	return t, nil
}

func checkEncryption(t *target, cfg Config) error {
	for s, name := range endpointSettings() {
		if cfg.Credential != nil && !strings.HasPrefix(t.endpoints[s], "https:") {
			return &ConfigError{Field: name, Reason: "uses http, over which the SDK sends no tokens; use https, or a key"}
		}
		if !cfg.AllowHTTP && !mayUseHTTP(t.endpoints[s], t.account) {
			return faulty(name, "uses http, which would send keys and payloads readable to everybody on the way",
				"use https, or set AllowHTTP for an emulator elsewhere")
		}
	}
	return nil
}

// connect makes the three clients.
func (a *Account) connect(cfg Config, t *target) error {
	for s, build := range [serviceCount]func(policy.ClientOptions, *target, Config) error{
		serviceBlob: a.connectBlobs, serviceQueue: a.connectQueues, serviceTable: a.connectTables,
	} {
		if err := build(clientOptions(cfg, t, service(s), a.counters), t, cfg); err != nil {
			return &ConfigError{Field: service(s).String() + " endpoint", Reason: "is refused by the SDK: " + err.Error()}
		}
	}
	return nil
}

func (a *Account) connectBlobs(common policy.ClientOptions, t *target, cfg Config) (err error) {
	options, endpoint := &azblob.ClientOptions{ClientOptions: common}, t.endpoints[serviceBlob]
	switch {
	case cfg.Credential != nil:
		a.blobs, err = azblob.NewClient(endpoint, cfg.Credential, options)
	case t.key != "":
		var key *azblob.SharedKeyCredential
		if key, err = azblob.NewSharedKeyCredential(t.account, t.key); err == nil {
			a.blobs, err = azblob.NewClientWithSharedKeyCredential(endpoint, key, options)
		}
	default:
		a.blobs, err = azblob.NewClientWithNoCredential(endpoint, options)
	}
	return err
}

func (a *Account) connectQueues(common policy.ClientOptions, t *target, cfg Config) (err error) {
	options, endpoint := &azqueue.ClientOptions{ClientOptions: common}, t.endpoints[serviceQueue]
	switch {
	case cfg.Credential != nil:
		a.queues, err = azqueue.NewServiceClient(endpoint, cfg.Credential, options)
	case t.key != "":
		var key *azqueue.SharedKeyCredential
		if key, err = azqueue.NewSharedKeyCredential(t.account, t.key); err == nil {
			a.queues, err = azqueue.NewServiceClientWithSharedKeyCredential(endpoint, key, options)
		}
	default:
		a.queues, err = azqueue.NewServiceClientWithNoCredential(endpoint, options)
	}
	if err != nil {
		return err
	}
	return a.connectQueueCalls(common, t, cfg)
}

func (a *Account) connectTables(common policy.ClientOptions, t *target, cfg Config) (err error) {
	options, endpoint := &aztables.ClientOptions{ClientOptions: common}, t.endpoints[serviceTable]
	switch {
	case cfg.Credential != nil:
		a.tables, err = aztables.NewServiceClient(endpoint, cfg.Credential, options)
	case t.key != "":
		var key *aztables.SharedKeyCredential
		if key, err = aztables.NewSharedKeyCredential(t.account, t.key); err == nil {
			a.tables, err = aztables.NewServiceClientWithSharedKey(endpoint, key, options)
		}
	default:
		a.tables, err = aztables.NewServiceClientWithNoCredential(endpoint, options)
	}
	if err != nil {
		return err
	}
	return a.connectTableCalls(common, t, cfg)
}

// clientOptions assembles the pipeline of one service. The SDK puts its authorisation between the policies here and the
// transport, so that every attempt is signed anew.
func clientOptions(cfg Config, t *target, s service, counts *counters) policy.ClientOptions {
	info := &serviceInfo{service: s, account: t.account, emulator: t.emulator, credential: t.credentialKind(s, cfg)}
	last := newSender(cfg, t, info, counts)
	policies := []policy.Policy{
		&identifyPolicy{info: info, product: userAgent(cfg.Application)},
		&bodyPolicy{},
		newRetryPolicy(cfg, counts, last.pace),
	}
	if s == serviceTable {
		policies = append(policies, &tablePolicy{})
	}
	policies = append(policies, &redactPolicy{})
	return policy.ClientOptions{
		Retry:           policy.RetryOptions{MaxRetries: -1},
		PerCallPolicies: policies,
		Transport:       last,
	}
}

func (t *target) credentialKind(s service, cfg Config) credentialKind {
	switch {
	case cfg.Credential != nil:
		return credentialToken
	case t.sas[s] != "":
		return credentialSAS
	}
	return credentialKey
}

// Close releases connections, and the embedded storage if there is one. Requests under way may fail.
func (a *Account) Close() error { return closeAll(a.resources) }

func closeAll(closers []io.Closer) error {
	var errs []error
	for _, c := range closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Name returns the account's name.
func (a *Account) Name() string { return a.name }

// Blobs returns the client of the Blob service.
func (a *Account) Blobs() *azblob.Client { return a.blobs }

// BlobService returns the client of the Blob service that makes clients of containers and blobs.
func (a *Account) BlobService() *blobservice.Client { return a.blobs.ServiceClient() }

// Queues returns the client of the Queue service.
func (a *Account) Queues() *azqueue.ServiceClient { return a.queues }

// Tables returns the client of the Table service.
func (a *Account) Tables() *aztables.ServiceClient { return a.tables }

// BlobEndpoint returns the Blob service's URL, without a slash at the end and without any signature.
func (a *Account) BlobEndpoint() string { return a.endpoints[serviceBlob] }

// QueueEndpoint returns the Queue service's URL, as BlobEndpoint does.
func (a *Account) QueueEndpoint() string { return a.endpoints[serviceQueue] }

// TableEndpoint returns the Table service's URL, as BlobEndpoint does.
func (a *Account) TableEndpoint() string { return a.endpoints[serviceTable] }

// Counts returns how many requests were sent since the account was opened.
func (a *Account) Counts() Counts { return a.counters.snapshot() }

// String names the account.
func (a *Account) String() string { return "storage account " + a.name }

// GoString names the account.
func (a *Account) GoString() string { return a.String() }

// LogValue implements slog.LogValuer.
func (a *Account) LogValue() slog.Value { return slog.StringValue(a.name) }
