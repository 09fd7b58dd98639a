package storage

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
)

const queueAnswer = `<QueueMessagesList><QueueMessage><MessageId>1</MessageId></QueueMessage></QueueMessagesList>`

// TestQueueCallIsTheSDKs: a composed request is the one that the SDK's client would send, its signature included.
func TestQueueCallIsTheSDKs(t *testing.T) {
	t.Parallel()
	const body = "<QueueMessage><MessageText>é</MessageText></QueueMessage>"
	const receipt = "AgAAAAMAAAAAAAAA+/x=="
	for name, cfg := range map[string]Config{
		"key": {}, "sas": {ConnectionString: "AccountName=acct;SharedAccessSignature=sv=2020&sig=abc"},
		"path": {ConnectionString: "UseDevelopmentStorage=true"}, "token": {Credential: &token{}, AccountName: "acct"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // so that all are signed at one time
				a, s := openScript(t, cfg, answer(http.StatusCreated, queueAnswer), answer(http.StatusCreated, queueAnswer),
					answer(http.StatusNoContent, ""), answer(http.StatusNoContent, ""))
				ctx, queue, hidden, ever := t.Context(), a.Queues().NewQueueClient("q"), int32(7), int32(-1)
				_, first := queue.EnqueueMessage(WithRequestBody(ctx, []byte(body)), "", &azqueue.EnqueueMessageOptions{TimeToLive: &ever, VisibilityTimeout: &hidden})
				got, second := a.CallQueue(ctx, QueueCall{Method: http.MethodPost, Path: "/q/messages", Query: "messagettl=-1&visibilitytimeout=7", Body: []byte(body)})
				_, third := queue.DeleteMessage(ctx, "1-2", receipt, nil)
				_, fourth := a.CallQueue(ctx, QueueCall{Method: http.MethodDelete, Path: "/q/messages/1-2", Query: "popreceipt=AgAAAAMAAAAAAAAA%2B%2Fx%3D%3D"})
				if err := errors.Join(first, second, third, fourth); err != nil || string(got) != queueAnswer {
					t.Fatalf("%q, %v", got, err)
				}
				all := s.requests()
				for i := 0; i < len(all); i += 2 {
					theirs, ours := all[i], all[i+1]
					if theirs.method != ours.method || theirs.url != ours.url || theirs.body != ours.body {
						t.Errorf("%s %s %s, the SDK sends %s %s %s", ours.method, ours.url, ours.body, theirs.method, theirs.url, theirs.body)
					}
					for _, header := range []string{"Authorization", "X-Ms-Date", "X-Ms-Version", "Accept", "Content-Type"} {
						if header == "X-Ms-Date" && ours.header.Get("Authorization") == "" {
							continue // nothing is signed
						}
						want := theirs.header.Get(header)
						if given := theirs.header[strings.ToLower(header)]; want == "" && len(given) > 0 {
							want = given[0] // so the SDK spells some
						}
						if got := ours.header.Get(header); got != want {
							t.Errorf("%s %q, the SDK sends %q", header, got, want)
						}
					}
				}
				if calls := a.Counts().Calls; calls["queue.put"] != 2 || calls["queue.delete"] != 2 {
					t.Errorf("%v", calls)
				}
			})
		})
	}
}

// TestQueueCallFails: the errors are those of all other requests, without secrets.
func TestQueueCallFails(t *testing.T) {
	t.Parallel()
	call := QueueCall{Method: http.MethodDelete, Path: "/q/messages/1", Query: "popreceipt=a"}
	a, _ := openScript(t, Config{MaxRetries: -1}, answer(http.StatusNotFound, `<Error><Code>MessageNotFound</Code></Error>`, "x-ms-error-code", "MessageNotFound"),
		answer(http.StatusForbidden, `<Error><Message>'SharedKey acct:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0'</Message></Error>`), refuse(errors.New("broken")))
	_, err := a.CallQueue(t.Context(), call)
	var refused *azcore.ResponseError
	if !errors.As(err, &refused) || !HasCode(err, CodeMessageNotFound) || !IsNotFound(err) {
		t.Errorf("not found: %v", err)
	}
	if _, err = a.CallQueue(t.Context(), call); !IsUnauthorized(err) || strings.Contains(err.Error(), "c2VjcmV0") || !strings.Contains(Explain(err, "test").Error(), "acct") {
		t.Errorf("forbidden: %v", Explain(err, "test"))
	}
	if _, err = a.CallQueue(t.Context(), call); !IsUnreachable(err) || !InDoubt(err) {
		t.Errorf("no answer: %v", err)
	}
}
