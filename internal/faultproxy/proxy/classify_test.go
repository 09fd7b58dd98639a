package proxy

import (
	"errors"
	"strings"
	"testing"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		service        Service
		method, uri    string
		name, resource string
	}{
		{Queue, "POST", "/acct/hub-control-00/messages?visibilitytimeout=3", "queue.put", "hub-control-00/messages"},
		{Queue, "GET", "/acct/hub-control-00/messages?numofmessages=32", "queue.get", "hub-control-00/messages"},
		{Queue, "GET", "/acct/hub-control-00/messages?peekonly=true", "queue.peek", "hub-control-00/messages"},
		{Queue, "DELETE", "/acct/hub-control-00/messages", "queue.clear", "hub-control-00/messages"},
		{Queue, "PUT", "/acct/q/messages/id?popreceipt=x&visibilitytimeout=0", "queue.update", "q/messages/id"},
		{Queue, "DELETE", "/acct/q/messages/id?popreceipt=x", "queue.delete", "q/messages/id"},
		{Queue, "PUT", "/acct/q", "queue.put.queue", "q"},
		{Queue, "DELETE", "/acct/q", "queue.delete.queue", "q"},
		{Queue, "GET", "/acct/q?comp=metadata", "queue.get.metadata", "q"},
		{Queue, "GET", "/acct/?comp=list", "queue.get.list", ""},
		{Table, "POST", "/acct/Tables", "table.create", "Tables"},
		{Table, "GET", "/acct/Tables?$filter=x", "table.list", "Tables"},
		{Table, "DELETE", "/acct/Tables('H')", "table.drop", "Tables('H')"},
		{Table, "POST", "/acct/$batch", "table.batch", "$batch"},
		{
			Table, "GET", "/acct/HubInstances()?$filter=PartitionKey%20eq%20%27a%27&$top=1&sv=2020&sig=abc&NextRowKey=k", "table.query",
			"HubInstances()?$filter=PartitionKey eq 'a'&$top=1&NextRowKey=k",
		},
		{Table, "GET", "/acct/HubPartitions()", "table.query", "HubPartitions()"},
		{Table, "GET", "/acct/H(PartitionKey='a',RowKey='')", "table.get", "H(PartitionKey='a',RowKey='')"},
		{Table, "POST", "/acct/H", "table.insert", "H"},
		{Table, "PUT", "/acct/H(PartitionKey='a',RowKey='')", "table.replace", "H(PartitionKey='a',RowKey='')"},
		{Table, "PATCH", "/acct/H(PartitionKey='a%2Fb',RowKey='')", "table.merge", "H(PartitionKey='a/b',RowKey='')"},
		{Table, "MERGE", "/acct/H(PartitionKey='a',RowKey='')", "table.merge", "H(PartitionKey='a',RowKey='')"},
		{Table, "POST+MERGE", "/acct/H(PartitionKey='a',RowKey='')", "table.merge", "H(PartitionKey='a',RowKey='')"},
		{Table, "DELETE", "/acct/H(PartitionKey='a',RowKey='')", "table.delete", "H(PartitionKey='a',RowKey='')"},
		{Table, "GET", "/acct/?restype=service&comp=properties", "table.get", ""},
		{Blob, "PUT", "/acct/hub-applease?restype=container", "blob.put.container", "hub-applease"},
		{Blob, "PUT", "/acct/hub-applease?restype=container&comp=lease", "blob.put.lease", "hub-applease"},
		{Blob, "DELETE", "/acct/hub-applease?restype=container", "blob.delete.container", "hub-applease"},
		{Blob, "GET", "/acct/hub-leases?restype=container&comp=list&prefix=intent", "blob.get.list", "hub-leases"},
		{Blob, "PUT", "/acct/c/a/b", "blob.put.blob", "c/a/b"},
		{Blob, "PUT", "/acct/c/a?comp=block&blockid=x", "blob.put.block", "c/a"},
		{Blob, "PUT", "/acct/c/a?comp=blocklist", "blob.put.blocklist", "c/a"},
		{Blob, "HEAD", "/acct/c/a", "blob.head.blob", "c/a"},
		{Blob, "GET", "http://host/acct/c/a", "blob.get.blob", "c/a"},
		{Blob, "GET", "/acct/c/%zz", "blob.get.blob", "c/%zz"},
		{Blob, "GET", "*", "blob.get.container", ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.uri, func(t *testing.T) {
			t.Parallel()
			method, tunneled, _ := strings.Cut(tt.method, "+")
			got := classify(tt.service, &request{method: method, uri: tt.uri, fields: fields{method: tunneled}})
			if got.Name != tt.name || got.Resource != tt.resource {
				t.Errorf("got %s %q, want %s %q", got.Name, got.Resource, tt.name, tt.resource)
			}
		})
	}
}

func TestConnectionStrings(t *testing.T) {
	t.Parallel()
	const given = "AccountName=a;AccountKey=a2V5==;BlobEndpoint=http://127.0.0.1:1/a;queueendpoint=http://127.0.0.1:2/a;TableEndpoint=http://localhost:3/a/;X=y"
	target, err := TargetOf(given)
	if err != nil || target != (Addresses{"127.0.0.1:1", "127.0.0.1:2", "localhost:3"}) {
		t.Fatalf("%+v, %v", target, err)
	}
	through, p := Start(t, given)
	a := p.Addresses()
	want := "AccountName=a;AccountKey=a2V5==;BlobEndpoint=http://" + a.Blob + "/a;queueendpoint=http://" + a.Queue + "/a;TableEndpoint=http://" + a.Table + "/a/;X=y"
	if through != want {
		t.Errorf("got %s, want %s", through, want)
	}
	if target, err := TargetOf("UseDevelopmentStorage=true;"); err != nil || target != PortsFrom(10000) {
		t.Errorf("development storage: %+v, %v", target, err)
	}
	for _, bad := range []string{"", "embedded:", "AccountName=a;EndpointSuffix=core.windows.net", "BlobEndpoint=http://127.0.0.1:1/a", strings.ReplaceAll(given, "http:", "https:")} {
		if _, err := TargetOf(bad); !errors.Is(err, ErrNoEndpoint) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
