package storage

import (
	"net/http"
	"testing"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		service service
		method  string
		path    string
		want    string
	}{
		{serviceQueue, "POST", "/q/messages", "queue.put"},
		{serviceQueue, "POST", "/q/messages?visibilitytimeout=3&messagettl=-1", "queue.put"},
		{serviceQueue, "GET", "/q/messages?numofmessages=32", "queue.get"},
		{serviceQueue, "GET", "/q/messages?peekonly=true", "queue.peek"},
		{serviceQueue, "DELETE", "/q/messages", "queue.clear"},
		{serviceQueue, "DELETE", "/q/messages/1-2?popreceipt=x", "queue.delete"},
		{serviceQueue, "PUT", "/q/messages/1-2?popreceipt=x", "queue.update"},
		{serviceQueue, "PUT", "/q", "queue.create-queue"},
		{serviceQueue, "DELETE", "/q", "queue.delete-queue"},
		{serviceQueue, "GET", "/q?comp=metadata", "queue.metadata"},
		{serviceQueue, "GET", "/?comp=list", "queue.other"},
		{serviceQueue, "PATCH", "/q/messages", "queue.other"},
		{serviceTable, "POST", "/$batch", "table.batch"},
		{serviceTable, "GET", "/HubHistory()?$filter=x", "table.query"},
		{serviceTable, "GET", "/HubHistory(PartitionKey='a',RowKey='b')", "table.get"},
		{serviceTable, "PUT", "/HubHistory(PartitionKey='a(',RowKey='b')", "table.replace"},
		{serviceTable, "PATCH", "/HubHistory(PartitionKey='a',RowKey='b')", "table.merge"},
		{serviceTable, "MERGE", "/HubHistory(PartitionKey='a',RowKey='b')", "table.merge"},
		{serviceTable, "DELETE", "/HubHistory(PartitionKey='a',RowKey='b')", "table.delete"},
		{serviceTable, "POST", "/HubHistory", "table.insert"},
		{serviceTable, "POST", "/Tables", "table.create-table"},
		{serviceTable, "GET", "/Tables", "table.other"},
		{serviceTable, "DELETE", "/Tables('HubHistory')", "table.delete-table"},
		{serviceTable, "GET", "/?restype=service", "table.other"},
		{serviceBlob, "PUT", "/c/a%2Fb.gz", "blob.put"},
		{serviceBlob, "PUT", "/c/b?comp=block&blockid=x", "blob.put-block"},
		{serviceBlob, "PUT", "/c/b?comp=blocklist", "blob.put-block-list"},
		{serviceBlob, "GET", "/c/b", "blob.get"},
		{serviceBlob, "HEAD", "/c/b", "blob.head"},
		{serviceBlob, "DELETE", "/c/b", "blob.delete"},
		{serviceBlob, "PUT", "/c/b?comp=lease", "blob.lease"},
		{serviceBlob, "PUT", "/c/b?comp=metadata", "blob.other"},
		{serviceBlob, "PUT", "/c?restype=container", "blob.create-container"},
		{serviceBlob, "DELETE", "/c?restype=container", "blob.delete-container"},
		{serviceBlob, "GET", "/c?restype=container&comp=list&prefix=a/", "blob.list"},
		{serviceBlob, "PUT", "/c?restype=container&comp=lease", "blob.lease-container"},
		{serviceBlob, "GET", "/c?restype=container", "blob.container-other"},
	} {
		for _, base := range []string{"", "/devstoreaccount1"} {
			req, err := http.NewRequest(c.method, "https://host"+base+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := classify(c.service, base, req).String(); got != c.want {
				t.Errorf("%s %s%s is %s, want %s", c.method, base, c.path, got, c.want)
			}
		}
	}
	seen := map[string]bool{}
	for op := range operationCount {
		if name := op.String(); name == "" || seen[name] {
			t.Errorf("operation %d is called %q", op, name)
		} else {
			seen[name] = true
		}
	}
}
