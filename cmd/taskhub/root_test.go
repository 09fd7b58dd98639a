package main

import (
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
		{"hub list -o xml", `--output "xml": give table or json`},
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
		{[]string{"__complete", "h"}, "help\tExplain a command\nhub\t"},
		{[]string{"__complete", "hub", ""}, "create\tCreate a task hub\ndelete\t"},
		{[]string{"__complete", "hub", "list", "-o", ""}, "table\njson\n:4\n"},
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
	visit(newRoot(world{}))
}
