package storage

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
)

// Names of the settings of a connection string, as the .NET SDK writes them.
const (
	settingDevelopment   = "UseDevelopmentStorage"
	settingProxy         = "DevelopmentStorageProxyUri"
	settingProtocol      = "DefaultEndpointsProtocol"
	settingAccountName   = "AccountName"
	settingAccountKey    = "AccountKey"
	settingKeyName       = "AccountKeyName"
	settingSAS           = "SharedAccessSignature"
	settingSuffix        = "EndpointSuffix"
	settingBlobEndpoint  = "BlobEndpoint"
	settingQueueEndpoint = "QueueEndpoint"
	settingTableEndpoint = "TableEndpoint"
)

// Accepted because .NET accepts them; nothing here uses them.
const (
	settingFileEndpoint   = "FileEndpoint"
	settingBlobSecondary  = "BlobSecondaryEndpoint"
	settingQueueSecondary = "QueueSecondaryEndpoint"
	settingTableSecondary = "TableSecondaryEndpoint"
	settingFileSecondary  = "FileSecondaryEndpoint"
)

// embeddedPrefix marks the connection strings of the embedded storage.
const embeddedPrefix = "embedded:"

// The emulators' account and its published key, the same for everybody: it protects nothing.
const (
	developmentAccount = "devstoreaccount1"
	developmentKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// ConnectionStringError says what is wrong with a connection string. It never contains a setting's value.
type ConnectionStringError struct {
	Setting string // the setting it is about, as .NET spells it; empty when it is about the whole string
	Reason  string // what is wrong
	Remedy  string // what to do
}

// Error implements error.
func (e *ConnectionStringError) Error() string {
	var b strings.Builder
	b.WriteString("storage connection string: ")
	if e.Setting != "" {
		b.WriteString(e.Setting + " ")
	}
	b.WriteString(e.Reason)
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	return b.String()
}

func faulty(setting, reason, remedy string) error {
	return &ConnectionStringError{Setting: setting, Reason: reason, Remedy: remedy}
}

const remedyCopy = "copy the whole string from the account's page Access keys in the Azure portal"

// settings maps the names of knownSettings, in their canonical spelling, to values.
type settings map[string]string

func (s settings) has(name string) bool { _, ok := s[name]; return ok }

// knownSettings maps names in lower case to their canonical spelling.
func knownSettings() map[string]string {
	known := map[string]string{}
	for _, name := range []string{
		settingDevelopment, settingProxy, settingProtocol, settingAccountName, settingAccountKey, settingKeyName, settingSAS,
		settingSuffix, settingBlobEndpoint, settingQueueEndpoint, settingTableEndpoint, settingFileEndpoint,
		settingBlobSecondary, settingQueueSecondary, settingTableSecondary, settingFileSecondary,
	} {
		known[strings.ToLower(name)] = name
	}
	return known
}

// splitSettings reads name=value pairs between semicolons. Names are matched without regard to case, values may contain
// "=", and empty pairs are skipped, all as in .NET; white space around pairs is dropped as well, so that a string that was
// folded or ends in a line break is understood.
func splitSettings(text string) (settings, error) {
	known, found := knownSettings(), settings{}
	for i, pair := range strings.Split(text, ";") {
		pair = strings.TrimSpace(pair)
		if pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, faulty("", fmt.Sprintf("part %d is not of the form name=value", i+1), hintForPart(pair))
		}
		canonical, ok := known[strings.ToLower(strings.TrimSpace(name))]
		if !ok {
			return nil, faulty("", fmt.Sprintf("part %d has %s", i+1, describeUnknown(name)), hintForPart(pair))
		}
		if found.has(canonical) {
			return nil, faulty(canonical, "is given twice", "remove one of the two")
		}
		found[canonical] = strings.TrimSpace(value)
	}
	return found, nil
}

