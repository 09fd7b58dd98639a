package queues

import (
	"context"
	"encoding/base64"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
)

func TestAttemptsInTexts(t *testing.T) {
	t.Parallel()
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	cases := []struct {
		text     string
		attempts int
		want     string
	}{
		{`{"a":1}`, 1, `{"a":1,"TaskHubAttempts":1}`},
		{`{"a":1,"TaskHubAttempts":1}`, 2, `{"a":1,"TaskHubAttempts":2}`},
		{`{"a":1,"TaskHubAttempts":19}`, 0, `{"a":1}`},
		{`{"a":1}`, 0, `{"a":1}`},
		{`{}`, 3, `{"TaskHubAttempts":3}`},
		{`{"TaskHubAttempts":3}`, 0, `{}`},
		{"{\"a\":1}\r\n", 4, `{"a":1,"TaskHubAttempts":4}`},
		{encode(`{"a":1}`), 5, encode(`{"a":1,"TaskHubAttempts":5}`)},
		{encode(`{"a":1,"TaskHubAttempts":5}`), 0, encode(`{"a":1}`)},
		{"not a message", 5, "not a message"},
		{`{"cut off`, 5, `{"cut off`},
		{"", 1, ""},
	}
	for _, c := range cases {
		if got := noteAttempts(c.text, c.attempts); got != c.want {
			t.Errorf("%d attempts in %q give %q, not %q", c.attempts, c.text, got, c.want)
		}
	}
	for _, text := range []string{
		`{"a":"\"TaskHubAttempts\":7}`, `{"a":1,"TaskHubAttempts":-1}`, `{"a":1,"TaskHubAttempts":99999999999}`, `{"a":1,"TaskHubAttempts":"5"}`,
	} {
		if _, n := cutAttempts([]byte(text)); n != 0 {
			t.Errorf("%q is read as %d attempts", text, n)
		}
	}
}

// TestAttemptsTravel: the count is in the message, whoever receives it, and the message is otherwise what it was.
func TestAttemptsTravel(t *testing.T) {
	t.Parallel()
	for _, base64Queue := range []bool{false, true} {
		q := scratchQueue(t, base64Queue)
		env := &history.Envelope{
			ActivityID: "5406d369-4369-4673-afae-6671a2fa1e57",
			Message: &history.Message{
				Event:  &history.EventRaised{Base: history.Base{EventID: -1, Timestamp: time.Now().UTC()}, Name: "E", Input: history.String(`"ü < &"`)},
				Target: history.Instance{InstanceID: "i"},
			},
		}
		if _, err := q.Put(t.Context(), env, 0); err != nil {
			t.Fatal(err)
		}
		first := receiveOne(t, q)
		if first.Attempts != 0 {
			t.Errorf("a new message has %d attempts", first.Attempts)
		}
		if _, err := q.SetAttempts(t.Context(), first.Receipt(), first.Text, 7, 0); err != nil {
			t.Fatal(err)
		}
		second := receiveOne(t, q)
		if second.Attempts != 7 || second.Err != nil || *second.Envelope.Message.Event.(*history.EventRaised).Input != `"ü < &"` {
			t.Errorf("the message came back as %+v", second)
		}
		if _, err := q.SetAttempts(t.Context(), second.Receipt(), first.Text, 0, 0); err != nil {
			t.Fatal(err)
		}
		if second = receiveOne(t, q); second.Attempts != 0 || second.Text != first.Text {
			t.Errorf("the count was not taken off: %q", second.Text)
		}
		if _, err := q.UpdateAttempts(t.Context(), second.Receipt(), second.Envelope, 8, 0); err != nil {
			t.Fatal(err)
		}
		third := receiveOne(t, q)
		if third.Attempts != 8 {
			t.Errorf("after an update it has %d attempts", third.Attempts)
		}
		if err := q.PutText(t.Context(), third.Text); err != nil {
			t.Fatal(err)
		}
		if fourth := receiveOne(t, q); fourth.Attempts != 0 || fourth.Text != first.Text {
			t.Errorf("the message put again is %q, not %q", fourth.Text, first.Text)
		}
	}
}

func scratchQueue(t *testing.T, base64Queue bool) *Queue {
	t.Helper()
	names, err := layout.NewNames(testkit.Hub(t))
	if err != nil {
		t.Fatal(err)
	}
	q := New(Config{Account: testkit.Account(t), Names: names, Base64: base64Queue}).Control(0)
	if err := q.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.DeleteQueue(context.Background()) })
	return q
}

func receiveOne(t *testing.T, q *Queue) *Delivery {
	t.Helper()
	list, err := q.Receive(t.Context(), 1, time.Minute)
	if err != nil || len(list) != 1 {
		t.Fatalf("received %d messages, %v", len(list), err)
	}
	return list[0]
}

func TestAboutMessagesThatCannotBeUnderstood(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text                string
		instance, execution string
		kind, name          string
		hasEventID          bool
	}{
		{text: "garbage"},
		{text: `{"TaskMessage":`},
		{
			text:     `{"TaskMessage":{"Event":{"$type":"DurableTask.Core.History.TaskScheduledEvent, DurableTask.Core","EventId":3,"Name":"A","Timestamp":5},"OrchestrationInstance":{"InstanceId":"i","ExecutionId":"x"}}}`,
			instance: "i", execution: "x", kind: "TaskScheduled", name: "A", hasEventID: true,
		},
		{text: `{"TaskMessage":{"Event":17,"OrchestrationInstance":{"InstanceId":"i"}}}`, instance: "i"},
		{
			text:     `{"CompressedBlobName":"@a@b/c/message-5406d36943694673afae6671a2fa1e57-TaskCompleted.json.gz"}`,
			instance: "@a@b/c", kind: "TaskCompleted",
		},
	}
	for _, c := range cases {
		a := (&Delivery{Text: c.text}).About()
		execution := ""
		if a.Target.ExecutionID != nil {
			execution = *a.Target.ExecutionID
		}
		if a.Target.InstanceID != c.instance || execution != c.execution || a.Kind != c.kind || a.Name != c.name || (a.EventID != nil) != c.hasEventID {
			t.Errorf("%s is about %+v", c.text, a)
		}
	}
}

func FuzzAttempts(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"TaskHubAttempts":3}`, `{}`, "e30=", `{"a":"\"TaskHubAttempts\":7}`, "{ }"} {
		f.Add(seed, 5)
	}
	f.Fuzz(func(t *testing.T, text string, attempts int) {
		if attempts < 1 || attempts > largestCount {
			return
		}
		_ = (&Delivery{Text: text}).About()
		noted := noteAttempts(text, attempts)
		if noted == text {
			return
		}
		plain, err := plainText(noted)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, noted, err)
		}
		if _, n := cutAttempts(plain); n != attempts {
			t.Fatalf("%q became %q with %d attempts", text, noted, n)
		}
		if again := noteAttempts(noted, attempts); again != noted {
			t.Fatalf("%q is no fixed point: %q", noted, again)
		}
	})
}
