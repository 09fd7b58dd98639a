package queues

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

func TestParseMessage(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"<QueueMessage><MessageText>a</MessageText></QueueMessage>":                                                                            "a",
		"<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<QueueMessage>\n <MessageText>a &lt;&#x41;&#66;&quot;</MessageText>\n</QueueMessage>\n": "a <AB\"",
		"\uFEFF<QueueMessage><MessageText></MessageText></QueueMessage>":                                                                       "",
		"<QueueMessage><MessageText/></QueueMessage>":                                                                                          "",
		"<QueueMessage><MessageText><![CDATA[<x>]]></MessageText></QueueMessage>":                                                              "<x>",
		"<QueueMessage><!-- c --><MessageText>a\r\nb</MessageText></QueueMessage>":                                                             "a\nb",
		"<QueueMessage><MessageText>a&#xD;b</MessageText></QueueMessage>":                                                                      "a\rb",
	} {
		if got, err := parseMessage([]byte(body)); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", body, got, err)
		}
	}
	for _, body := range []string{
		"", "x", "<QueueMessage/>", "<Other><MessageText>a</MessageText></Other>", "<QueueMessage><MessageText>&#1;</MessageText></QueueMessage>",
		"<QueueMessage><MessageText>\x01</MessageText></QueueMessage>", "<QueueMessage><MessageText>&unknown;</MessageText></QueueMessage>",
		"<QueueMessage><MessageText>\xff</MessageText></QueueMessage>", "<QueueMessage><MessageText>&#xD800;</MessageText></QueueMessage>",
		"<!DOCTYPE x [<!ENTITY a \"b\">]><QueueMessage><MessageText>&a;</MessageText></QueueMessage>",
		"<?xml version=\"1.0\" encoding=\"utf-16\"?><QueueMessage><MessageText>a</MessageText></QueueMessage>",
		"<QueueMessage><MessageText>a</MessageText></QueueMessage><QueueMessage/>",
	} {
		if got, err := parseMessage([]byte(body)); err == nil {
			t.Errorf("%q: %q", body, got)
		}
	}
}

// FuzzMessage compares the short way of reading a message with the XML reader
// of the standard library, and what is written with what is read.
func FuzzMessage(f *testing.F) {
	f.Add("<QueueMessage><MessageText>a &lt; &#65;</MessageText></QueueMessage>")
	f.Add("<?xml version='1.0'?> <QueueMessage> <MessageText>b\r\n</MessageText></QueueMessage>")
	f.Fuzz(func(t *testing.T, body string) {
		plain, ok := parsePlainMessage([]byte(body))
		if ok {
			var doc struct {
				XMLName xml.Name `xml:"QueueMessage"`
				Text    string   `xml:"MessageText"`
			}
			err := rest.DecodeXML(bytes.TrimPrefix([]byte(body), utf8BOM), &doc)
			if err != nil || doc.Text != string(plain) {
				t.Fatalf("%q is %q, not %q (%v)", body, doc.Text, plain, err)
			}
		}
		message, err := parseMessage([]byte(body))
		if err != nil {
			return
		}
		list := listMessages([]view{{body: message}}, getForm)
		var back struct {
			Text string `xml:"QueueMessage>MessageText"`
		}
		if err := xml.Unmarshal(list, &back); err != nil || back.Text != string(message) {
			t.Fatalf("%q comes back as %q (%v)", message, back.Text, err)
		}
	})
}

func TestReceipt(t *testing.T) {
	t.Parallel()
	p := popReceipt{7, 1234567}
	got, err := parseReceipt(p.String())
	if err != nil || got != p {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "x", strings.Repeat("A", 40), "AAAA"} {
		if _, err := parseReceipt(text); err == nil {
			t.Errorf("%q is a receipt", text)
		}
	}
}
