package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/taskhub"
)

// doctorOptions are the flags of doctor.
type doctorOptions struct {
	fix    bool
	yes    *bool
	settle duration
	output *choice
}

func newDoctor(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find, explain and repair what is wrong with a hub",
		Long: `Find and explain what is wrong with a hub: queues that nobody reads, messages that cannot be understood or are for nobody, dead
letters, status rows that do not fit their histories, lost starts, histories and large values that belong to no instance, and
instances whose open actions nobody is going to carry out.

It looks twice, and what workers are busy with between the two looks is not wrong: workers may go on, and a healthy hub stays as
it is. With --fix it repairs what it can, after it has shown what it is going to do and was told to go on.

Exit status: 0 when nothing is wrong, or all was repaired; 1 otherwise.`,
		Example: `  taskhub doctor
  taskhub doctor --fix
  taskhub doctor --fix --yes -o json`,
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	t := addTarget(cmd, w)
	o := doctorOptions{yes: addYes(cmd)}
	cmd.Flags().BoolVar(&o.fix, "fix", false, "repair what can be repaired")
	cmd.Flags().Var(&o.settle, "settle", "how long what looks wrong is watched before it is taken to be wrong (default: 30s)")
	o.output = addOutput(cmd, formatText)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.fix && !*o.yes && !w.person() {
			return usage(errors.New("--fix asks before it repairs, and there is no terminal to ask on; to repair without being asked add --yes"))
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			if err := requireHub(ctx, hub); err != nil {
				return err
			}
			return o.examine(ctx, w, hub)
		})
	}
	return cmd
}

// findingJSON is a finding as -o json shows it.
type findingJSON struct {
	Kind       string `json:"kind"`
	Where      string `json:"where"`
	InstanceID string `json:"instanceId"`
	What       string `json:"what"`
	Repair     string `json:"repair"`
	Advice     string `json:"advice"`
	Repaired   bool   `json:"repaired"`
	Error      string `json:"error,omitempty"` // why it could not be repaired
}

var errFindings = withStatus(exitFailure, errors.New("the hub needs attention"))

func (o *doctorOptions) examine(ctx context.Context, w world, hub *taskhub.Hub) error {
	findings, err := hub.Examine(ctx, taskhub.ExamineOptions{Settle: o.settle.value, Suspected: func(n int, wait time.Duration) {
		if w.person() {
			fmt.Fprintf(w.err, "%s may be wrong; looking again in %v …\n", plural(n, "thing"), wait)
		}
	}})
	if err != nil {
		return err
	}
	if o.output.value == formatText {
		if _, err := fmt.Fprint(w.out, describeFindings(hub.Name(), findings)); err != nil {
			return err
		}
	}
	results := make([]findingJSON, len(findings))
	for i, f := range findings {
		results[i] = findingJSON{Kind: string(f.Kind), Where: f.Where, InstanceID: f.InstanceID, What: f.What, Repair: f.Repair, Advice: f.Advice}
	}
	repaired, err := o.repair(ctx, w, hub, findings, results)
	if o.output.value == formatJSON {
		err = errors.Join(err, writeJSON(w.out, results))
	}
	if err == nil && repaired < len(findings) {
		err = errFindings
	}
	return err
}

func describeFindings(hub string, findings []*taskhub.Finding) string {
	if len(findings) == 0 {
		return fmt.Sprintf("Nothing is wrong with hub %q.\n", hub)
	}
	var text strings.Builder
	for i, f := range findings {
		where := f.Where
		if f.InstanceID != "" {
			where += ", instance " + strconv.Quote(shorten(f.InstanceID, longestReason))
		}
		fmt.Fprintf(&text, "%d. %s in %s\n   %s.\n", i+1, f.Kind, clean(where), clean(f.What))
		if f.Repair != "" {
			fmt.Fprintf(&text, "   --fix would %s.\n", clean(f.Repair))
		} else {
			fmt.Fprintf(&text, "   To do: %s.\n", clean(f.Advice))
		}
	}
	return text.String()
}

// repair repairs what can be, when that is asked for, and says how much it was.
func (o *doctorOptions) repair(ctx context.Context, w world, hub *taskhub.Hub, findings []*taskhub.Finding, results []findingJSON) (repaired int, err error) {
	able := 0
	for _, f := range findings {
		if f.Repair != "" {
			able++
		}
	}
	if !o.fix || able == 0 {
		return 0, nil
	}
	if err := confirm(ctx, w, *o.yes, fmt.Sprintf("This will repair %s of hub %q. Go on", plural(able, "finding"), hub.Name())); err != nil {
		return 0, err
	}
	for i, f := range findings {
		if f.Repair == "" {
			continue
		}
		err := hub.Repair(ctx, f)
		if ctx.Err() != nil {
			return repaired, ctx.Err()
		}
		if err != nil {
			results[i].Error = err.Error()
			fmt.Fprintf(w.err, "taskhub: %s\n", oneLine(redact(err.Error())))
			continue
		}
		results[i].Repaired = true
		repaired++
	}
	if o.output.value == formatText {
		_, err = fmt.Fprintf(w.out, "%s of %d repaired.\n", plural(repaired, "finding"), len(findings))
	}
	return repaired, err
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
