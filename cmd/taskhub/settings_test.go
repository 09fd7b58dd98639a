package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// project makes a directory with the files of a project of Azure Functions; an empty text stands for no file.
func project(t *testing.T, host, local string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{hostFile: host, localFile: local} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		host, local string
		env         map[string]string
		args        []string
		conn        string // or the account's name
		source      string
		hub, prefix string
	}{
		"the variable": {"", "", map[string]string{"AzureWebJobsStorage": " A "}, nil, "A", "AzureWebJobsStorage", "TaskHub", ""},
		"local settings": {
			"", "\xef\xbb\xbf" + `{ // of a developer
				"IsEncrypted": false, /* no */ "Values": {"AzureWebJobsStorage": "B", "FUNCTIONS_WORKER_RUNTIME": "node", "n": 1,},
			}`, nil, nil, "B", "local.settings.json, AzureWebJobsStorage", "TaskHub", "",
		},
		"the variable beats the file": {"", `{"Values":{"AzureWebJobsStorage":"B"}}`, map[string]string{"AzureWebJobsStorage": "A"}, nil, "A", "AzureWebJobsStorage", "TaskHub", ""},
		"the flag beats all":          {`{"extensions":{"durableTask":{"hubName":"Shop"}}}`, `{"Values":{"AzureWebJobsStorage":"B"}}`, map[string]string{"AzureWebJobsStorage": "A"}, []string{"--conn", "C", "--hub", "Mine"}, "C", "--conn", "Mine", ""},
		"hub of host.json":            {`{"version":"2.0","extensions":{"durableTask":{"hubName":"Shop","storageProvider":{"trackingStoreNamePrefix":"Track"}}}}`, "", map[string]string{"AzureWebJobsStorage": "A"}, nil, "A", "AzureWebJobsStorage", "Shop", "Track"},
		"hub of a setting":            {`{"extensions":{"durableTask":{"hubName":"%MyHub%"}}}`, `{"Values":{"MyHub":"Shop"}}`, map[string]string{"AzureWebJobsStorage": "A"}, nil, "A", "AzureWebJobsStorage", "Shop", ""},
		"hub of a variable":           {`{"extensions":{"durableTask":{"hubName":"Shop"}}}`, "", map[string]string{"AzureWebJobsStorage": "A", "AzureFunctionsJobHost__extensions__durableTask__hubName": "Other"}, nil, "A", "AzureWebJobsStorage", "Other", ""},
		"connection of host.json":     {`{"extensions":{"durableTask":{"storageProvider":{"connectionName":"Durable"}}}}`, `{"Values":{"Durable":"D","AzureWebJobsStorage":"B"}}`, nil, nil, "D", "local.settings.json, Durable", "TaskHub", ""},
		"messages in Base64":          {`{"extensions":{"durableTask":{"storageProvider":{"queueClientMessageEncoding":"Base64"}}}}`, "", map[string]string{"AzureWebJobsStorage": "A"}, nil, "A", "AzureWebJobsStorage", "TaskHub", ""},
		"messages in Base64, flag":    {"", "", map[string]string{"AzureWebJobsStorage": "A"}, []string{"--queue-encoding", "base64", "--hub", "Mine"}, "A", "AzureWebJobsStorage", "Mine", ""},
		"older spelling":              {`{"extensions":{"durableTask":{"storageProvider":{"connectionStringName":"Durable"}}}}`, "", map[string]string{"Durable": "D"}, nil, "D", "Durable", "TaskHub", ""},
		"short name":                  {"", "", map[string]string{"AzureWebJobsStorage": "A"}, []string{"--connection", "Storage"}, "A", "AzureWebJobsStorage", "TaskHub", ""},
		"connection strings":          {"", `{"ConnectionStrings":{"Durable":"D"}}`, nil, []string{"--connection", "Durable"}, "D", "local.settings.json, ConnectionStrings:Durable", "TaskHub", ""},
		"an account":                  {"", "", map[string]string{"AzureWebJobsStorage__accountName": "shop"}, nil, "shop", "AzureWebJobsStorage__accountName", "TaskHub", ""},
		"a managed identity":          {"", `{"Values":{"AzureWebJobsStorage__accountName":"shop","AzureWebJobsStorage__credential":"ManagedIdentity","AzureWebJobsStorage__clientId":"one"}}`, nil, nil, "shop", "local.settings.json, AzureWebJobsStorage__accountName", "TaskHub", ""},
		"a service principal":         {"", "", map[string]string{"D__tenantId": "t", "D__clientId": "c", "D__clientSecret": "s", "D__accountName": "shop"}, []string{"--connection", "D"}, "shop", "D__accountName", "TaskHub", ""},
		"the account's flag":          {"", "", map[string]string{"AzureWebJobsStorage": "A"}, []string{"--account", "shop", "--endpoint-suffix", "core.chinacloudapi.cn"}, "shop", "--account", "TaskHub", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := console{env: test.env, dir: project(t, test.host, test.local)}.world(nil, nil)
			cmd := &cobra.Command{}
			target := addTarget(cmd, w)
			if err := cmd.ParseFlags(test.args); err != nil {
				t.Fatal(err)
			}
			hub, err := target.hubConfig(cmd)
			if err != nil || hub.Name != test.hub || hub.TrackingPrefix != test.prefix {
				t.Errorf("hub %q, tables %q, %v", hub.Name, hub.TrackingPrefix, err)
			}
			if want := strings.Contains(test.host, "Base64") || strings.Contains(strings.Join(test.args, " "), "base64"); hub.Base64Queues != want {
				t.Errorf("Base64 %v", hub.Base64Queues)
			}
			cfg, source, err := target.config(cmd)
			if err != nil {
				t.Fatal(err)
			}
			if got := cfg.ConnectionString + cfg.AccountName; got != test.conn || source != test.source {
				t.Errorf("%q from %q", got, source)
			}
			if (cfg.AccountName != "") != (cfg.Credential != nil) {
				t.Errorf("credential %v", cfg.Credential)
			}
		})
	}
}