// describeUnknown names an unknown setting unless the text could be part of a misplaced secret.
func describeUnknown(name string) string {
	const longest = 32
	name = strings.TrimSpace(name)
	letters := !strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
	if name == "" || !letters || len(name) > longest {
		return "an unknown name"
	}
	return fmt.Sprintf("the unknown name %q", name)
}

func hintForPart(pair string) string {
	switch {
	case strings.HasPrefix(pair, "http://"), strings.HasPrefix(pair, "https://"):
		return "write endpoints as BlobEndpoint=…;QueueEndpoint=…;TableEndpoint=…"
	case strings.Contains(pair, "sig="):
		return "write a shared access signature as SharedAccessSignature=…"
	}
	return remedyCopy
}

// target is an account as a connection string or a Config describes it.
type target struct {
	account   string
	endpoints endpoints
	key       string
	sas       [serviceCount]string // query strings without the question mark
	emulator  bool                 // made by UseDevelopmentStorage, or the emulators' account
}

func parseConnectionString(text string) (*target, error) {
	found, err := splitSettings(text)
	if err != nil {
		return nil, err
	}
	if found.has(settingDevelopment) || found.has(settingProxy) {
		return developmentTarget(found)
	}
	return accountTarget(found)
}

// developmentTarget is the emulator on its usual ports. As in .NET, the proxy's scheme and host are used, its port is not.
func developmentTarget(found settings) (*target, error) {
	if !strings.EqualFold(found[settingDevelopment], "true") {
		if !found.has(settingDevelopment) {
			return nil, faulty(settingProxy, "needs "+settingDevelopment+"=true beside it", "add it, or give the account's own settings")
		}
		return nil, faulty(settingDevelopment, "has another value than true", "remove it to use a real account")
	}
	for name := range found {
		if name != settingDevelopment && name != settingProxy {
			return nil, faulty(settingDevelopment, "cannot be combined with "+name, "give either the emulator or an account")
		}
	}
	scheme, host := "http", "127.0.0.1"
	if proxy := found[settingProxy]; found.has(settingProxy) {
		u, err := url.Parse(proxy)
		if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, faulty(settingProxy, "is not an absolute http or https URL", "write it like http://192.168.0.10")
		}
		scheme, host = u.Scheme, u.Hostname()
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
	}
	t := &target{account: developmentAccount, key: developmentKey, emulator: true}
	for s := range serviceCount {
		t.endpoints[s] = fmt.Sprintf("%s://%s:%d/%s", scheme, host, developmentPort+int(s), developmentAccount)
	}
	return t, nil
}

const developmentPort = 10000

func accountTarget(found settings) (*target, error) {
	t := &target{account: found[settingAccountName], key: found[settingAccountKey]}
	if err := t.takeCredential(found); err != nil {
		return nil, err
	}
	t.emulator = t.account == developmentAccount
	protocol := strings.ToLower(orDefault(found[settingProtocol], "https"))
	if protocol != "http" && protocol != "https" {
		return nil, faulty(settingProtocol, "is neither http nor https", "write "+settingProtocol+"=https")
	}
	suffix := strings.TrimPrefix(orDefault(found[settingSuffix], DefaultEndpointSuffix), ".")
	if !isHostName(suffix) {
		return nil, faulty(settingSuffix, "is not a domain name", "write it like "+DefaultEndpointSuffix)
	}
	for s, name := range endpointSettings() {
		if err := t.takeEndpoint(service(s), name, found, protocol, suffix); err != nil {
			return nil, err
		}
	}
	if t.account == "" {
		t.account = t.endpoints.accountName()
	}
	return t, nil
}

func endpointSettings() [serviceCount]string {
	return [serviceCount]string{serviceBlob: settingBlobEndpoint, serviceQueue: settingQueueEndpoint, serviceTable: settingTableEndpoint}
}

