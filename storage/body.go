package storage

import (
	"bytes"
	"context"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
)

type bodyKey struct{}

// WithRequestBody makes requests of the context carry body instead of what the SDK composed; nil makes them carry none.
// The Queue client needs both: it cannot leave out the message's text when only the visibility changes, and its XML
// escapes quotes, which makes messages of JSON a good deal larger than .NET sends them.
func WithRequestBody(ctx context.Context, body []byte) context.Context {
	return context.WithValue(ctx, bodyKey{}, body)
}

type responseKey struct{}

// WithResponseBody makes a successful request of the context put its answer's body into *into, and gives the SDK an
// empty one, which its clients read as an answer without content. It is for answers that are read better or faster
// otherwise: the Queue client fails for a whole batch when XML does not allow a character of one message, and the Table
// client takes the JSON of every entity apart and puts it together again.
func WithResponseBody(ctx context.Context, into *[]byte) context.Context {
	return context.WithValue(ctx, responseKey{}, into)
}

// bodyPolicy exchanges bodies, see WithRequestBody and WithResponseBody. It also keeps the request's body open for
// further attempts: the SDK's retry policy, which sees a single attempt only, would close it.
type bodyPolicy struct{}

// Do implements policy.Policy.
func (*bodyPolicy) Do(req *policy.Request) (*http.Response, error) {
	original := req.Body()
	if err := exchangeRequest(req); err != nil {
		return nil, err
	}
	resp, err := req.Next()
	if original != nil {
		_ = original.Close() // the answer counts; net/http ignores this error, too
	}
	if into, ok := req.Raw().Context().Value(responseKey{}).(*[]byte); ok && err == nil && resp.StatusCode < http.StatusMultipleChoices {
		*into, err = runtime.Payload(resp)
		resp.Body = http.NoBody
	}
	return resp, err
}

func exchangeRequest(req *policy.Request) error {
	contentType := req.Raw().Header.Get("Content-Type")
	body, exchanged := req.Raw().Context().Value(bodyKey{}).([]byte)
	switch {
	case exchanged && body == nil:
		return req.SetBody(nil, "")
	case exchanged:
		return req.SetBody(streaming.NopCloser(bytes.NewReader(body)), contentType)
	case req.Body() != nil:
		return req.SetBody(streaming.NopCloser(req.Body()), contentType)
	}
	return nil
}
