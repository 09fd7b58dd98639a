package jsontext

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestASCII(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		``:                     ``,
		`{"a":"b\n"}`:          `{"a":"b\n"}`,
		`"é世\u2028"`:           `"\u00e9\u4e16\u2028"`,
		`{"😀":["\ud83d",1]}`:   `{"\ud83d\ude00":["\ud83d",1]}`,
		"\"a\xff\xe4\xb8\"":    `"a\ufffd\ufffd\ufffd"`,
		"\"\uffff\U0010ffff\"": `"\uffff\udbff\udfff"`,
	}
	for in, want := range tests {
		if got := string(ASCII([]byte(in))); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	long := strings.Repeat("aé世😀", 10_000)
	text := ASCII(AppendString(nil, long))
	var back string
	if err := json.Unmarshal(text, &back); err != nil || back != long {
		t.Errorf("a long text came back otherwise: %v", err)
	}
}