func (t *target) takeCredential(found settings) error {
	sas := strings.TrimPrefix(found[settingSAS], "?")
	switch {
	case found.has(settingAccountName) && !isAccountName(t.account):
		return faulty(settingAccountName, "is empty or contains other characters than letters, digits and hyphens", remedyCopy)
	case found.has(settingAccountKey) && found.has(settingSAS):
		return faulty(settingSAS, "and "+settingAccountKey+" are both given", "keep one of the two")
	case found.has(settingAccountKey) && t.account == "":
		return faulty(settingAccountName, "is missing beside "+settingAccountKey, remedyCopy)
	case found.has(settingAccountKey):
		if raw, err := base64.StdEncoding.DecodeString(t.key); err != nil || len(raw) == 0 {
			return faulty(settingAccountKey, "is not the base64 text of a key", remedyCopy)
		}
	case found.has(settingSAS):
		if err := checkSAS(settingSAS, sas); err != nil {
			return err
		}
		t.sas = [serviceCount]string{sas, sas, sas}
	}
	return nil
}

func (t *target) takeEndpoint(s service, name string, found settings, protocol, suffix string) error {
	if !found.has(name) {
		if t.account == "" {
			return faulty(name, "is missing, and there is no "+settingAccountName+" to derive it from", "add one of them")
		}
		if t.emulator && !found.has(settingSuffix) {
			return faulty(name, "is missing for the emulator's account "+developmentAccount, "add it, or write UseDevelopmentStorage=true")
		}
		t.endpoints[s] = deriveEndpoint(protocol, t.account, s, suffix)
		return nil
	}
	endpoint, query, reason := parseEndpoint(found[name])
	if reason != "" {
		return faulty(name, reason, "write it like https://account."+s.String()+"."+DefaultEndpointSuffix)
	}
	t.endpoints[s] = endpoint
	if query == "" {
		return nil
	}
	if t.key != "" || t.sas[s] != "" {
		return faulty(name, "has a query beside another credential", "remove everything from the question mark on")
	}
	t.sas[s] = query
	return checkSAS(name, query)
}

// checkSAS finds the mistakes that a look at a signature's parameters shows.
func checkSAS(setting, sas string) error {
	query, err := url.ParseQuery(sas)
	if err != nil || query.Get("sig") == "" {
		return faulty(setting, "is not a shared access signature: it has no sig", "generate one in the Azure portal under Shared access signature and copy all of it")
	}
	for _, c := range []struct {
		parameter, needed, remedy string
	}{
		{"ss", "bqt", "allow the services blob, queue and table when generating it"},
		{"srt", "sco", "allow the resource types service, container and object when generating it"},
	} {
		for _, letter := range c.needed {
			if query.Has(c.parameter) && !strings.ContainsRune(query.Get(c.parameter), letter) {
				return faulty(setting, fmt.Sprintf("does not cover everything a task hub needs: %s lacks %q", c.parameter, letter), c.remedy)
			}
		}
	}
	return nil
}

// harmless hides a value that is none of what a connection string has outside of its secrets: a semicolon may be missing, and
// the secret be part of it.
func harmless(value string) string {
	const longest = 200
	if len(value) > longest || strings.ContainsAny(value, " \t\r\n=&+") {
		return "(unreadable)"
	}
	return value
}

// RedactConnectionString returns the connection string with its secrets replaced, for messages and logs. Of a string
// that cannot be understood nothing is shown.
func RedactConnectionString(text string) string {
	if strings.HasPrefix(text, embeddedPrefix) {
		return text
	}
	found, err := splitSettings(text)
	if err != nil {
		return "(unreadable connection string)"
	}
	var parts []string
	for _, name := range []string{
		settingDevelopment, settingProxy, settingProtocol, settingAccountName, settingSuffix,
		settingBlobEndpoint, settingQueueEndpoint, settingTableEndpoint,
	} {
		if found.has(name) {
			parts = append(parts, name+"="+harmless(redactURL(found[name])))
		}
	}
	for _, name := range []string{settingAccountKey, settingSAS} {
		if found.has(name) {
			parts = append(parts, name+"=***")
		}
	}
	return strings.Join(parts, ";")
}
