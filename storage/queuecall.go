package storage

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// QueueCall is a request to the Queue service that its caller has composed. Putting and deleting a message is all that most
// orchestrations ask of a queue, and half of what the two cost was the SDK's client.
// Retries, deadlines, counting and errors are those of all other requests.
type QueueCall struct {
	Method string
	// Path is what follows the endpoint, percent-encoded, with a slash at the beginning.
	Path string
	// Query is the query, percent-encoded, without a question mark; empty for none. Its parameters are in the order of their
	// names, which are in lower case.
	Query string
	// Body is XML; empty for none. It must not be changed any more, also after the call.
	Body []byte
}

// CallQueue sends a request to the Queue service and returns the body of a successful answer. An answer other than 2xx is an
// *azcore.ResponseError, as from the SDK's clients; no answer is a [*ConnectionError].
func (a *Account) CallQueue(ctx context.Context, call QueueCall) ([]byte, error) {
	var answer []byte
	err := a.queueCalls.send(ctx, TableCall{Method: call.Method, Path: call.Path, Query: call.Query, Body: call.Body}, func(_ *http.Response, body []byte) error {
		answer = body
		return nil
	})
	return answer, err
}

func (a *Account) connectQueueCalls(options policy.ClientOptions, t *target, cfg Config) (err error) {
	common := http.Header{"Accept": {"application/xml"}, "X-Ms-Version": {queueVersion}}
	a.queueCalls, err = a.newCaller(options, t, cfg, common, signature{"SharedKey", signQueue})
	return err
}

// queueVersion is the version of the Queue service that the SDK's client asks for.
const queueVersion = "2024-08-04"

// signQueue is SharedKey of the Queue service (article "Authorize with Shared Key"): method, headers, of which these requests
// have two, date and version, path, and parameters.
func signQueue(b []byte, account, date string, req *http.Request) []byte {
	b = append(append(b, req.Method...), "\n\n\n"...)
	if req.ContentLength > 0 {
		b = strconv.AppendInt(b, req.ContentLength, 10)
	}
	b = append(append(append(b, "\n\n"...), req.Header.Get("Content-Type")...), "\n\n\n\n\n\n\n"...)
	b = append(append(append(b, "x-ms-date:"...), date...), "\nx-ms-version:"+queueVersion+"\n/"...)
	b = append(append(b, account...), req.URL.EscapedPath()...)
	for parameter := range strings.SplitSeq(req.URL.RawQuery, "&") {
		name, value, ok := strings.Cut(parameter, "=")
		if !ok {
			continue
		}
		if plain, err := url.QueryUnescape(value); err == nil {
			value = plain
		}
		b = append(append(append(append(b, '\n'), name...), ':'), value...)
	}
	return b
}
