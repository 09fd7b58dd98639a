package auth

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

func TestParseAuthorization(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]Credentials{
		"SharedKey acc:c2ln":       {SharedKey, "acc", "c2ln"},
		"sharedkeylite acc:c2ln==": {SharedKeyLite, "acc", "c2ln=="},
	} {
		if got, err := ParseAuthorization(header); err != nil || got != want {
			t.Errorf("%q: %+v, %v", header, got, err)
		}
	}
	for _, header := range []string{"", "SharedKey", "SharedKey acc", "SharedKey :c2ln", "SharedKey acc:", "SharedKey acc:a b", "Basic dTpw", strings.Repeat("x", 10_000)} {
		if got, err := ParseAuthorization(header); err == nil {
			t.Errorf("%q: %+v", header, got)
		}
	}
}

// TestStringToSign compares with the examples of the article "Authorize with
// Shared Key", in the form of the current versions.
func TestStringToSign(t *testing.T) {
	t.Parallel()
	r := request(t, rest.Blob, http.MethodGet, "https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata&timeout=20", "/mycontainer")
	r.Header.Set("X-Ms-Date", "Fri, 26 Jun 2015 23:39:12 GMT")
	r.Header.Set("X-Ms-Version", "2015-02-21")
	want := "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"
	if got := stringToSign(r, SharedKey); got != want {
		t.Errorf("SharedKey:\n%q\n%q", got, want)
	}
	r = request(t, rest.Table, http.MethodGet, "https://myaccount.table.core.windows.net/Tables?comp=x&$top=1", "/Tables")
	r.Header.Set("X-Ms-Date", "Wed, 23 Sep 2009 06:00:00 GMT")
	if got := stringToSign(r, SharedKeyLite); got != "Wed, 23 Sep 2009 06:00:00 GMT\n/myaccount/Tables?comp=x" {
		t.Errorf("table SharedKeyLite: %q", got)
	}
}

func request(t *testing.T, service rest.Service, method, address, signed string) *rest.Request {
	t.Helper()
	hr, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &rest.Request{HTTP: hr, Header: hr.Header, Query: hr.URL.Query(), Service: service, Account: "myaccount",
		SignedPath: signed, Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
}

func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{"SharedKey acc:c2ln", "SharedKeyLite a:b", "Bearer x", ":", "SharedKey a:b:c"} {
		f.Add(seed, "sv=2020-12-06&sp=r&se=2030-01-01&sig=x", "Mon, 01 Jun 2026 00:00:00 GMT")
	}
	a, err := New(map[string]string{"myaccount": "a2V5"}, time.Minute)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header, query, date string) {
		for _, service := range rest.Services {
			hr := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/myaccount/x", RawQuery: query}, Header: http.Header{}}
			if header != "" {
				hr.Header.Set("Authorization", header)
			}
			hr.Header.Set("X-Ms-Date", date)
			values, err := url.ParseQuery(query)
			if err != nil {
				return
			}
			r := &rest.Request{HTTP: hr, Header: hr.Header, Query: values, Service: service, Account: "myaccount", SignedPath: "/myaccount/x", Now: time.Now()}
			id, err := a.Identify(r, nowhere{})
			if err == nil && !id.Anonymous {
				t.Fatalf("%q and %q were accepted", header, query)
			}
		}
	})
}

type nowhere struct{}

func (nowhere) StoredPolicy(*rest.Request, string) (rest.Policy, bool) { return rest.Policy{}, false }
func (nowhere) PublicLevel(*rest.Request) rest.PublicAccess            { return rest.PublicNever }
func (nowhere) SASResource(*rest.Request) (string, bool)               { return "/blob/myaccount/x", true }
