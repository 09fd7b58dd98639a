package check

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	_ "github.com/kedacore/keda/v2/version" // keeps KEDA's module, whose files are read, in go.mod

	"github.com/go-taskhub/taskhub/internal/layout"
)

// deployed is what all files describe: a hub, how long its workers drain, and where they answer probes.
const (
	hub        = "Orders"
	partitions = layout.DefaultPartitions
	account    = "mystorageaccount"
	drain      = 30 // seconds: samples/service says so
	healthPort = 8080
	program    = "./samples/service"
)

func read(t testing.TB, elems ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{".."}, elems...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// document is one of the documents of a YAML file.
type document struct {
	kind string
	text []byte
}

// documents splits a file and tells the kinds of what is in it.
func documents(t testing.TB, file []byte) (found []document) {
	t.Helper()
	for text := range bytes.SplitSeq(file, []byte("\n---\n")) {
		var head struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		}
		if err := yaml.Unmarshal(text, &head); err != nil {
			t.Fatal(err)
		}
		found = append(found, document{head.APIVersion + " " + head.Kind, text})
	}
	return found
}

// one returns the only document of a kind.
func one(t testing.TB, file []byte, kind string) []byte {
	t.Helper()
	var found [][]byte
	for _, d := range documents(t, file) {
		if d.kind == kind {
			found = append(found, d.text)
		}
	}
	if len(found) != 1 {
		t.Fatalf("there are %d documents %q, want one", len(found), kind)
	}
	return found[0]
}

// change replaces a text that occurs once.
func change(t testing.TB, file []byte, from, to string) []byte {
	t.Helper()
	if n := strings.Count(string(file), from); n != 1 {
		t.Fatalf("%q occurs %d times, want once", from, n)
	}
	return bytes.Replace(file, []byte(from), []byte(to), 1)
}

// names are those of the hub's parts.
func names(t testing.TB) layout.Names {
	t.Helper()
	n, err := layout.NewNames(hub)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// trigger is what a scaler is told about one queue.
type trigger struct{ name, account, queue, length, strategy string }

// checkTriggers wants one trigger for each queue of the hub: control queues without their hidden messages, which are timers, and the work items with
// them, which are activities that run.
func checkTriggers(t testing.TB, found []trigger) {
	t.Helper()
	var want []trigger
	for i := range partitions {
		queue := names(t).ControlQueue(i)
		want = append(want, trigger{strings.TrimPrefix(queue, strings.ToLower(hub)+"-"), account, queue, "500", "visibleonly"})
	}
	want = append(want, trigger{"workitems", account, names(t).WorkItemQueue(), "100", "all"})
	if len(found) != len(want) {
		t.Errorf("there are %d triggers, want %d", len(found), len(want))
	}
	for i := range min(len(found), len(want)) {
		if found[i] != want[i] {
			t.Errorf("trigger %d is %+v, want %+v", i, found[i], want[i])
		}
	}
}

// variable is a setting of the worker's environment.
type variable struct{ name, value string }

// checkEnvironment wants the settings that samples/service reads, and a credential of which there is only one.
func checkEnvironment(t testing.TB, credential string, found []variable) {
	t.Helper()
	values := map[string]string{}
	for _, v := range found {
		if _, ok := values[v.name]; ok {
			t.Errorf("the variable %s is set twice", v.name)
		}
		values[v.name] = v.value
	}
	for name, want := range map[string]string{
		"AzureWebJobsStorage__accountName": account, "TASKHUB_HUB": hub, "TASKHUB_LOG": "info", "AZURE_TOKEN_CREDENTIALS": credential,
	} {
		if values[name] != want {
			t.Errorf("the variable %s is %q, want %q", name, values[name], want)
		}
	}
	for name := range values {
		if !known[name] {
			t.Errorf("nobody reads the variable %s", name)
		}
	}
}

// known are the variables that the program, azidentity or Go read.
var known = map[string]bool{
	"AzureWebJobsStorage": true, "AzureWebJobsStorage__accountName": true, "TASKHUB_ENDPOINT_SUFFIX": true, "TASKHUB_HUB": true, "TASKHUB_LISTEN": true,
	"TASKHUB_LOG": true, "AZURE_TOKEN_CREDENTIALS": true, "AZURE_CLIENT_ID": true, "GOMEMLIMIT": true,
}

// TestVariables compares the list with the program: what it reads is on the list, and what the list says is read.
func TestVariables(t *testing.T) {
	t.Parallel()
	source := string(read(t, "..", "samples", "service", "main.go"))
	for name := range known {
		if strings.HasPrefix(name, "AZURE_") || name == "GOMEMLIMIT" {
			continue
		}
		if !strings.Contains(source, `getenv("`+name+`")`) {
			t.Errorf("samples/service does not read %s", name)
		}
	}
	if n := strings.Count(source, `getenv("`); n != len(known)-3 {
		t.Errorf("samples/service reads %d variables, the list has %d", n, len(known)-3)
	}
	if !strings.Contains(string(read(t, "..", "samples", "service", "serve.go")), "drain = 30 * time.Second") {
		t.Errorf("samples/service does not drain for %d seconds any more: change the grace periods", drain)
	}
}
