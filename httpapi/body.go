package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"
	"unicode/utf8"
)

// body reads the request's body, up to the limits of size and time.
func (c *call) body() ([]byte, error) {
	connection := http.NewResponseController(c.w)
	_ = connection.SetReadDeadline(time.Now().Add(c.api.cfg.Timeout)) // not every server can
	defer func() { _ = connection.SetReadDeadline(time.Time{}) }()    // without a body it would end the request
	text, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, c.api.cfg.MaxBody))
	if err != nil && !errors.As(err, new(*http.MaxBytesError)) {
		return nil, badRequest("The body of the request did not arrive")
	}
	return bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF")), err
}

// jsonBody reads a body that is JSON. Without one the result is nil.
func (c *call) jsonBody() (*string, error) {
	text, err := c.body()
	if err != nil {
		return nil, err
	}
	return jsonText(text)
}

func jsonText(text []byte) (*string, error) {
	if len(text) == 0 {
		return nil, nil
	}
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, badRequest(messageInvalidJSON)
	}
	s := string(text)
	return &s, nil
}

// saysJSON tells whether the request calls its body JSON.
func (c *call) saysJSON() bool {
	mediaType, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	return (err == nil || errors.Is(err, mime.ErrInvalidMediaParameter)) && mediaType == "application/json"
}
