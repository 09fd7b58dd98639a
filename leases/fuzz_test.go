package leases

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/internal/layout"
)

// FuzzHubInfo reads taskhub.json, which any .NET process may have written.
func FuzzHubInfo(f *testing.F) {
	for _, seed := range []string{
		`{"TaskHubName":"orders","CreatedAt":"2026-06-01T12:00:00Z","PartitionCount":4}`,
		"\xef\xbb\xbf" + `{"TaskHubName":"Orders","CreatedAt":"?","PartitionCount":16}`,
		`{"TaskHubName":"orders","PartitionCount":-1}`, `{"PartitionCount":1e9}`, `[]`, ``, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		info, err := parseHubInfo(text, "orders")
		if err != nil {
			var wrong *HubInfoError
			if !errors.As(err, &wrong) {
				t.Errorf("error %v", err)
			}
			return
		}
		if !strings.EqualFold(info.TaskHubName, "orders") || info.PartitionCount < layout.MinPartitions || info.PartitionCount > layout.MaxPartitions {
			t.Errorf("%q was understood as %+v", text, info)
		}
	})
}
