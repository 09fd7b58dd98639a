package storage

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
)

// secretKey and secretSignature must never be seen in any output.
var (
	secretKey       = base64.StdEncoding.EncodeToString([]byte("this is the secret key of the account = 0123456789"))
	secretSignature = "c2VjcmV0IHNpZ25hdHVyZSBvZiBhIFNBUw%3D%3D"
	someSAS         = "sv=2024-08-04&ss=bqt&srt=sco&sp=rwdlacup&se=2090-01-01T00:00:00Z&spr=https,http&sig=" + secretSignature
)

func leaks(text string) bool {
	return strings.Contains(text, secretKey) || strings.Contains(text, secretKey[8:24]) ||
		strings.Contains(text, secretSignature) || strings.Contains(text, secretSignature[:16])
}

func TestConnectionStrings(t *testing.T) {
	t.Parallel()
	public := endpoints{"https://acct.blob.core.windows.net", "https://acct.queue.core.windows.net", "https://acct.table.core.windows.net"}
	local := endpoints{"http://127.0.0.1:10000/devstoreaccount1", "http://127.0.0.1:10001/devstoreaccount1", "http://127.0.0.1:10002/devstoreaccount1"}
	for _, c := range []struct {
		name, text string
		account    string
		endpoints  endpoints
		key        string
		sas        string
	}{
		{"emulator", "UseDevelopmentStorage=true", developmentAccount, local, developmentKey, ""},
		{"emulator, semicolon and case", " usedevelopmentstorage=TRUE; ", developmentAccount, local, developmentKey, ""},
		{"emulator behind a proxy", "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://azurite.local:9999/x", developmentAccount,
			endpoints{"http://azurite.local:10000/devstoreaccount1", "http://azurite.local:10001/devstoreaccount1", "http://azurite.local:10002/devstoreaccount1"}, developmentKey, ""},
		{"emulator behind an IPv6 proxy", "DevelopmentStorageProxyUri=https://[::1];UseDevelopmentStorage=true", developmentAccount,
			endpoints{"https://[::1]:10000/devstoreaccount1", "https://[::1]:10001/devstoreaccount1", "https://[::1]:10002/devstoreaccount1"}, developmentKey, ""},
		{"portal", "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=" + secretKey + ";EndpointSuffix=core.windows.net", "acct", public, secretKey, ""},
		{"any order and case, semicolon at the end", "accountkey=" + secretKey + ";;ACCOUNTNAME=acct;", "acct", public, secretKey, ""},
		{"line breaks", "AccountName=acct;\n  AccountKey=" + secretKey + "\r\n", "acct", public, secretKey, ""},
		{"China", "AccountName=acct;AccountKey=" + secretKey + ";EndpointSuffix=core.chinacloudapi.cn", "acct",
			endpoints{"https://acct.blob.core.chinacloudapi.cn", "https://acct.queue.core.chinacloudapi.cn", "https://acct.table.core.chinacloudapi.cn"}, secretKey, ""},
		{"US government over http", "DefaultEndpointsProtocol=HTTP;AccountName=acct;AccountKey=" + secretKey + ";EndpointSuffix=core.usgovcloudapi.net", "acct",
			endpoints{"http://acct.blob.core.usgovcloudapi.net", "http://acct.queue.core.usgovcloudapi.net", "http://acct.table.core.usgovcloudapi.net"}, secretKey, ""},
		{"signature", "AccountName=acct;SharedAccessSignature=" + someSAS, "acct", public, "", someSAS},
		{"signature with a question mark", "SharedAccessSignature=?" + someSAS + ";AccountName=acct", "acct", public, "", someSAS},
		{"signature and endpoints", "BlobEndpoint=https://acct.blob.core.windows.net/;QueueEndpoint=https://acct.queue.core.windows.net/;FileEndpoint=https://acct.file.core.windows.net/;" +
			"TableEndpoint=https://acct.table.core.windows.net/;SharedAccessSignature=" + someSAS, "acct", public, "", someSAS},
		{"some endpoints", "AccountName=acct;AccountKey=" + secretKey + ";QueueEndpoint=https://queues.example.org/x/", "acct",
			endpoints{public[0], "https://queues.example.org/x", public[2]}, secretKey, ""},
		{"secondary endpoints", "AccountName=acct;AccountKey=" + secretKey + ";BlobSecondaryEndpoint=https://a-secondary;TableSecondaryEndpoint=https://b;QueueSecondaryEndpoint=https://c;FileSecondaryEndpoint=https://d",
			"acct", public, secretKey, ""},
		{"signatures in the endpoints", "BlobEndpoint=https://acct.blob.core.windows.net?" + someSAS + ";QueueEndpoint=https://acct.queue.core.windows.net/?" + someSAS +
			";TableEndpoint=https://acct.table.core.windows.net?" + someSAS, "acct", public, "", someSAS},
		{"Azurite's own string", "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=" + developmentKey + ";BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;" +
			"QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;", developmentAccount, local, developmentKey, ""},
		{"key's name", "AccountName=acct;AccountKeyName=key1;AccountKey=" + secretKey, "acct", public, secretKey, ""},
		{"endpoints only", "BlobEndpoint=http://10.0.0.7:9/acct;QueueEndpoint=http://10.0.0.7:9/acct;TableEndpoint=http://10.0.0.7:9/acct", "acct",
			endpoints{"http://10.0.0.7:9/acct", "http://10.0.0.7:9/acct", "http://10.0.0.7:9/acct"}, "", ""},
	} {
		got, err := parseConnectionString(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got.account != c.account || got.endpoints != c.endpoints || got.key != c.key || got.sas != [serviceCount]string{c.sas, c.sas, c.sas} {
			t.Errorf("%s: account %s, endpoints %v, key and signature as expected: %v %v", c.name, got.account, got.endpoints, got.key == c.key, got.sas[0] == c.sas)
		}
		if leaks(RedactConnectionString(c.text)) {
			t.Errorf("%s: a secret is shown: %s", c.name, RedactConnectionString(c.text))
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	key, sas := ";AccountKey="+secretKey, ";SharedAccessSignature="+someSAS
	for _, c := range []struct {
		name    string
		cfg     Config
		says    []string
		setting string
	}{
		{"key missing", Config{ConnectionString: "AccountName=acct"}, []string{"AccountKey and SharedAccessSignature are missing"}, settingAccountKey},
		{"name missing", Config{ConnectionString: "AccountKey=" + secretKey}, []string{"AccountName is missing"}, settingAccountName},
		{"name empty", Config{ConnectionString: "AccountName=" + key}, []string{"AccountName is empty"}, settingAccountName},
		{"name malformed", Config{ConnectionString: "AccountName=a/b" + key}, []string{"AccountName"}, settingAccountName},
		{"key malformed", Config{ConnectionString: "AccountName=acct;AccountKey=" + secretKey[:30] + "*"}, []string{"AccountKey is not the base64"}, settingAccountKey},
		{"key cut", Config{ConnectionString: "AccountName=acct;AccountKey=" + secretKey[:31]}, []string{"AccountKey is not the base64"}, settingAccountKey},
		{"key empty", Config{ConnectionString: "AccountName=acct;AccountKey="}, []string{"AccountKey is not the base64"}, settingAccountKey},
		{"key and signature", Config{ConnectionString: "AccountName=acct" + key + sas}, []string{"both"}, settingSAS},
		{"signature without sig", Config{ConnectionString: "AccountName=acct;SharedAccessSignature=sv=2024"}, []string{"no sig"}, settingSAS},
		{"signature for blobs only", Config{ConnectionString: "AccountName=acct;SharedAccessSignature=" + strings.Replace(someSAS, "ss=bqt", "ss=b", 1)}, []string{"ss lacks"}, settingSAS},
		{"signature for containers only", Config{ConnectionString: "AccountName=acct;SharedAccessSignature=" + strings.Replace(someSAS, "srt=sco", "srt=c", 1)}, []string{"srt lacks"}, settingSAS},
		{"signature without endpoints", Config{ConnectionString: "BlobEndpoint=https://acct.blob.core.windows.net" + sas}, []string{"QueueEndpoint is missing"}, settingQueueEndpoint},
		{"signature in one endpoint", Config{ConnectionString: "AccountName=acct;BlobEndpoint=https://acct.blob.core.windows.net?" + someSAS}, []string{"QueueEndpoint has no shared access signature"}, settingQueueEndpoint},
		{"signature in an endpoint beside a key", Config{ConnectionString: "AccountName=acct;BlobEndpoint=https://acct.blob.core.windows.net?" + someSAS + key}, []string{"query"}, settingBlobEndpoint},
		{"protocol", Config{ConnectionString: "DefaultEndpointsProtocol=ftp;AccountName=acct" + key}, []string{"DefaultEndpointsProtocol", "https"}, settingProtocol},
		{"suffix", Config{ConnectionString: "EndpointSuffix=core windows net;AccountName=acct" + key}, []string{"EndpointSuffix"}, settingSuffix},
		{"endpoint", Config{ConnectionString: "TableEndpoint=acct.table.core.windows.net;AccountName=acct" + key}, []string{"TableEndpoint is not an absolute"}, settingTableEndpoint},
		{"endpoint with a password", Config{ConnectionString: "TableEndpoint=https://u:" + secretKey[:20] + "@acct.table.core.windows.net;AccountName=acct" + key}, []string{"TableEndpoint"}, settingTableEndpoint},
		{"twice", Config{ConnectionString: "AccountName=acct;accountname=other" + key}, []string{"AccountName is given twice"}, settingAccountName},
		{"unknown", Config{ConnectionString: "AccountName=acct;AcountKey=" + secretKey}, []string{`unknown name "AcountKey"`}, ""},
		{"key without its name", Config{ConnectionString: "AccountName=acct;" + secretKey}, []string{"part 2"}, ""},
		{"colon for the equals sign", Config{ConnectionString: "AccountName=acct;AccountKey:" + secretKey}, []string{"part 2"}, ""},
		{"no pairs", Config{ConnectionString: "hello"}, []string{"part 1 is not of the form name=value"}, ""},
		{"a URL", Config{ConnectionString: "https://acct.blob.core.windows.net"}, []string{"BlobEndpoint="}, ""},
		{"a bare signature", Config{ConnectionString: someSAS}, []string{"part 1", "SharedAccessSignature="}, ""},
		{"emulator and account", Config{ConnectionString: "UseDevelopmentStorage=true;AccountName=acct" + key}, []string{"cannot be combined"}, settingDevelopment},
		{"emulator false", Config{ConnectionString: "UseDevelopmentStorage=false"}, []string{"another value than true"}, settingDevelopment},
		{"proxy alone", Config{ConnectionString: "DevelopmentStorageProxyUri=http://x"}, []string{"needs UseDevelopmentStorage=true"}, settingProxy},
		{"proxy malformed", Config{ConnectionString: "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=myhost"}, []string{"absolute"}, settingProxy},
		{"emulator's account without endpoints", Config{ConnectionString: "AccountName=devstoreaccount1;AccountKey=" + developmentKey + ";BlobEndpoint=http://127.0.0.1:1/devstoreaccount1"},
			[]string{"QueueEndpoint is missing"}, settingQueueEndpoint},
		{"http", Config{ConnectionString: "DefaultEndpointsProtocol=http;AccountName=acct" + key}, []string{"http", "AllowHTTP"}, settingBlobEndpoint},
		{"only semicolons", Config{ConnectionString: ";;"}, []string{"BlobEndpoint is missing"}, settingBlobEndpoint},
	} {
		account, err := Open(c.cfg)
		var wrong *ConnectionStringError
		if !errors.As(err, &wrong) || account != nil {
			t.Errorf("%s: error %v, want *ConnectionStringError", c.name, err)
			continue
		}
		if wrong.Setting != c.setting {
			t.Errorf("%s: about the setting %q, want %q", c.name, wrong.Setting, c.setting)
		}
		for _, part := range c.says {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", c.name, err, part)
			}
		}
		if text := fmt.Sprintf("%v %+v %#v", err, wrong, c.cfg); leaks(text) || leaks(RedactConnectionString(c.cfg.ConnectionString)) {
			t.Errorf("%s: a secret is shown: %s", c.name, text)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than a line: %s", c.name, err)
		}
	}
}

func TestOpenConfig(t *testing.T) {
	t.Parallel()
	credential := &fake.TokenCredential{}
	if _, err := Open(Config{}); !errors.Is(err, ErrNoConnection) {
		t.Errorf("empty: %v", err)
	}
	if _, err := Open(Config{ConnectionString: "  \n"}); !errors.Is(err, ErrNoConnection) {
		t.Errorf("blank: %v", err)
	}
	for _, c := range []struct {
		name, field string
		cfg         Config
	}{
		{"two credentials", "Credential", Config{Credential: credential, ConnectionString: "UseDevelopmentStorage=true"}},
		{"name beside a string", "AccountName", Config{AccountName: "acct", ConnectionString: "UseDevelopmentStorage=true"}},
		{"name without credential", "Credential", Config{AccountName: "acct"}},
		{"endpoints without credential", "Credential", Config{BlobEndpoint: "https://acct.blob.core.windows.net"}},
		{"endpoint that derives nothing", "QueueEndpoint", Config{Credential: credential, BlobEndpoint: "https://files.example.org"}},
		{"endpoint malformed", "BlobEndpoint", Config{Credential: credential, BlobEndpoint: "acct"}},
		{"endpoint with a query", "BlobEndpoint", Config{Credential: credential, BlobEndpoint: "https://acct.blob.core.windows.net?" + someSAS}},
		{"name malformed", "AccountName", Config{Credential: credential, AccountName: "https://acct"}},
		{"suffix malformed", "EndpointSuffix", Config{Credential: credential, AccountName: "acct", EndpointSuffix: "a/b"}},
		{"token over http", "TableEndpoint", Config{Credential: credential, AccountName: "acct", TableEndpoint: "http://127.0.0.1:10002/acct", AllowHTTP: true}},
		{"negative time-out", "AttemptTimeout", Config{Credential: credential, AccountName: "acct", AttemptTimeout: -1}},
	} {
		_, err := Open(c.cfg)
		var wrong *ConfigError
		if !errors.As(err, &wrong) || wrong.Field != c.field || leaks(err.Error()) {
			t.Errorf("%s: error %v, want *ConfigError about %s", c.name, err, c.field)
		}
	}
	for _, c := range []struct {
		cfg       Config
		account   string
		endpoints endpoints
	}{
		{Config{Credential: credential, AccountName: "acct"}, "acct",
			endpoints{"https://acct.blob.core.windows.net", "https://acct.queue.core.windows.net", "https://acct.table.core.windows.net"}},
		{Config{Credential: credential, AccountName: "acct", EndpointSuffix: "core.usgovcloudapi.net", TableEndpoint: "https://t.example.org/"}, "acct",
			endpoints{"https://acct.blob.core.usgovcloudapi.net", "https://acct.queue.core.usgovcloudapi.net", "https://t.example.org"}},
		{Config{Credential: credential, QueueEndpoint: "https://acct.queue.core.windows.net/"}, "acct",
			endpoints{"https://acct.blob.core.windows.net", "https://acct.queue.core.windows.net", "https://acct.table.core.windows.net"}},
		{Config{Credential: credential, BlobEndpoint: "https://acct.z01.blob.storage.azure.net"}, "acct",
			endpoints{"https://acct.z01.blob.storage.azure.net", "https://acct.z01.queue.storage.azure.net", "https://acct.z01.table.storage.azure.net"}},
		{Config{Credential: credential, ConnectionString: "BlobEndpoint=https://acct.blob.core.windows.net;QueueEndpoint=https://acct.queue.core.windows.net;TableEndpoint=https://acct.table.core.windows.net"}, "acct",
			endpoints{"https://acct.blob.core.windows.net", "https://acct.queue.core.windows.net", "https://acct.table.core.windows.net"}},
		{Config{ConnectionString: "DefaultEndpointsProtocol=http;AccountName=acct;AccountKey=" + secretKey, AllowHTTP: true}, "acct",
			endpoints{"http://acct.blob.core.windows.net", "http://acct.queue.core.windows.net", "http://acct.table.core.windows.net"}},
		{Config{ConnectionString: "AccountName=acct;AccountKey=" + secretKey + ";BlobEndpoint=http://localhost:1/acct;QueueEndpoint=http://[::1]:2/acct;TableEndpoint=http://127.8.9.1:3/acct"}, "acct",
			endpoints{"http://localhost:1/acct", "http://[::1]:2/acct", "http://127.8.9.1:3/acct"}},
	} {
		a, err := Open(c.cfg)
		if err != nil {
			t.Errorf("%v: %v", c.cfg, err)
			continue
		}
		if a.Name() != c.account || a.endpoints != c.endpoints || a.BlobEndpoint() != c.endpoints[serviceBlob] {
			t.Errorf("%v: account %s, endpoints %v", c.cfg, a.Name(), a.endpoints)
		}
		if text := fmt.Sprintf("%v %+v %#v %s", a, a, a, a); leaks(text) {
			t.Errorf("the account shows a secret: %s", text)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestConfigShowsNoSecret(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{
		{ConnectionString: "AccountName=acct;AccountKey=" + secretKey},
		{ConnectionString: "AccountName=acct;SharedAccessSignature=" + someSAS},
		{ConnectionString: "BlobEndpoint=https://acct.blob.core.windows.net?" + someSAS},
		{ConnectionString: "AccountName=acct;Key:" + secretKey},
		{BlobEndpoint: "https://acct.blob.core.windows.net?" + someSAS, Credential: &fake.TokenCredential{}},
		{QueueEndpoint: "https://u:" + secretKey + "@acct.queue.core.windows.net"},
	} {
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", cfg, "pointer", &cfg, "nested", struct{ C Config }{cfg})
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", cfg, "pointer", &cfg, "nested", struct{ C Config }{cfg})
		fromJSON, err := json.Marshal(map[string]any{"a": cfg, "b": &cfg})
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%v %+v %#v %s %q %d %x %T", cfg, cfg, cfg, cfg, cfg, cfg, cfg, cfg) +
			fmt.Sprintf("%v %+v %#v %s %d", &cfg, &cfg, &cfg, &cfg, &cfg) +
			fmt.Sprintf("%v %+v %#v", struct{ C Config }{cfg}, struct{ C *Config }{&cfg}, []Config{cfg}) + log.String() + string(fromJSON)
		if leaks(text) {
			t.Errorf("a secret is shown: %s", text)
		}
		if !strings.Contains(text, "acct") && !strings.Contains(text, "unreadable") && !strings.Contains(text, "***") {
			t.Errorf("the account is not shown: %s", text)
		}
	}
}
