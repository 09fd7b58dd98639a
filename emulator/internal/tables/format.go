package tables

import (
	"net/url"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/odata"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// readLevel finds the metadata level in $format or Accept. Atom, which ended
// with version 2015-12-11, is refused by name.
func readLevel(r *rest.Request) (odata.Level, error) {
	accept := r.Header.Get("Accept")
	if format := r.Param("$format"); format != "" {
		accept = format
	}
	return parseLevel(accept)
}

func parseLevel(accept string) (odata.Level, error) {
	if accept == "" {
		return odata.MinimalMetadata, nil
	}
	atom := false
	for one := range strings.SplitSeq(accept, ",") {
		media, params, _ := strings.Cut(strings.ToLower(strings.TrimSpace(one)), ";")
		switch strings.TrimSpace(media) {
		case "application/json", "application/*", "*/*", "json":
		case "application/atom+xml", "application/xml":
			atom = true
			continue
		default:
			continue
		}
		return levelOf(params), nil
	}
	if atom {
		return 0, rest.Errorf(415, "AtomFormatNotSupported", "Atom format is not supported.")
	}
	return 0, rest.Errorf(415, "MediaTypeNotSupported", "None of the provided media types are supported")
}

func levelOf(params string) odata.Level {
	for p := range strings.SplitSeq(params, ";") {
		switch strings.ReplaceAll(strings.TrimSpace(p), " ", "") {
		case "odata=nometadata":
			return odata.NoMetadata
		case "odata=fullmetadata":
			return odata.FullMetadata
		}
	}
	return odata.MinimalMetadata
}

// checkContentType refuses bodies that are not JSON.
func checkContentType(contentType string) error {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch strings.TrimSpace(media) {
	case "", "application/json":
		return nil
	case "application/atom+xml", "application/xml":
		return rest.Errorf(415, "AtomFormatNotSupported", "Atom format is not supported.")
	}
	return rest.Errorf(415, "MediaTypeNotSupported", "The content type '%s' is not supported", contentType)
}

// newResponse makes an answer with the headers of OData.
func newResponse(status int) *rest.Response {
	p := rest.NewResponse(status)
	p.Set("Cache-Control", "no-cache")
	p.Set("X-Content-Type-Options", "nosniff")
	p.Set("Dataserviceversion", "3.0;")
	return p
}

// quoteKey writes a key for a URL: quotes doubled, the rest percent-encoded.
func quoteKey(key string) string {
	return strings.ReplaceAll(url.QueryEscape(strings.ReplaceAll(key, "'", "''")), "+", "%20")
}

func entityPath(tableName, partitionKey, rowKey string) string {
	return tableName + "(PartitionKey='" + quoteKey(partitionKey) + "',RowKey='" + quoteKey(rowKey) + "')"
}

// writer makes the JSON of entities for one answer.
type writer struct {
	base, account, table string
	level                odata.Level
	// columns are the names of $select, in its order; nil means all.
	columns []string
}

func (w *writer) metadata(suffix string) string {
	return w.base + "/$metadata#" + w.table + suffix
}

func readSelect(r *rest.Request) []string {
	if !r.Query.Has("$select") {
		return nil
	}
	var out []string
	for name := range strings.SplitSeq(r.Param("$select"), ",") {
		name = strings.TrimSpace(name)
		if name == "*" {
			return nil
		}
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// append writes one entity; head is written first, as members followed by a
// comma.
func (w *writer) append(b []byte, e *entity, head func([]byte) []byte) []byte {
	b = append(b, '{')
	if head != nil && w.level != odata.NoMetadata {
		b = head(b)
	}
	if w.level == odata.FullMetadata {
		path := entityPath(w.table, e.partitionKey, e.rowKey)
		b = appendMember(b, "odata.type", w.account+"."+w.table)
		b = appendMember(b, "odata.id", w.base+"/"+path)
		b = appendETag(b, e)
		b = appendMember(b, "odata.editLink", path)
	} else if w.level == odata.MinimalMetadata {
		b = appendETag(b, e)
	}
	if w.columns != nil {
		b = w.appendColumns(b, e)
	} else {
		b = odata.AppendProperty(b, "PartitionKey", odata.StringValue(e.partitionKey), w.level)
		b = append(b, ',')
		b = odata.AppendProperty(b, "RowKey", odata.StringValue(e.rowKey), w.level)
		b = append(b, ',')
		b = odata.AppendProperty(b, "Timestamp", odata.TicksValue(e.stamp), w.level)
		b = append(b, ',')
		for name, v := range e.packed.all {
			b = odata.AppendProperty(b, name, v, w.level)
			b = append(b, ',')
		}
	}
	return append(trimComma(b), '}')
}

// appendColumns writes the selected columns; one that the entity has not is
// null, as the service answers.
func (w *writer) appendColumns(b []byte, e *entity) []byte {
	for _, name := range w.columns {
		if v, ok := e.Property(name); ok {
			b = odata.AppendProperty(b, name, v, w.level)
		} else {
			b = odata.AppendString(b, name)
			b = append(b, ":null"...)
		}
		b = append(b, ',')
	}
	return b
}

func trimComma(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == ',' {
		return b[:n-1]
	}
	return b
}

func appendMember(b []byte, name, text string) []byte {
	b = odata.AppendString(b, name)
	b = append(b, ':')
	b = odata.AppendString(b, text)
	return append(b, ',')
}

func appendETag(b []byte, e *entity) []byte {
	var etag [64]byte
	b = append(b, `"odata.etag":"W/\"`...)
	b = append(b, odata.AppendETag(etag[:0], e.stamp)[len(`W/"`):]...)
	b[len(b)-1] = '\\'
	return append(b, `"",`...)
}

// Property implements odata.Row.
func (e *entity) Property(name string) (odata.Value, bool) {
	switch name {
	case "PartitionKey":
		return odata.StringValue(e.partitionKey), true
	case "RowKey":
		return odata.StringValue(e.rowKey), true
	case "Timestamp":
		return odata.TicksValue(e.stamp), true
	}
	for found, v := range e.packed.all {
		if found == name {
			return v, true
		}
	}
	return odata.Value{}, false
}

// preferNoContent reads the Prefer header; echo says that it was given and is
// to be confirmed.
func preferNoContent(prefer string) (noContent, echo bool) {
	switch strings.ToLower(strings.TrimSpace(prefer)) {
	case "return-no-content":
		return true, true
	case "return-content":
		return false, true
	}
	return false, false
}
