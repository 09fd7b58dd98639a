package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args string
		want string
	}{
		{"hbu", `unknown command "hbu"; did you mean "taskhub hub"; see "taskhub --help"`},
		{"nonsense", `unknown command "nonsense"; see "taskhub --help"`},
		{"hub lst", `unknown command "lst"; did you mean "taskhub hub list"; see "taskhub hub --help"`},
		{"help nonsense", `unknown command "nonsense"`},
		{"help hub nonsense", `unknown command "hub nonsense"`},
		{"completion nonsense", `unknown command "nonsense"; see "taskhub completion --help"`},
		{"completion bash extra", `"extra"`},
		{"--nonsense", "unknown flag: --nonsense"},
		{"hub list --nonsense", `unknown flag: --nonsense; see "taskhub hub list --help"`},
		{"hub list -x", "'x'"},
		{"hub list -o", "'o'"},
		{"hub list extra", `unexpected argument "extra"`},
		{"hub list -o xml", `--output "xml": give table, wide or json`},
		{"version -o table", `--output "table": give text or json`},
		{"version extra", `"extra"`},
		{"hub create", "NAME is missing"},
		{"hub create One Two", `unexpected argument "Two"`},
		{"hub create my-hub", `"my-hub" cannot be used`},
		{"hub create Hub --partitions 0", "--partitions is 0; give 1 to 16"},
		{"hub create Hub --partitions 17", "--partitions is 17"},
		{"hub create Hub --partitions many", `--partitions "many": invalid syntax`},
		{"hub create Hub --mode Safe", `--mode "Safe": give safe, legacy or table`},
		{"hub delete", "NAME is missing"},
		{"hub delete my-hub --yes", `"my-hub" cannot be used`},
		{"hub delete Hub", "--yes"},
		{"dev extra", `unexpected argument "extra"`},
		{"dev --dir=", "--dir is empty"},
		{"dev --host=", "--host is empty"},
		{"dev --blob-port -1", "--blob-port is -1"},
		{"dev --table-port 65536", "--table-port is 65536; give a port up to 65535"},
		{"dev --table-port 10001", "--queue-port and --table-port are both 10001"},
		{"dev --conn embedded:", "unknown flag: --conn"},
		{"hub show", "NAME is missing"},
		{"hub show my-hub", `"my-hub" cannot be used`},
		{"start", "NAME is missing: give it, or --name"},
		{"start --name=", "--name is empty"},
		{"start A B", `unexpected argument "B"`},
		{"start A --name B", `unexpected argument "A"`},
		{"start A --id=", "--id is empty"},
		{"start A --input Tokyo", "--input is not JSON"},
		{"start A --input @/nowhere/at/all", `--input: file "/nowhere/at/all" cannot be read`},
		{"start A --tag x", `--tag "x": give a tag as KEY=VALUE`},
		{"start A --tag x=1 --tag x=2", `tag "x" is given twice`},
		{"start A --at tomorrow", `--at "tomorrow": give a time`},
		{"start A --if-exists maybe", "give fail, return, replace or terminate"},
		{"start A --timeout 5s", "--timeout belongs to --wait"},
		{"start A --wait --timeout 0s", "--timeout is 0"},
		{"start A --wait --timeout soon", `--timeout "soon": give a length of time`},
		{"start A --wait --timeout -5s", `--timeout "-5s"`},
		{"get", "ID is missing: give it, or --id"},
		{"get --id=", "--id is empty"},
		{"get a --id b", `unexpected argument "a"`},
		{"get a b", `unexpected argument "b"`},
		{"get a -o yaml", "give table, wide or json"},
		{"get a --interval 5s", "--interval belongs to --watch"},
		{"get a --watch --interval 1ms", "--interval is too short"},
		{"list extra", `unexpected argument "extra"`},
		{"list --status Running,Odd", `--status "Running,Odd": give some of Running, Pending`},
		{"list --status=", `--status`},
		{"list --since yesterday", `--created-after "yesterday": give a time`},
		{"list --since 1h --until 2h", "--created-before"},
		{"list --limit 0", "--limit is 0"},
		{"list --limit -1", "--limit is -1"},
		{"list --token=", "--token is empty"},
		{"list --prefix=", "--prefix is empty"},
		{"list --name=", "--name is empty"},
		{"list --tag x", `--tag "x"`},
		{"list --watch --token x", "--watch and --token"},
		{"wait", "ID is missing"},
		{"wait a --wait", "unknown flag: --wait"},
		{"wait a --timeout 0", "--timeout is 0"},
		{"history", "ID is missing"},
		{"raise", "ID is missing"},
		{"raise a", "EVENT is missing: give it, or --event"},
		{"raise a b c", `unexpected argument "c"`},
		{"raise a b --data {", "--data is not JSON"},
		{"raise a --event=", "--event is empty"},
		{"terminate", "ID is missing"},
		{"suspend", "ID is missing"},
		{"resume", "ID is missing"},
		{"rewind", "ID is missing"},
		{"restart", "ID is missing"},
		{"restart a --same-id --new-id b", "--new-id and --same-id are both given"},
		{"restart a --new-id=", "--new-id is empty"},
		{"purge", "ID is missing"},
		{"purge-history", "nothing says which instances are meant"},
		{"purge-history --all --prefix x", "--all is given beside conditions"},
		{"purge-history --status Running", `--status "Running": give some of Completed, Failed, Terminated, Canceled`},
		{"stats extra", `unexpected argument "extra"`},
		{"stats --status Odd", `--status "Odd"`},
		{"health --url nowhere", `--url: "nowhere" is not an address`},
		{"health --url ftp://host/", "--url"},
		{"health --url http://host/ --idle-ok", "--url and --idle-ok"},
		{"export --resume", "--resume belongs to --file"},
		{"export --overwrite", "--overwrite belongs to --file"},
		{"export -o json", "--output belongs to --file"},
		{"export --file x --resume --overwrite", "--resume and --overwrite"},
		{"export --file=", "--file is empty"},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			do(t, strings.Fields(test.args)...).wantError(t, exitUsage, test.want)
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, want string }{
		{"", "taskhub [command]"},
		{"--help", "taskhub [command]"},
		{"help", "taskhub [command]"},
		{"hub", "taskhub hub [command]"},
		{"help hub", "taskhub hub [command]"},
		{"help hub create", "--partitions number"},
		{"help start", "taskhub start NAME [flags]"},
		{"list --help", "--created-after time"},
		{"hub create --help", "--mode safe|legacy|table"},
		{"dev -h", "--blob-port port"},
		{"completion", "taskhub completion [command]"},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			o := do(t, strings.Fields(test.args)...)
			o.wantSuccess(t)
			o.wantOut(t, test.want, "-h, --help")
			if strings.Contains(o.out, "\x1b") {
				t.Error("there are colours")
			}
		})
	}
	if o := do(t, "hub"); strings.Contains(o.out, "taskhub hub [flags]") {
		t.Errorf("a group is said to do something by itself: %s", o.out)
	}
}

