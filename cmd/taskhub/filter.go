package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/history"
)

// filter are the flags that say which instances are meant.
type filter struct {
	statuses statusList
	prefix   string
	name     string
	tags     tagList
	from, to instant
}

// addFilter adds the flags. The statuses are those that may be asked for.
func addFilter(cmd *cobra.Command, w world, allowed []history.Status) *filter {
	f := &filter{statuses: statusList{allowed: allowed}, from: instant{world: w, parse: parseTime}, to: instant{world: w, parse: parseTime}}
	flags := cmd.Flags()
	flags.Var(&f.statuses, "status", "statuses, such as Failed,Terminated (default: any)")
	flags.StringVar(&f.prefix, "prefix", "", "how the `ids` of the instances begin")
	flags.StringVar(&f.name, "name", "", "`name` of the orchestrator")
	flags.Var(&f.tags, "tag", "a tag as KEY=VALUE; several must all be there")
	flags.Var(&f.from, "created-after", "created then or later: a time, or an age such as 2h; --since is the same")
	flags.Var(&f.to, "created-before", "created then or earlier: a time, or an age such as 30d; --until and --older-than are the same")
	alias(cmd, map[string]string{
		"since": "created-after", "created-from": "created-after", "until": "created-before", "older-than": "created-before", "created-to": "created-before",
		"runtime-status": "status", "id-prefix": "prefix", "instance-id-prefix": "prefix",
	})
	names := make([]string, len(allowed))
	for i, status := range allowed {
		names[i] = status.String()
	}
	err := cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	for _, flag := range []string{"prefix", "name", "tag", "created-after", "created-before"} {
		err = errors.Join(err, cmd.RegisterFlagCompletionFunc(flag, cobra.NoFileCompletions))
	}
	if err != nil {
		panic(err) // the flags were added just now
	}
	return f
}

// check refuses conditions that cannot be meant.
func (f *filter) check(cmd *cobra.Command) error {
	for flag, value := range map[string]string{"prefix": f.prefix, "name": f.name} {
		if cmd.Flags().Changed(flag) && value == "" {
			return usage(fmt.Errorf("--%s %w", flag, errEmptyValue))
		}
	}
	if !f.from.value.IsZero() && !f.to.value.IsZero() && f.to.value.Before(f.from.value) {
		return usage(fmt.Errorf("--created-before (%s) is earlier than --created-after (%s): nothing can be between them",
			f.to.value.UTC().Format(time.RFC3339), f.from.value.UTC().Format(time.RFC3339)))
	}
	return nil
}

// any reports whether there is a condition.
func (f *filter) any() bool {
	return len(f.statuses.values) > 0 || f.prefix != "" || f.name != "" || len(f.tags.values) > 0 || !f.from.value.IsZero() || !f.to.value.IsZero()
}

// String says in words which instances are meant, behind the word "instances".
func (f *filter) String() string {
	var parts []string
	if len(f.statuses.values) > 0 {
		parts = append(parts, "that are "+f.statuses.String())
	}
	if f.prefix != "" {
		parts = append(parts, fmt.Sprintf("whose ids begin with %q", f.prefix))
	}
	if f.name != "" {
		parts = append(parts, fmt.Sprintf("of %q", f.name))
	}
	if len(f.tags.values) > 0 {
		parts = append(parts, "tagged "+f.tags.String())
	}
	if !f.from.value.IsZero() {
		parts = append(parts, "created since "+formatTime(f.from.value))
	}
	if !f.to.value.IsZero() {
		parts = append(parts, "created until "+formatTime(f.to.value))
	}
	return strings.Join(parts, ", ")
}

// statusList is the value of a flag that takes statuses.
type statusList struct {
	allowed []history.Status
	values  []history.Status
}

// allStatuses are the statuses that an instance can have.
func allStatuses() []history.Status {
	return []history.Status{
		history.Running, history.Pending, history.Suspended, history.ContinuedAsNew,
		history.Completed, history.Failed, history.Terminated, history.Canceled,
	}
}

// finalStatuses are those of instances that have finished.
func finalStatuses() []history.Status {
	return []history.Status{history.Completed, history.Failed, history.Terminated, history.Canceled}
}

// String implements pflag.Value.
func (s *statusList) String() string {
	names := make([]string, len(s.values))
	for i, status := range s.values {
		names[i] = status.String()
	}
	return strings.Join(names, ",")
}

// Set implements pflag.Value. Names are taken in any case, apart by commas or blanks, and the flag can be given again.
func (s *statusList) Set(text string) error {
	names := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	if len(names) == 0 {
		return errEmptyValue
	}
	for _, name := range names {
		status, ok := s.find(name)
		if !ok {
			known := statusList{values: s.allowed}
			return fmt.Errorf("give some of %s", strings.ReplaceAll(known.String(), ",", ", "))
		}
		s.values = append(s.values, status)
	}
	return nil
}

func (s *statusList) find(name string) (history.Status, bool) {
	for _, status := range s.allowed {
		if strings.EqualFold(name, status.String()) {
			return status, true
		}
	}
	return 0, false
}

// Type implements pflag.Value; help shows it.
func (s *statusList) Type() string { return "statuses" }

// tagList is the value of a flag that takes tags.
type tagList struct {
	values map[string]string
	text   []string
}

// String implements pflag.Value.
func (t *tagList) String() string { return strings.Join(t.text, ",") }

// Set implements pflag.Value.
func (t *tagList) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found || key == "" {
		return errors.New("give a tag as KEY=VALUE")
	}
	if _, twice := t.values[key]; twice {
		return fmt.Errorf("tag %q is given twice", key)
	}
	if t.values == nil {
		t.values = make(map[string]string)
	}
	t.values[key] = value
	t.text = append(t.text, text)
	return nil
}

// Type implements pflag.Value; help shows it.
func (t *tagList) Type() string { return "tag" }
