package check

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// directives are those of a service that the unit may use, by section.
var directives = map[string]string{
	"Unit": "Description Documentation Wants After StartLimitIntervalSec",
	"Service": `Type ExecStart Environment EnvironmentFile Restart RestartSec KillSignal KillMode TimeoutStopSec MemoryMax LimitNOFILE DynamicUser UMask
		CapabilityBoundingSet AmbientCapabilities NoNewPrivileges ProtectSystem ProtectHome PrivateTmp PrivateDevices PrivateUsers ProtectClock ProtectControlGroups
		ProtectHostname ProtectKernelLogs ProtectKernelModules ProtectKernelTunables ProtectProc ProcSubset RemoveIPC RestrictAddressFamilies RestrictNamespaces
		RestrictRealtime RestrictSUIDSGID LockPersonality MemoryDenyWriteExecute SystemCallArchitectures SystemCallFilter SystemCallErrorNumber`,
	"Install": "WantedBy",
}

// setting is a line of a unit.
type setting struct{ section, name, value string }

// parseUnit reads a unit of the form that this one has, without continued lines, and refuses what is not on the list.
func parseUnit(text []byte) (settings []setting, err error) {
	section := ""
	scanner := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; scanner.Scan(); n++ {
		line := scanner.Text()
		switch name, value, ok := strings.Cut(line, "="); {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
			if directives[section] == "" {
				return nil, fmt.Errorf("line %d: a unit of a service has no section %q", n, section)
			}
		case !ok:
			return nil, fmt.Errorf("line %d is %q, want NAME=VALUE", n, line)
		case !strings.Contains(" "+strings.Join(strings.Fields(directives[section]), " ")+" ", " "+name+" "):
			return nil, fmt.Errorf("line %d: there is no directive %q in [%s]", n, name, section)
		default:
			settings = append(settings, setting{section, name, value})
		}
	}
	return settings, scanner.Err()
}

func unit(t testing.TB) []byte { return read(t, "systemd", "taskhub-worker.service") }

func TestUnit(t *testing.T) {
	t.Parallel()
	settings, err := parseUnit(unit(t))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, s := range settings {
		values[s.name] = s.value
	}
	for name, want := range map[string]string{
		"DynamicUser": "yes", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "CapabilityBoundingSet": "", "Restart": "always", "KillSignal": "SIGTERM",
		"EnvironmentFile": "/etc/taskhub/worker.env",
	} {
		if value, ok := values[name]; !ok || value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
	if seconds, err := strconv.Atoi(values["TimeoutStopSec"]); err != nil || seconds <= drain+10 {
		t.Errorf("TimeoutStopSec is %q, want more than the drain of %d seconds", values["TimeoutStopSec"], drain)
	}
}

// TestEnvironmentFile: the file beside the unit is one that systemd reads, with settings that the program reads.
func TestEnvironmentFile(t *testing.T) {
	t.Parallel()
	var found []variable
	for line := range strings.Lines(string(read(t, "systemd", "taskhub-worker.env"))) {
		line = strings.TrimSpace(line)
		comment, isComment := strings.CutPrefix(line, "#")
		name, value, ok := strings.Cut(line, "=")
		switch {
		case line == "" || strings.HasPrefix(comment, " "):
		case isComment: // an alternative
			if name, _, _ := strings.Cut(comment, "="); !known[name] {
				t.Errorf("nobody reads the variable %s", name)
			}
		case !ok:
			t.Errorf("%q is no setting", line)
		case name == "TASKHUB_LISTEN":
			if value != "127.0.0.1:8080" {
				t.Errorf("probes are answered at %s", value)
			}
		default:
			found = append(found, variable{name, value})
		}
	}
	checkEnvironment(t, "ManagedIdentityCredential", found)
}

// analyze lets systemd read a unit, in which the program is one that this machine has. What it complains of is an error; it ends with 0 all the same.
func analyze(t testing.TB, text []byte, verb ...string) error {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze, which is part of systemd; the unit is checked against a list of directives only")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "taskhub-worker.service")
	if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte("/usr/local/bin/taskhub-worker"), []byte(self)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tool, append(verb, file)...).CombinedOutput()
	if complaints := strings.TrimSpace(string(out)); err != nil || (verb[0] == "verify" && complaints != "") {
		return fmt.Errorf("systemd-analyze %s: %w: %s", verb[0], err, complaints)
	}
	return nil
}

func TestUnitBySystemd(t *testing.T) {
	t.Parallel()
	if err := analyze(t, unit(t), "verify", "--man=no"); err != nil {
		t.Error(err)
	}
}

// TestUnitIsConfined: of what systemd counts as exposure, 0 to 10, little is left.
func TestUnitIsConfined(t *testing.T) {
	t.Parallel()
	if err := analyze(t, unit(t), "security", "--offline=true", "--threshold=20"); err != nil { // tenths
		t.Error(err)
	}
}

// TestMistypedUnit: what is mistyped is noticed, the names by the list, and by systemd the values as well.
func TestMistypedUnit(t *testing.T) {
	t.Parallel()
	for from, to := range map[string]string{"TimeoutStopSec": "TimeoutStop", "[Install]": "[Instal]", "Restart=always": "Restart always"} {
		text := change(t, unit(t), from, to)
		if _, err := parseUnit(text); err == nil {
			t.Errorf("%s instead of %s: no error", to, from)
		}
		if err := analyze(t, text, "verify", "--man=no"); err == nil {
			t.Errorf("%s instead of %s: no complaint of systemd", to, from)
		}
	}
	for from, to := range map[string]string{"ProtectSystem=strict": "ProtectSystem=strictly", "TimeoutStopSec=60": "TimeoutStopSec=soon", "KillMode=mixed": "KillMode=kind"} {
		if err := analyze(t, change(t, unit(t), from, to), "verify", "--man=no"); err == nil {
			t.Errorf("%s instead of %s: no complaint of systemd", to, from)
		}
	}
}
