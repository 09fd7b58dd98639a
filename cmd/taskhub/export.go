package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/taskhub"
)

// exportOptions are the flags of export.
type exportOptions struct {
	filter    *filter
	file      string
	resume    bool
	overwrite bool
	noHistory bool
	entities  bool
	output    *choice
}

// standardOutput is what --file is for stdout.
const standardOutput = "-"

func newExport(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write instances with their histories as JSON lines",
		Long: `Write instances with their inputs, outputs and histories as JSON lines, one instance on each, in the order of their ids.
Memory use does not depend on the number of instances or on the length of their histories.

Into a file it can be resumed: beside FILE it keeps FILE.resume, which says how far it has come, until it is done. What
changes in the hub meanwhile is exported as it is when its turn comes.`,
		Example: `  taskhub export > hub.jsonl
  taskhub export --file hub.jsonl --status Failed --since 7d
  taskhub export --file hub.jsonl --resume`,
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	t := addTarget(cmd, w)
	o := exportOptions{filter: addFilter(cmd, w, allStatuses())}
	cmd.Flags().StringVar(&o.file, "file", standardOutput, "`file` to write; - is stdout")
	cmd.Flags().BoolVar(&o.resume, "resume", false, "go on where an earlier export into the same file ended")
	cmd.Flags().BoolVar(&o.overwrite, "overwrite", false, "replace the file if it is there")
	cmd.Flags().BoolVar(&o.noHistory, "no-history", false, "leave the histories out")
	cmd.Flags().BoolVar(&o.entities, "entities", false, "with entities, whose ids begin with @")
	o.output = addFormat(cmd)
	if err := cmd.MarkFlagFilename("file"); err != nil {
		panic(err) // the flag was added just now
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.check(cmd); err != nil {
			return err
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error { return o.run(ctx, w, hub) })
	}
	return cmd
}

func (o *exportOptions) check(cmd *cobra.Command) error {
	toFile := o.file != standardOutput
	switch {
	case o.file == "":
		return usage(fmt.Errorf("--file %w", errEmptyValue))
	case o.resume && !toFile:
		return usage(errors.New("--resume belongs to --file, which is missing: what went to stdout cannot be gone on with"))
	case o.overwrite && !toFile:
		return usage(errors.New("--overwrite belongs to --file, which is missing"))
	case cmd.Flags().Changed("output") && !toFile:
		return usage(errors.New("--output belongs to --file: stdout has the instances themselves"))
	}
	return firstError(oneOf(cmd, "resume", "overwrite", "give one of the two"), o.filter.check(cmd))
}

func (o *exportOptions) run(ctx context.Context, w world, hub *taskhub.Hub) (err error) {
	if err := requireHub(ctx, hub); err != nil {
		return err
	}
	x := &exporter{o: o, hub: hub, query: o.filter.query()}
	x.query.IncludeEntities, x.query.PageSize = o.entities, exportPage
	if o.file == standardOutput {
		x.out = bufio.NewWriterSize(w.out, exportBuffer)
	} else if err := x.open(); err != nil {
		return err
	}
	if err := x.close(x.watched(ctx, w)); err != nil {
		return o.interrupted(ctx, x, err)
	}
	if o.file == standardOutput {
		return nil
	}
	return o.say(w, hub, x)
}

// watched exports, and shows how far it has come. Lines that go to a terminal show that themselves.
func (x *exporter) watched(ctx context.Context, w world) error {
	if x.file == nil && w.terminal(w.out) {
		w.terminal = func(io.Writer) bool { return false }
	}
	total, err := x.total(ctx, w)
	if err != nil {
		return err
	}
	line := newProgress(w, "Exporting", "instance", total)
	defer line.end()
	x.note = func() { line.set(x.state.Instances, megabytes(x.state.Offset)) }
	return x.all(ctx)
}

// total counts what there is to export, when somebody sees how far it has come.
func (x *exporter) total(ctx context.Context, w world) (total int, err error) {
	if !w.drawing(w.err) {
		return 0, nil
	}
	counts, err := countWith(ctx, w, x.hub, x.query)
	for _, n := range counts {
		total += n
	}
	return total, err
}

// exportedJSON is an export into a file as -o json shows it.
type exportedJSON struct {
	Hub       string `json:"hub"`
	File      string `json:"file"`
	Instances int    `json:"instances"`
	Bytes     int64  `json:"bytes"`
	Problems  int    `json:"problems"` // instances of which something could not be read; their lines say what
}

func (o *exportOptions) say(w world, hub *taskhub.Hub, x *exporter) (err error) {
	if o.output.value == formatJSON {
		return writeJSON(w.out, exportedJSON{hub.Name(), o.file, x.state.Instances, x.state.Offset, x.state.Problems})
	}
	_, err = fmt.Fprintf(w.out, "Exported %s of hub %q to %s (%s).\n", counted(x.state.Instances, "instance"), hub.Name(), clean(o.file), megabytes(x.state.Offset))
	if x.state.Problems > 0 && err == nil {
		_, err = fmt.Fprintf(w.err, "taskhub: warning: %s could not be read completely; their lines say what is missing in \"problem\"\n", counted(x.state.Problems, "instance"))
	}
	return err
}

// interrupted says how to go on with an export that did not end.
func (o *exportOptions) interrupted(ctx context.Context, x *exporter, err error) error {
	again := ""
	if x.file != nil {
		again = fmt.Sprintf("; %s are in %s: run the command again with --resume to go on", counted(x.state.Instances, "instance"), o.file)
	}
	if ctx.Err() != nil {
		return withStatus(exitInterrupted, errors.New("interrupted"+again))
	}
	if again == "" {
		return err
	}
	return fmt.Errorf("%w%s", err, again)
}

// megabytes writes a number of bytes.
func megabytes(n int64) string {
	const kilo, mega = 1e3, 1e6
	switch {
	case n < kilo:
		return fmt.Sprintf("%d B", n)
	case n < mega:
		return fmt.Sprintf("%.1f kB", float64(n)/kilo)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/mega)
}

// fileError explains what is wrong with a file.
func fileError(file string, err error) error {
	return fmt.Errorf("--file: %q cannot be written: %w", file, innermost(err))
}

// exists reports whether a file is there.
func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}
