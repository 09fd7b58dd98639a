package storage

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

var mergeCall = TableCall{Method: http.MethodPatch, Path: "/T(PartitionKey='a%27%27b%20%C3%A9',RowKey='')", Query: "$select=A%2CB", Match: `W/"1"`, Body: []byte(`{"A":1}`)}

// TestTableCall looks at a composed request as the service sees it, with each kind of authorisation.
func TestTableCall(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cfg    Config
		scheme string // of the Authorization header
		query  string
	}{
		"key":   {Config{}, "SharedKeyLite acct:", "$select=A%2CB"},
		"token": {Config{Credential: &token{}, AccountName: "acct"}, "Bearer ", "$select=A%2CB"},
		"sas":   {Config{ConnectionString: "AccountName=acct;SharedAccessSignature=sv=2020&sig=abc"}, "", "$select=A%2CB&sv=2020&sig=abc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, s := openScript(t, test.cfg, answer(http.StatusNoContent, "", "ETag", `W/"2"`))
			got, err := a.CallTable(t.Context(), mergeCall)
			if err != nil || got.ETag != `W/"2"` {
				t.Fatalf("%+v, %v", got, err)
			}
			r := s.requests()[0]
			if want := "https://acct.table.core.windows.net" + mergeCall.Path + "?" + test.query; r.url != want || r.method != http.MethodPatch || r.body != `{"A":1}` {
				t.Errorf("%s %s %s, want %s", r.method, r.url, r.body, want)
			}
			for header, want := range map[string]string{
				"If-Match": `W/"1"`, "Content-Type": "application/json", "Accept": "application/json;odata=minimalmetadata",
				"Dataserviceversion": "3.0", "X-Ms-Version": "2019-02-02", "Prefer": "",
			} {
				if got := r.header.Get(header); got != want {
					t.Errorf("%s is %q", header, got)
				}
			}
			if got := r.header.Get("Authorization"); !strings.HasPrefix(got, test.scheme) || (got == "") != (test.scheme == "") {
				t.Errorf("authorised by %q", got)
			}
			if !strings.HasPrefix(r.header.Get("User-Agent"), "taskhub-go/") {
				t.Errorf("User-Agent %q", r.header.Get("User-Agent"))
			}
			if n := a.Counts().Calls["table.merge"]; n != 1 {
				t.Errorf("%d calls counted", n)
			}
		})
	}
}

// TestTableCallIsRetried: each attempt has the whole body and is signed anew.
func TestTableCallIsRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, s := openScript(t, Config{Jitter: fullDelay, RetryDelay: 2 * time.Second}, answer(http.StatusServiceUnavailable, ""), refuse(errors.New("broken")), answer(http.StatusOK, `{"A":1}`))
		got, err := a.CallTable(t.Context(), mergeCall)
		if err != nil || string(got.Body) != `{"A":1}` {
			t.Fatalf("%s, %v", got.Body, err)
		}
		all := s.requests()
		if len(all) != 3 || a.Counts().Retries != 2 {
			t.Fatalf("%d attempts", len(all))
		}
		for i, r := range all[1:] {
			if r.body != all[0].body || r.header.Get("X-Ms-Date") == all[i].header.Get("X-Ms-Date") || r.header.Get("Authorization") == all[i].header.Get("Authorization") {
				t.Errorf("attempt %d: %+v", i+2, r)
			}
		}
	})
}

// TestTableCallFails: the errors are those of all other requests, without secrets.
func TestTableCallFails(t *testing.T) {
	t.Parallel()
	a, _ := openScript(t, Config{MaxRetries: -1}, answer(http.StatusNotFound, `{"odata.error":{"code":"ResourceNotFound","message":{"value":"none"}}}`, "x-ms-error-code", "ResourceNotFound"),
		answer(http.StatusForbidden, `<Error><Message>'SharedKeyLite acct:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0'</Message></Error>`), refuse(errors.New("broken")))
	_, err := a.CallTable(t.Context(), mergeCall)
	var refused *azcore.ResponseError
	if !errors.As(err, &refused) || !HasCode(err, CodeResourceNotFound) || !IsNotFound(err) {
		t.Errorf("not found: %v", err)
	}
	if _, err = a.CallTable(t.Context(), mergeCall); !IsUnauthorized(err) || strings.Contains(err.Error(), "c2VjcmV0") || !strings.Contains(Explain(err, "test").Error(), "acct") {
		t.Errorf("forbidden: %v", Explain(err, "test"))
	}
	if _, err = a.CallTable(t.Context(), mergeCall); !IsUnreachable(err) || !InDoubt(err) {
		t.Errorf("no answer: %v", err)
	}
}

const applied = "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nHTTP/1.1 204 No Content\r\nETag: W/\"1\"\r\n\r\n\r\n--c\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\r\n--c--\r\n--b--\r\n"

// TestTransact: the operations' ETags, and the error of the one that failed; one that may succeed later is sent again.
func TestTransact(t *testing.T) {
	t.Parallel()
	failed := func(status, code string) string {
		return "--b\r\n\r\n--c\r\n\r\nHTTP/1.1 " + status + "\r\nContent-Type: application/json\r\n\r\n" +
			`{"odata.error":{"code":"` + code + `","message":{"value":"1:no"}}}` + "\r\n--c--\r\n--b--\r\n"
	}
	a, s := openScript(t, Config{Jitter: func(time.Duration) time.Duration { return 0 }}, answer(http.StatusAccepted, failed("503 Busy", "ServerBusy")),
		answer(http.StatusAccepted, applied), answer(http.StatusAccepted, failed("412 Precondition Failed", CodeUpdateConditionNotMet)))
	etags, err := a.Transact(t.Context(), "x", []byte("--x--"))
	if err != nil || len(etags) != 2 || etags[0] != `W/"1"` || etags[1] != "" {
		t.Fatalf("%q, %v", etags, err)
	}
	if r := s.requests(); len(r) != 2 || r[0].header.Get("Content-Type") != "multipart/mixed; boundary=x" || !strings.HasSuffix(r[0].url, "/$batch") {
		t.Errorf("%+v", r)
	}
	var inner *TransactionError
	if _, err = a.Transact(t.Context(), "x", []byte("--x--")); !errors.As(err, &inner) || inner.Index != 1 || !IsPreconditionFailed(err) {
		t.Errorf("%v", err)
	}
}