func TestSettingsErrors(t *testing.T) {
	t.Parallel()
	const conn = "UseDevelopmentStorage=true"
	for name, test := range map[string]struct {
		host, local string
		env         map[string]string
		args        string
		want        []string
	}{
		"nothing":                {"", "", nil, "list", []string{"no storage account is given", "--conn", "AzureWebJobsStorage"}},
		"faulty host.json":       {`{"extensions":`, "", nil, "list --conn " + conn, []string{"host.json cannot be understood"}},
		"faulty settings":        {"", `{]`, nil, "list", []string{"local.settings.json cannot be understood"}},
		"encrypted":              {"", `{"IsEncrypted":true,"Values":{"AzureWebJobsStorage":"x"}}`, nil, "list", []string{"local.settings.json is encrypted", "func settings decrypt"}},
		"another provider":       {`{"extensions":{"durableTask":{"storageProvider":{"type":"mssql"}}}}`, "", nil, "list", []string{"host.json", `"mssql"`}},
		"no such setting":        {`{"extensions":{"durableTask":{"storageProvider":{"connectionName":"Durable"}}}}`, "", map[string]string{"AzureWebJobsStorage": conn}, "list", []string{`host.json names the setting "Durable"`, "there is none"}},
		"no setting of a flag":   {"", "", nil, "list --connection Durable", []string{`--connection names the setting "Durable"`}},
		"faulty setting":         {"", `{"Values":{"AzureWebJobsStorage":"Nonsense"}}`, nil, "list", []string{"local.settings.json, AzureWebJobsStorage: storage connection string"}},
		"bad hub in host.json":   {`{"extensions":{"durableTask":{"hubName":"my-hub"}}}`, "", nil, "list --conn " + conn, []string{"host.json", `"my-hub" cannot be used`}},
		"bad hub":                {"", "", nil, "list --hub my-hub --conn " + conn, []string{"--hub", `"my-hub" cannot be used`}},
		"empty hub":              {"", "", nil, "list --hub= --conn " + conn, []string{"--hub is empty"}},
		"bad prefix":             {"", "", nil, "list --tracking-prefix a-b --conn " + conn, []string{"--tracking-prefix"}},
		"empty tracking account": {"", "", nil, "list --tracking-conn= --conn " + conn, []string{"--tracking-conn is empty"}},
		"bad tracking account":   {"", "", nil, "list --tracking-conn Nonsense --conn " + conn, []string{"--tracking-conn: storage connection string"}},
		"two accounts":           {"", "", nil, "list --account shop --conn " + conn, []string{"--conn and --account are both given"}},
		"two connections":        {"", "", nil, "hub list --connection X --conn " + conn, []string{"--conn and --connection are both given"}},
		"empty account":          {"", "", nil, "list --account=", []string{"--account is empty"}},
		"odd account":            {"", "", nil, "list --account a/b", []string{"--account", "AccountName"}},
		"suffix alone":           {"", "", nil, "list --endpoint-suffix core.windows.net --conn " + conn, []string{"--endpoint-suffix belongs to --account"}},
		"unknown credential":     {"", "", map[string]string{"AzureWebJobsStorage__accountName": "shop", "AzureWebJobsStorage__credential": "magic"}, "list", []string{"AzureWebJobsStorage__credential", `"magic"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := console{env: test.env, dir: project(t, test.host, test.local)}
			c.do(t, strings.Fields(test.args)...).wantError(t, exitUsage, test.want...)
		})
	}
}
