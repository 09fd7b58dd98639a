package httpapi

import (
	"bytes"
	_ "embed"
	"net/http"
)

// openAPIPath is where the document is, without a key.
const openAPIPath = "/openapi.json"

//go:embed openapi.json
var openAPIDocument []byte

func (c *call) openAPI() {
	document := openAPIDocument
	if base := c.api.cfg.BasePath; base != DefaultBasePath {
		document = bytes.Replace(document, []byte(`"`+DefaultBasePath+`"`), quote(base), 1)
	}
	c.answerText(http.StatusOK, document)
}
