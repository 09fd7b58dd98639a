package queues

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestParseMessages(t *testing.T) {
	t.Parallel()
	const message = `<QueueMessage><MessageId>5974b586-0df3-4e2d-ad0c-18e3892bfca2</MessageId><InsertionTime>Fri, 09 Oct 2026 21:04:30 GMT</InsertionTime>` +
		`<ExpirationTime>Fri, 31 Dec 9999 23:59:59 GMT</ExpirationTime><PopReceipt>YzQ4Yzg1MDIt+/==</PopReceipt><TimeNextVisible>Fri, 09 Oct 2026 23:29:20 GMT</TimeNextVisible>` +
		`<DequeueCount>2</DequeueCount><MessageText>%s</MessageText></QueueMessage>`
	const head, tail = "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><QueueMessagesList>", "</QueueMessagesList>"
	for _, c := range []struct{ xml, text string }{
		{`{"a":"b"}`, `{"a":"b"}`},
		{`&lt;a&gt; &amp;amp; &quot;x&quot; &apos;y&apos; &#10;&#xA;&#xd;&#x1F600;`, "<a> &amp; \"x\" 'y' \n\n\r😀"},
		{"a\r\nb\rc", "a\nb\nc"},
		{"&unknown; & &; &#; &#x; &#xZZ; &#1114112; &#-1;", "&unknown; & &; &#; &#x; &#xZZ; &#1114112; &#-1;"},
		{"a\xffb\xed\xa0\x80", "a\ufffdb\ufffd"},
		{"\ufffe &#xFFFF; &#0;", "\ufffe \uffff \x00"},
		{"&#xD800;", "\ufffd"},
		{"", ""},
		{" x ", " x "},
	} {
		got, err := parseMessages([]byte(head + fmt.Sprintf(message, c.xml) + fmt.Sprintf(message, "second") + tail))
		if err != nil || len(got) != 2 {
			t.Errorf("%q: %d messages, %v", c.xml, len(got), err)
			continue
		}
		want := received{
			id: "5974b586-0df3-4e2d-ad0c-18e3892bfca2", popReceipt: "YzQ4Yzg1MDIt+/==", text: c.text, dequeueCount: 2,
			insertedAt: time.Date(2026, 10, 9, 21, 4, 30, 0, time.UTC), visibleAt: time.Date(2026, 10, 9, 23, 29, 20, 0, time.UTC),
		}
		if got[0] != want || got[1].text != "second" {
			t.Errorf("%q: %+v", c.xml, got[0])
		}
	}
	for _, text := range []string{head + tail, `<QueueMessagesList/>`, `<?xml version="1.0"?><QueueMessagesList />`, "<QueueMessagesList>\n</QueueMessagesList>\n"} {
		if got, err := parseMessages([]byte(text)); err != nil || len(got) != 0 {
			t.Errorf("%q: %d messages, %v", text, len(got), err)
		}
	}
	got, err := parseMessages([]byte("<QueueMessagesList>\n  <QueueMessage>\n <MessageId>1</MessageId>\n <MessageText xml:space=\"preserve\">a</MessageText><PopReceipt/>\n</QueueMessage>\n</QueueMessagesList>"))
	if err != nil || len(got) != 1 || got[0].id != "1" || got[0].text != "a" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{
		"", "<html>", "<QueueMessagesList><QueueMessage>", "<QueueMessagesList><QueueMessage></QueueMessage>", "<QueueMessagesList><QueueMessage><MessageId</QueueMessage>",
		"<QueueMessagesList><QueueMessage><MessageId>1</MessageId><DequeueCount>x</DequeueCount></QueueMessage>",
		"<QueueMessagesList><QueueMessage><MessageId>1</MessageId><InsertionTime>now</InsertionTime></QueueMessage>",
	} {
		if got, err := parseMessages([]byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

func FuzzParseMessages(f *testing.F) {
	f.Add("<QueueMessagesList><QueueMessage><MessageId>1</MessageId><MessageText>&lt;a&gt;</MessageText></QueueMessage></QueueMessagesList>")
	f.Add("<QueueMessagesList/>")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = parseMessages([]byte(text))
	})
}

// What goes out comes back, by our parser and by one that is strict.
func FuzzBody(f *testing.F) {
	for _, s := range []string{"", `{"a":"<&>'\r\n"}`, "\ufffe", "]]>", "&amp;", "日本😀", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		body := string(appendBody(nil, []byte(text)))
		var strict struct{ MessageText string }
		err := xml.Unmarshal([]byte(body), &strict)
		if fitsXML([]byte(text)) != (err == nil) {
			t.Errorf("%q fits: %v, but %v", text, fitsXML([]byte(text)), err)
		}
		if err == nil && strict.MessageText != text {
			t.Errorf("%q became %q", text, strict.MessageText)
		}
		_, element, _ := strings.Cut(body, "<QueueMessage>")
		got, err := parseMessage("<MessageId>1</MessageId>" + strings.TrimSuffix(element, "</QueueMessage>"))
		if want := strings.ToValidUTF8(text, string(utf8.RuneError)); err != nil || got.text != want {
			t.Errorf("%q became %q: %v", text, got.text, err)
		}
	})
}

// TestASCIIBodies: references stand for the same text.
func TestASCIIBodies(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "plain", "é", "日本 & <x>", "a😀b", strings.Repeat("ü", 1000), "\u0085\u2028"} {
		body := asciiXML(appendBody(nil, []byte(text)))
		for _, c := range body {
			if c >= 0x80 {
				t.Fatalf("%q: the body is not ASCII", text)
			}
		}
		var got struct{ MessageText string }
		if err := xml.Unmarshal(body, &got); err != nil || got.MessageText != text {
			t.Errorf("%q became %q, %v", text, got.MessageText, err)
		}
	}
}
