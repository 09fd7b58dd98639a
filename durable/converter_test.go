package durable_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

type visit struct {
	At     time.Time
	Until  *time.Time `json:"until,omitempty"`
	Others []time.Time
	By     map[string]time.Time
	Any    any
	Note   string
	inner  time.Time
}

func TestJSONTimesAndText(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	at := time.Date(2026, 1, 2, 4, 5, 6, 123456789, zone)
	v := visit{
		At: at, Until: &at, Others: []time.Time{at, at.Truncate(time.Second)}, By: map[string]time.Time{"x": at},
		Any: []any{at, "<&>"}, Note: "<b> é \u2028", inner: at,
	}
	got, err := durable.JSON().Marshal(v)
	want := `{"At":"2026-01-02T03:05:06.1234567Z","until":"2026-01-02T03:05:06.1234567Z",` +
		`"Others":["2026-01-02T03:05:06.1234567Z","2026-01-02T03:05:06Z"],"By":{"x":"2026-01-02T03:05:06.1234567Z"},` +
		`"Any":["2026-01-02T03:05:06.1234567Z","<&>"],"Note":"<b> é \u2028"}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	if !v.At.Equal(at) || v.At.Location() != zone {
		t.Error("the value itself was changed")
	}
	type node struct {
		Next *node
		At   time.Time
	}
	if got, err := durable.JSON().Marshal(&node{Next: &node{}}); err != nil || !bytes.HasPrefix(got, []byte(`{"Next":{"Next":null,`)) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestReadingWhatDotNetWrites(t *testing.T) {
	t.Parallel()
	type point struct {
		X    int
		When time.Time
		Tags map[string]int
		List []string
		Sub  *struct{ At time.Time }
		Note string
	}
	text := `{"$type":"P.Point, p","X":3,"When":"2026-01-02T03:04:05.678","Tags":{"$type":"System.Collections.Generic.Dictionary","a":1},` +
		`"List":{"$type":"X[]","$values":["a","b"]},"Sub":{"$type":"Y","at":"2026-01-02T03:04:05"},"Note":"2026-01-02T03:04:05"}`
	var p point
	if err := durable.JSON().Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	want := point{
		X: 3, When: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), Tags: map[string]int{"a": 1}, List: []string{"a", "b"},
		Sub: &struct{ At time.Time }{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, Note: "2026-01-02T03:04:05",
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("%+v", p)
	}
	var value any
	if err := durable.JSON().Unmarshal([]byte(`{"$type":"X","big":12345678901234567890,"s":"$type"}`), &value); err != nil {
		t.Fatal(err)
	}
	if got, _ := json.Marshal(value); string(got) != `{"big":12345678901234567000,"s":"$type"}` {
		t.Errorf("%s", got)
	}
	var times []time.Time
	if err := durable.JSON().Unmarshal([]byte(`["2026-01-02T03:04:05","2026-01-02T03:04:05Z"]`), &times); err != nil || !times[0].Equal(times[1]) {
		t.Errorf("%v, %v", times, err)
	}
	var at time.Time
	for _, bad := range []string{`"yesterday"`, `"2026-01-02"`, `{`, `{"$type"`, `{"$type":"x"} trailing`} {
		if err := durable.JSON().Unmarshal([]byte(bad), &at); err == nil {
			t.Errorf("%s was read as %v", bad, at)
		}
	}
}

// Simple values are written and read without encoding/json; nobody may notice.
func TestScalarsAreAsInEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		nil, true, false, 0, -1, 12345, int32(math.MinInt32), int64(math.MaxInt64), "", "plain", `"`, `\`, "é", "\x00", "\x7f", "\n", "~ ", 1.5, uint(7),
	} {
		got, err := durable.JSON().Marshal(v)
		want, _ := json.Marshal(v)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%#v: %s, %v, want %s", v, got, err, want)
		}
	}
	texts := []string{`"a"`, `""`, `"`, ``, `"a`, `"\n"`, `"\u00e9"`, `"é"`, `0`, `-0`, `-`, `01`, `1.0`, `1e3`, `+1`, ` 1 `, `2147483648`, `9223372036854775808`, `true`, `false`, `null`, `[1]`, `tru`}
	for _, text := range texts {
		for _, target := range []func() any{func() any { return new(string) }, func() any { return new(int) }, func() any { return new(int32) }, func() any { return new(int64) }, func() any { return new(bool) }} {
			got, want := target(), target()
			err, wantErr := durable.JSON().Unmarshal([]byte(text), got), json.Unmarshal([]byte(text), want)
			if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
				t.Errorf("%s into %T: %v, %v, want %v, %v", text, got, got, err, want, wantErr)
			}
		}
	}
}

func FuzzJSONReading(f *testing.F) {
	for _, seed := range []string{`{"$type":"a","b":[1,{"$values":[]}]}`, `"2026-01-02T03:04:05"`, `[[1]]`, `{"$type":1,"$values":[2]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v visit
		_ = durable.JSON().Unmarshal(data, &v)
		var value any
		if durable.JSON().Unmarshal(data, &value) == nil && !json.Valid(data) {
			t.Errorf("read %q, which is no JSON", data)
		}
	})
}

// hubWithConverter runs an orchestrator with payloads of each kind through a
// converter.
func runWithConverter(t *testing.T, c durable.Converter) *memHub {
	t.Helper()
	child := durable.NewOrchestrator("Child", func(_ *durable.Context, s string) (string, error) { return s + "!", nil })
	a := durable.NewActivity("A", func(_ context.Context, s string) (string, error) { return s + "?", nil })
	o := durable.NewOrchestrator("O", func(ctx *durable.Context, s string) (string, error) {
		if err := durable.SetCustomStatus(ctx, s); err != nil {
			return "", err
		}
		s, err := child.Call(ctx, s).Await()
		if err != nil {
			return "", err
		}
		if s, err = a.Call(ctx, s).Await(); err != nil {
			return "", err
		}
		e, err := durable.WaitForEvent[string](ctx, "e").Await()
		return s + e, err
	})
	h := hubWith(func(h *memHub) {
		h.env.Converter = c
		h.reload = true
	}, child, a, o)
	input := strings.Repeat("secret ", 1000)
	r, err := o.Start(context.Background(), h, input, durable.WithInstanceID("i"))
	if err != nil {
		t.Fatal(err)
	}
	_ = r.RaiseEvent(context.Background(), "e", input)
	got, err := r.Wait(context.Background())
	if err != nil || got != input+"!?"+input {
		t.Errorf("%d characters, %v", len(got), err)
	}
	in, _ := r.Status(context.Background())
	in.Converter = c
	if status, err := durable.CustomStatus[string](in); err != nil || status != input {
		t.Errorf("status: %d characters, %v", len(status), err)
	}
	return h
}

func TestCompressingConverter(t *testing.T) {
	t.Parallel()
	c := durable.CompressingConverter(durable.CompressionConfig{})
	h := runWithConverter(t, c)
	in, _ := h.GetInstance(context.Background(), "i")
	if len(*in.Input) > 500 || !json.Valid([]byte(*in.Input)) {
		t.Errorf("the input was kept as %d bytes", len(*in.Input))
	}
	for _, small := range []any{"x", 7, nil, map[string]string{"$taskhub.gzip": "mine", "b": "c"}} {
		text, err := c.Marshal(small)
		plain, _ := json.Marshal(small)
		if err != nil || !bytes.Equal(text, plain) {
			t.Errorf("%s, %v", text, err)
		}
		var back any
		if err := c.Unmarshal(text, &back); err != nil {
			t.Error(err)
		}
	}
	var s string
	packed, _ := c.Marshal(strings.Repeat("x", 1<<20))
	tight := durable.CompressingConverter(durable.CompressionConfig{MaxSize: 1 << 10})
	if err := tight.Unmarshal(packed, &s); err == nil {
		t.Error("a payload beyond the bound was read")
	}
	for _, bad := range []string{`{"$taskhub.gzip":"AAAA"}`, `{"$taskhub.gzip":7}`, `{"$taskhub.gzip":"%"}`, `{"$taskhub.gzip":"H4sIAAAAAAAA"}`} {
		if err := c.Unmarshal([]byte(bad), &s); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func newEncrypting(t *testing.T, cfg durable.EncryptionConfig) durable.Converter {
	t.Helper()
	c, err := durable.EncryptingConverter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEncryptingConverter(t *testing.T) {
	t.Parallel()
	first := durable.EncryptionKey{ID: "2026-01", Secret: bytes.Repeat([]byte{1}, 32)}
	second := durable.EncryptionKey{ID: "2026-02", Secret: bytes.Repeat([]byte{2}, 16)}
	c := newEncrypting(t, durable.EncryptionConfig{
		Keys: []durable.EncryptionKey{first}, Inner: durable.CompressingConverter(durable.CompressionConfig{}),
	})
	h := runWithConverter(t, c)
	in, _ := h.GetInstance(context.Background(), "i")
	if strings.Contains(*in.Input+*in.Output+*in.CustomStatus, "secret") || !strings.Contains(*in.Input, "2026-01") {
		t.Error("a payload is readable")
	}
	old, err := newEncrypting(t, durable.EncryptionConfig{Keys: []durable.EncryptionKey{first}}).Marshal("hi")
	if err != nil {
		t.Fatal(err)
	}
	rotated := newEncrypting(t, durable.EncryptionConfig{Keys: []durable.EncryptionKey{second, first}})
	var s string
	if err := rotated.Unmarshal(old, &s); err != nil || s != "hi" {
		t.Errorf("after the rotation: %q, %v", s, err)
	}
	again, _ := rotated.Marshal("hi")
	more, _ := rotated.Marshal("hi")
	if !bytes.Contains(again, []byte("2026-02")) || bytes.Equal(again, more) {
		t.Errorf("%s", again)
	}
	only := newEncrypting(t, durable.EncryptionConfig{Keys: []durable.EncryptionKey{second}})
	if err := only.Unmarshal(old, &s); !errors.Is(err, durable.ErrUnknownKey) || !strings.Contains(err.Error(), "2026-01") {
		t.Errorf("an unknown key: %v", err)
	}
	if err := only.Unmarshal([]byte(`"clear"`), &s); !errors.Is(err, durable.ErrNotEncrypted) {
		t.Errorf("clear text: %v", err)
	}
	lax := newEncrypting(t, durable.EncryptionConfig{Keys: []durable.EncryptionKey{second}, AllowPlaintext: true})
	if err := lax.Unmarshal([]byte(`"clear"`), &s); err != nil || s != "clear" {
		t.Errorf("clear text: %q, %v", s, err)
	}
	renamed := bytes.Replace(old, []byte("2026-01"), []byte("2026-02"), 1)
	for _, bad := range [][]byte{renamed, []byte(`{"$taskhub.aesgcm":{"key":"2026-02","data":"AAAA"}}`), []byte(`{"$taskhub.aesgcm":7}`)} {
		if err := only.Unmarshal(bad, &s); err == nil || strings.Contains(err.Error(), string(second.Secret)) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, cfg := range []durable.EncryptionConfig{
		{}, {Keys: []durable.EncryptionKey{{Secret: first.Secret}}}, {Keys: []durable.EncryptionKey{first, first}},
		{Keys: []durable.EncryptionKey{{ID: "short", Secret: []byte("short")}}},
	} {
		if _, err := durable.EncryptingConverter(cfg); err == nil {
			t.Errorf("%v was taken", cfg)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", first, first, first); strings.Contains(text, "1 1 1") || strings.Contains(text, `\x01`) {
		t.Errorf("a secret was printed: %s", text)
	}
}
