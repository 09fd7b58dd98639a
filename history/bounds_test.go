package history

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/internal/edm"
)

// TestBounds reads large texts that try to make a reader waste memory or time.
// It does not run beside other tests, because it measures the whole process.
func TestBounds(t *testing.T) {
	const size = 1 << 18
	fill := func(before, repeated, after string) string {
		return before + strings.Repeat(repeated, size/len(repeated)) + after
	}
	many := func(before, pattern, after string) string {
		var b strings.Builder
		b.WriteString(before)
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, pattern, i)
		}
		return b.String() + after
	}
	const start = `{"TaskMessage":{"Event":{`
	const end = `"$type":"DurableTask.Core.History.TaskFailedEvent","Timestamp":"2026-06-01T12:34:56Z"},"OrchestrationInstance":{"InstanceId":"i"}}}`
	texts := map[string]string{
		"open arrays":      fill(``, `[`, ``),
		"open objects":     fill(``, `{"TaskMessage":`, ``),
		"unknown members":  many(start, `"x%d":[],`, end),
		"the same member":  fill(start, `"Reason":"x",`, end),
		"failures":         fill(start, `"FailureDetails":{"InnerFailure":{"InnerFailure":null}},`, end),
		"properties":       many(start+`"FailureDetails":{"Properties":{`, `"%d":[],`, `"x":0}},`+end),
		"same property":    fill(start+`"FailureDetails":{"Properties":{`, `"x":[],`, `"x":0}},`+end),
		"array elements":   fill(start+`"FailureDetails":{"Properties":{"x":[`, `{},`, `{}]}},`+end),
		"escapes":          fill(start+`"Reason":"`, `\u0001`, `",`+end),
		"broken UTF-8":     fill(start+`"Reason":"`, "\xff", `",`+end),
		"digits":           fill(start+`"EventId":`, "1", `,`+end),
		"fraction":         fill(start+`"Timestamp":"2026-06-01T12:34:56.`, "1", `Z",`+end),
		"class":            fill(`{"$type":"`, "x", `"}`),
		"tags":             many(`{"TaskMessage":{"OrchestrationExecutionContext":{"OrchestrationTags":{`, `"%d":"",`, `"x":""}},"Event":{`+end),
		"open string":      fill(`{"A":"`, "x", ``),
		"open escapes":     fill(`{"A":"`, `\\`, `\`),
		"events":           fill(`[`, `{"EventType":0},`, `{"EventType":0}]`),
		"class at the end": fill(`[`, `{"":0,"":0,"EventType":12},`, `{"EventType":0}]`),
	}
	for name, text := range texts {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		envelope, errEnvelope := UnmarshalEnvelope([]byte(text))
		events, errExport := UnmarshalExport([]byte(text))
		v, errValue := ParseValue([]byte(text))
		entity, errEntity := edm.Unmarshal([]byte(text))
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		if factor := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(text)); factor > 100 {
			t.Errorf("%s: reading allocated %.0f times the length of the text", name, factor)
		}
		if took > 30*time.Second {
			t.Errorf("%s: reading took %v", name, took)
		}
		if errEnvelope != nil && errExport != nil && errValue != nil && errEntity != nil &&
			len(errEnvelope.Error())+len(errExport.Error())+len(errValue.Error())+len(errEntity.Error()) > 20000 {
			t.Errorf("%s: the errors are long", name)
		}
		runtime.KeepAlive([]any{envelope, events, v, entity})
	}
}
