package main

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"hash"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A recording cuts long texts and keeps their length and SHA-256. What was recorded in full is long because one character
// comes many times over, so the rest can be found: more of that character, then an end that other parts of the recording
// tell but for a number. The hash says whether the text that was put together is the one that .NET wrote.

// completer completes the cut texts of one recording.
type completer struct {
	samples   map[string]string // by class of event, the first message in the recording that was not cut
	execution map[string]string // by instance
	times     map[string]string // by instance and type of event: when it happened, as messages write it
}

// newCompleter reads what the recording says beside its blobs. Files that are not there leave less to go on.
func newCompleter(dir string) (*completer, error) {
	c := &completer{samples: map[string]string{}, execution: map[string]string{}, times: map[string]string{}}
	err := eachLine(filepath.Join(dir, "messages.jsonl"), func(_ string, m *struct{ Text string }) {
		if class := eventClass(m.Text); class != "" && c.samples[class] == "" && plain(m.Text) {
			c.samples[class] = m.Text
		}
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var final struct {
		Tables map[string][]map[string][2]any
	}
	if err := readJSON(filepath.Join(dir, "final.json"), &final); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for table, rows := range final.Tables {
		for _, row := range rows {
			c.learn(table, row)
		}
	}
	return c, nil
}

// plain says whether a message is like the ones that were cut: the first task of an instance without parent and tags.
func plain(text string) bool {
	return !strings.Contains(text, `"Tags":{`) && !strings.Contains(text, `DurableTask.Core.ParentInstance`) &&
		(strings.Contains(text, `"EventId":-1`) || strings.Contains(text, `"EventId":0`)) && strings.Contains(text, `"ScheduledStartTime":null`) == strings.Contains(text, "ExecutionStartedEvent")
}

func (c *completer) learn(table string, row map[string][2]any) {
	cell := func(name string) string { text, _ := row[name][1].(string); return text }
	id := cell("PartitionKey")
	if e := cell("ExecutionId"); e != "" {
		c.execution[id] = e
	}
	switch {
	case isHistory(table) && cell("EventType") != "":
		c.times[id+" "+cell("EventType")] = messageTime(cell("_Timestamp"))
	case strings.HasSuffix(table, "Instances") && c.times[id+" ExecutionStarted"] == "":
		c.times[id+" ExecutionStarted"] = messageTime(cell("CreatedTime"))
	}
}

// messageTime writes a recorded time as messages do: UTC, and no zeros at the end of the fraction.
func messageTime(recorded string) string {
	t := strings.TrimSuffix(strings.TrimSuffix(recorded, "Z"), "+00:00")
	if strings.Contains(t, ".") {
		t = strings.TrimRight(strings.TrimRight(t, "0"), ".")
	}
	return t + "Z"
}

var classPattern = regexp.MustCompile(`"Event":\{"\$type":"DurableTask\.Core\.History\.(\w+)Event"`)

func eventClass(text string) string {
	if m := classPattern.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// complete returns the whole text of a blob that was cut.
func (c *completer) complete(name string, b recordedBlob) (string, bool) {
	ends := [][2]string{{`"`, ""}, {`!"`, ""}}
	if blobCategory(name) == messageBlobs {
		ends = c.messageEnds(name, b.Text)
	}
	for _, end := range ends {
		if text, ok := fill(b, end[0], end[1]); ok {
			return text, true
		}
	}
	return "", false
}

// messageEnds are what may come behind the long value of a message: before and behind the sequence number.
func (c *completer) messageEnds(name, text string) [][2]string {
	parts := strings.Split(name, "/")
	id, class := parts[len(parts)-2], eventClass(text)
	tail := payloadPattern.ReplaceAllString(c.samples[class], "")
	if tail == c.samples[class] {
		return nil
	}
	tail = timePattern.ReplaceAllLiteralString(tail, `"Timestamp":"`+c.times[id+" "+class]+`"`)
	if class == "ExecutionStarted" { // its sender is a client
		tail = targetPattern.ReplaceAllString(tail, `${1}"InstanceId":"`+id+`","ExecutionId":"`+c.execution[id]+`"`)
	} else {
		tail = identityPattern.ReplaceAllLiteralString(tail, `"InstanceId":"`+id+`","ExecutionId":"`+c.execution[id]+`"`)
	}
	at := sequencePattern.FindStringSubmatchIndex(tail)
	if at == nil {
		return nil
	}
	var ends [][2]string
	for _, closing := range []string{`\"`, `!\"`, `\"]`} {
		ends = append(ends, [2]string{closing + tail[:at[2]], tail[at[3]:]})
	}
	return ends
}

var (
	payloadPattern  = regexp.MustCompile(`^.*?"(?:Input|Result)":"(?:[^"\\]|\\.)*`)
	timePattern     = regexp.MustCompile(`"Timestamp":"[^"]*"`)
	identityPattern = regexp.MustCompile(`"InstanceId":"[^"]*","ExecutionId":"[^"]*"`)
	targetPattern   = regexp.MustCompile(`("\$type":"DurableTask\.Core\.OrchestrationInstance",)"InstanceId":"[^"]*","ExecutionId":"[^"]*"`)
	sequencePattern = regexp.MustCompile(`"CompressedBlobName":null,"SequenceNumber":(\d+)`)
)

// mostMessages bounds the search for a sequence number, the count of messages a process has sent.
const mostMessages = 5_000

// fill puts more of the last character between the recorded beginning and an end. With a second part of the end, a number
// of up to four digits comes between the two parts.
func fill(b recordedBlob, end, behind string) (string, bool) {
	last, size := utf8.DecodeLastRuneInString(b.Text)
	if size == 0 {
		return "", false
	}
	if behind == "" {
		text, ok := stretch(b, last, end)
		return text, ok && hexSum(sha256.Sum256([]byte(text))) == b.TextSHA256
	}
	for digits, from := 1, 1; from < mostMessages; digits, from = digits+1, from*10 {
		begin, ok := stretch(b, last, end+strings.Repeat("0", digits)+behind)
		if !ok {
			continue
		}
		begin = begin[:len(begin)-digits-len(behind)]
		sum := sha256.New()
		sum.Write([]byte(begin))
		for n := from; n < min(10*from, mostMessages); n++ {
			rest := strconv.Itoa(n) + behind
			if hexSum(sumOf(sum, rest)) == b.TextSHA256 {
				return begin + rest, true
			}
		}
	}
	return "", false
}

// stretch makes the text as long as it was recorded to be.
func stretch(b recordedBlob, last rune, end string) (string, bool) {
	missing := b.TextLength - utf8.RuneCountInString(b.Text) - utf8.RuneCountInString(end)
	if missing < 0 {
		return "", false
	}
	return b.Text + strings.Repeat(string(last), missing) + end, true
}

// sumOf is the hash of what was written so far and a rest; the hash itself stays as it is.
func sumOf(so hash.Hash, rest string) [sha256.Size]byte {
	state, _ := so.(encoding.BinaryMarshaler).MarshalBinary()
	h := sha256.New()
	_ = h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
	h.Write([]byte(rest))
	return [sha256.Size]byte(h.Sum(nil))
}

func hexSum(sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:]) }
