package main

import (
	"strings"
	"testing"
)

func TestSetFleet(t *testing.T) {
	t.Parallel()
	a := newAccount(emptyAccount(t))
	a.do(t, "hub", "create", "Orders").wantSuccess(t)
	for _, step := range []struct {
		fleet, want string
	}{
		{"go", "is run by a go fleet now"}, {"go", "already"}, {"mixed", "is run by a mixed fleet now"},
	} {
		o := a.do(t, "hub", "set-fleet", "Orders", step.fleet)
		if o.wantSuccess(t); !strings.Contains(o.out, step.want) {
			t.Errorf("set-fleet %s says %q", step.fleet, o.out)
		}
	}
	for _, bad := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"Orders", "python"}, exitUsage, `"python"`},
		{[]string{"Orders"}, exitUsage, "FLEET"},
		{[]string{"no hub", "go"}, exitUsage, "no hub"},
		{[]string{"Missing", "go"}, exitNotFound, "does not exist"},
	} {
		o := a.do(t, append([]string{"hub", "set-fleet"}, bad.args...)...)
		if o.status != bad.status || !strings.Contains(o.err, bad.want) {
			t.Errorf("%q: status %d, %q", bad.args, o.status, o.err)
		}
	}
}
