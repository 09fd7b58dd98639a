package storage

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzConnectionString reads connection strings, and checks that the printed form of one that is understood shows no key.
func FuzzConnectionString(f *testing.F) {
	for _, seed := range []string{
		testConnection + secretKey, "UseDevelopmentStorage=true", "embedded:", "embedded:DIR", "",
		"AccountName=a;SharedAccessSignature=sv=1&sig=abc%3D;BlobEndpoint=https://a.blob.core.windows.net/;",
		"AccountName=a AccountKey=" + secretKey, "BlobEndpoint=https://u:p@x/y?sig=z", ";;=;", "accountname=a;ACCOUNTKEY=" + secretKey + ";",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		printed := RedactConnectionString(text)
		target, err := parseConnectionString(text)
		if strings.HasPrefix(text, embeddedPrefix) {
			return
		}
		if strings.Contains(printed, secretKey) || err != nil && strings.Contains(err.Error(), secretKey) {
			t.Errorf("the key of %q is shown in %q, %v", text, printed, err)
		}
		if err == nil && len(target.key) > 20 && strings.Contains(printed, target.key) {
			t.Errorf("the key of %q is shown in %q", text, printed)
		}
	})
}

// FuzzTransactionAnswer takes apart what a service answers to a transaction.
func FuzzTransactionAnswer(f *testing.F) {
	f.Add("multipart/mixed; boundary=b", []byte("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\nETag: x\r\n\r\n\r\n--c--\r\n--b--\r\n"))
	f.Add("", []byte{})
	f.Add("multipart/mixed; boundary=b", []byte("--b"))
	f.Fuzz(func(_ *testing.T, contentType string, body []byte) {
		_, _ = transactionTags(&http.Response{StatusCode: http.StatusAccepted, Header: http.Header{"Content-Type": {contentType}}}, body)
	})
}