// Whatever a secret is typed as, no error repeats it.
func TestSecretsAreNotRepeated(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("c2VjcmV0", 10) + "c2Vjcg==" // 64 bytes, as the keys of accounts have
	const signature = "sv=2024-11-04&ss=bqt&srt=sco&sig=c2VjcmV0%3D"
	for _, secret := range []string{
		"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=" + key + ";EndpointSuffix=core.windows.net",
		"accountname=shop;accountkey = " + key,
		"AccountName=shop;SharedAccessSignature=" + signature,
		"https://shop.blob.core.windows.net/?" + signature,
		"DefaultEndpointsProtocol=https;AccountKey=" + key,
		"https://shop:c2VjcmV0@shop.example.com/healthz",
		key,
	} {
		for _, args := range [][]string{
			{secret},
			{"hub", secret},
			{"hub", "list", secret},
			{"hub", "list", "-x" + secret},
			{"hub", "list", "-o", secret},
			{"hub", "list", "--" + secret},
			{"hub", "create", secret},
			{"hub", "create", "Hub", "--mode", secret},
			{"hub", "create", "Hub", "--partitions", secret},
			{"hub", "list", "--conn", secret + ";Nonsense=1"},
			{"help", secret},
			{"version", secret},
			{"dev", secret},
			{"dev", "--blob-port", secret},
		} {
			o := do(t, args...)
			o.wantError(t, exitUsage)
			if strings.Contains(o.err, "c2VjcmV0") {
				t.Errorf("%q: %s", args[:len(args)-1], o.err)
			}
		}
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	if got := oneLine("one\ntwo\r\n\x1b[31mthree\x00"); got != "one; two;  [31mthree " && got != "one; two;  [31mthree" {
		t.Errorf("%q", got)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		o := do(t, "completion", shell)
		o.wantSuccess(t)
		o.wantOut(t, "taskhub")
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"__complete", "h"}, "health\tShow who works"},
		{[]string{"__complete", "list", "-o", ""}, "table\nwide\njson\n:4\n"},
		{[]string{"__complete", "purge-history", "--status", ""}, "Completed\nFailed\nTerminated\nCanceled\n:4\n"},
		{[]string{"__complete", "get", ""}, ":4\n"}, // no account, no ids
		{[]string{"__complete", "hub", ""}, "create\tCreate a task hub\ndelete\t"},
		{[]string{"__complete", "hub", "list", "-o", ""}, "table\nwide\njson\n:4\n"},
		{[]string{"__complete", "hub", "create", "Hub", "--mode", ""}, "safe\nlegacy\ntable\n:4\n"},
		{[]string{"__complete", "help", "hub", "l"}, "list\tList the task hubs"},
		{[]string{"__complete", "hub", "delete", ""}, ":4\n"}, // no account, no names
	} {
		if o := do(t, test.args...); o.status != exitOK || !strings.HasPrefix(o.out, test.want) {
			t.Errorf("%q: status %d, %q", test.args, o.status, o.out)
		}
	}
}

// The documentation has every command and every flag.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if !strings.Contains(string(text), cmd.CommandPath()) {
			t.Errorf("docs/cli.md has no %q", cmd.CommandPath())
		}
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if !strings.Contains(string(text), "--"+flag.Name) {
				t.Errorf("docs/cli.md has no --%s of %q", flag.Name, cmd.CommandPath())
			}
		})
		for _, child := range cmd.Commands() {
			visit(child)
		}
	}
	visit(newRoot(console{}.world(io.Discard, io.Discard)))
}
