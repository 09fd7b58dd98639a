package conformance

import (
	"fmt"
	"strings"
	"testing"
)

// TestLimits has what lies at and behind the limits of the services, and what
// clients send that was tampered with.
func TestLimits(t *testing.T) {
	t.Parallel()
	run(t, append(append(queueLimits(), blobLimits()...), tableLimits()...))
}

// anyToken is why Azurite differs where a continuation token is none.
const anyToken = "Azurite takes any text for a token; tokens come from an answer and are opaque (Query timeout and pagination)"

func repeat(n int, s step) []step {
	out := make([]step, n)
	for i := range out {
		out[i] = s
	}
	return out
}

func queueLimits() []testCase {
	return []testCase{
		{"a receive has at most 32 messages", append(append([]step{do("queue PUT {q}").want(201)}, repeat(33, do("queue POST {q}/messages").body(message("x")).want(201))...),
			do("queue GET {q}/messages?numofmessages=32&peekonly=true").says("(<QueueMessage>.*){32}").saysNot("(<QueueMessage>.*){33}"),
			do("queue GET {q}/messages?numofmessages=32").says("(<QueueMessage>.*){32}").saysNot("(<QueueMessage>.*){33}"),
			do("queue GET {q}/messages?numofmessages=32").says("<QueueMessage>").saysNot("(<QueueMessage>.*){2}"),
			do("queue GET {q}/messages?numofmessages=32").saysNot("<QueueMessage>"),
		)},
		{"peeking changes nothing", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body(message("x")).want(201).keep("id", idPattern).keep("r", receiptPattern),
			do("queue GET {q}/messages?peekonly=true").says("<DequeueCount>0<"),
			do("queue GET {q}/messages?peekonly=true").says("<DequeueCount>0<"),
			do("queue DELETE {q}/messages/{id}?popreceipt={r!}").want(204),
		}},
		{"an update is checked", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body(message("x")).want(201).keep("id", idPattern).keep("r", receiptPattern),
			do("queue PUT {q}/messages/{id}?popreceipt={r!}").body(message("y")).fails(400, "MissingRequiredQueryParameter").azurite(400, "", unparsed),
			do("queue PUT {q}/messages/{id}?visibilitytimeout=0").body(message("y")).fails(400, "MissingRequiredQueryParameter").azurite(400, "", unparsed),
			do("queue PUT {q}/messages/{id}?visibilitytimeout=-1&popreceipt={r!}").body(message("y")).fails(400, "OutOfRangeQueryParameterValue"),
			do("queue PUT {q}/messages/{id}?visibilitytimeout=0&popreceipt={r!}").body(message(strings.Repeat("x", 65537))).fails(413, "RequestBodyTooLarge"),
			do("queue PUT {q}/messages/{guid1}?visibilitytimeout=0&popreceipt={r!}").body(message("y")).fails(404, "MessageNotFound"),
			do("queue PUT {q}/messages/{id}?visibilitytimeout=0&popreceipt={r!}").body(message(strings.Repeat("y", 65536))).want(204).keepHeader("r", "x-ms-popreceipt"),
			do("queue GET {q}/messages?peekonly=true").says("<MessageText>" + strings.Repeat("y", 65536) + "<"),
			do("queue DELETE {q}/messages/{guid1}?popreceipt={r!}").fails(404, "MessageNotFound"),
			do("queue DELETE {q}/messages/{id}?popreceipt={r!}").want(204),
		}},
		{"texts come back as they were", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body("\uFEFF<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<QueueMessage>\n <MessageText> ä\u4e16&#x1F600; <![CDATA[<a&b>]]>\t&#13;\n</MessageText></QueueMessage>").want(201),
			do("queue GET {q}/messages").says("<MessageText> ä\u4e16\U0001F600 &lt;a&amp;b&gt;\t&#xD;\n</MessageText>").
				azurite(200, "", "Azurite drops white space at the ends of a text; the service keeps what it got (Put Message)"),
			do("queue POST {q}/messages").body("<QueueMessage><MessageText>&#1;</MessageText></QueueMessage>").fails(400, "InvalidXmlDocument").azurite(400, "", unparsed),
		}},
	}
}

func blobLimits() []testCase {
	block := func(id, text string) step { return do("blob PUT {c}/b?comp=block&blockid=" + id).body(text).want(201) }
	list := func(id string) step {
		return do("blob PUT {c}/b?comp=blocklist").body("<BlockList><Latest>" + id + "</Latest></BlockList>").want(201)
	}
	acquire := lease("{c}/b", "acquire").header("x-ms-lease-duration", "60").header("x-ms-proposed-lease-id", "{guid1}").want(201)
	return []testCase{
		{"a lease protects a blob that is written in blocks", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/b", "x"), acquire,
			block("QQ%3D%3D", "1").fails(412, "LeaseIdMissing"),
			block("QQ%3D%3D", "1").header("x-ms-lease-id", "{guid2}").fails(412, "LeaseIdMismatchWithBlobOperation"),
			block("QQ%3D%3D", "1").header("x-ms-lease-id", "{guid1}"),
			list("QQ==").fails(412, "LeaseIdMissing"),
			list("QQ==").header("x-ms-lease-id", "{guid1}").header("If-Match", `"0x1"`).fails(412, "ConditionNotMet"),
			list("QQ==").header("x-ms-lease-id", "{guid1}"),
			do("blob GET {c}/b").says("^1$").has("x-ms-lease-state", "leased"),
			do("blob PUT {c}/b?comp=properties").header("x-ms-blob-content-type", "a/b").fails(412, "LeaseIdMissing"),
			do("blob GET {c}/b?comp=blocklist").header("x-ms-lease-id", "{guid2}").fails(412, "LeaseIdMismatchWithBlobOperation"),
			putBlob("{c}/new", "x").header("x-ms-lease-id", "{guid1}").fails(412, "LeaseNotPresentWithBlobOperation").
				azurite(201, "", "a blob that is not there has no lease with the id that the request names (Lease Blob: outcomes of use attempts)"),
			do("blob DELETE {c}/b").header("x-ms-lease-id", "{guid1}").want(202),
		}},
		{"leases of a blob are looked at before its conditions are", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/b", "x").keepHeader("e", "ETag"), acquire,
			lease("{c}/b", "break").header("x-ms-lease-break-period", "61").fails(400, "InvalidHeaderValue"),
			lease("{c}/b", "renew").header("x-ms-lease-id", "{guid1}").header("If-Match", `"0x1"`).fails(412, "ConditionNotMet"),
			lease("{c}/b", "renew").header("x-ms-lease-id", "{guid1}").header("If-Match", "{e}"),
			lease("{c}/b", "break").header("x-ms-lease-break-period", "60").want(202).has("x-ms-lease-time", "60|59"),
			lease("{c}/b", "break").header("x-ms-lease-break-period", "10").want(202).has("x-ms-lease-time", "10|9"),
			lease("{c}/b", "break").header("x-ms-lease-break-period", "40").want(202).has("x-ms-lease-time", "10|9"),
			lease("{c}/b", "release").header("x-ms-lease-id", "{guid1}"),
			lease("{c}/b", "acquire").header("x-ms-lease-duration", "15").want(201).keepHeader("l", "x-ms-lease-id"),
			lease("{c}/b", "change").header("x-ms-lease-id", "{l}").fails(400, "MissingRequiredHeader").azurite(400, "", unparsed),
			lease("{c}/b", "release").fails(400, "MissingRequiredHeader").azurite(400, "", unparsed),
			lease("{c}/b", "release").header("x-ms-lease-id", "{l}"),
			lease("{c}/b", "acquire").header("x-ms-lease-duration", "15").header("x-ms-proposed-lease-id", "no id").fails(400, "InvalidHeaderValue").
				azurite(201, "", "a proposed id must have the form of a GUID (Lease Blob: x-ms-proposed-lease-id)"),
		}},
		{"names and markers of blobs", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/"+strings.Repeat("n", 1024), "x"),
			putBlob("{c}/"+strings.Repeat("n", 1025), "x").fails(400, "OutOfRangeInput").
				azurite(201, "", "a blob's name has at most 1,024 characters (Naming and referencing containers, blobs, and metadata)"),
			putBlob("{c}/%E4%B8%96%20'%22%26%3C%3E%25", "x"),
			do("blob GET {c}?restype=container&comp=list&prefix=%E4%B8%96").says("<Name>\u4e16 '(\"|&quot;)&amp;&lt;&gt;%</Name>"),
			do("blob GET {c}/%E4%B8%96%20'%22%26%3C%3E%25").says("^x$"),
			do("blob GET {c}?restype=container&comp=list&maxresults=x").fails(400, "InvalidQueryParameterValue").azurite(400, "", unparsed),
			do("blob GET {c}?restype=container&comp=list&maxresults=5001").says("<Name>"),
			do("blob GET {c}?restype=container&comp=list&marker=tampered").fails(400, "InvalidQueryParameterValue").
				azurite(200, "", "Azurite takes any text for a marker; markers come from an answer and are opaque (List Blobs: marker)"),
			do("blob GET {c}?restype=container&comp=list&include=nonsense").fails(400, "InvalidQueryParameterValue").azurite(400, "", unparsed),
		}},
		{"odd ranges and conditions", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/b", "0123456789"),
			do("blob GET {c}/b").header("x-ms-range", "bytes=4-2").says("^0123456789$"),
			do("blob GET {c}/b").header("x-ms-range", "lines=1-2").says("^0123456789$").
				azurite(206, "", "Azurite does not look at the unit; the service knows bytes (Specifying the range header for Blob service operations)"),
			do("blob GET {c}/b").header("x-ms-range", "bytes=1-2").header("Range", "bytes=3-4").want(206).says("^12$"),
			do("blob GET {c}/b").header("If-None-Match", "*").fails(400, "UnsatisfiableCondition"),
			do("blob HEAD {c}/b").header("If-None-Match", "*").fails(400, "UnsatisfiableCondition"),
			do("blob GET {c}/b").header("If-Match", "*"),
			do("blob HEAD {c}/b").header("x-ms-range", "bytes=1-2").has("Content-Length", "10"),
		}},
	}
}

func tableLimits() []testCase {
	var big []string
	for i := range 100 {
		big = append(big, change(i, "PUT", fmt.Sprintf("{t}(PartitionKey='p',RowKey='%02d')", i), "", `{"S":"`+strings.Repeat("x", 20000)+`"}`))
	}
	tooBig := append([]string{}, big...)
	for i := range tooBig {
		tooBig[i] = change(i, "PUT", fmt.Sprintf("{t}(PartitionKey='q',RowKey='%02d')", i), "", `{"S":"`+strings.Repeat("x", 30000)+`","U":"`+strings.Repeat("x", 15000)+`"}`)
	}
	return []testCase{
		{"keys at their limits", []step{
			createTable("{t}"),
			insert(`{"PartitionKey":"","RowKey":""}`),
			do("table GET {t}(PartitionKey='',RowKey='')").says(`"PartitionKey":"","RowKey":""`),
			insert(`{"PartitionKey":"` + strings.Repeat("k", 512) + `","RowKey":"` + strings.Repeat("\u00e4", 512) + `"}`),
			do("table GET {t}(PartitionKey='" + strings.Repeat("k", 512) + "',RowKey='" + strings.Repeat("%C3%A4", 512) + "')").says(`"RowKey":"ä`),
			insert(`{"PartitionKey":"p","RowKey":"`+strings.Repeat("k", 513)+`"}`).fails(400, "KeyValueTooLarge").
				azurite(400, "InvalidInput", "the code for a key of more than 1 KiB is KeyValueTooLarge (Table Storage error codes)"),
			insert(`{"PartitionKey":"p"}`).fails(400, "PropertiesNeedValue"),
			insert(`{"PartitionKey":1,"RowKey":"r"}`).fails(400, "InvalidValueType").
				azurite(500, "", "Azurite fails inside on a key that is no text; the service names the fault (Table Storage error codes: InvalidValueType)"),
			insert(`{"PartitionKey":"p","RowKey":"a\\b"}`).fails(400, "OutOfRangeInput").azurite(400, "InvalidInput", badKeys),
			insert(`{"PartitionKey":"p","RowKey":"a#b"}`).fails(400, "OutOfRangeInput").azurite(400, "InvalidInput", badKeys),
			insert(`{"PartitionKey":"p","RowKey":"a?b"}`).fails(400, "OutOfRangeInput").azurite(400, "InvalidInput", badKeys),
			insert(`{"PartitionKey":"p","RowKey":"a\u0085b"}`).fails(400, "OutOfRangeInput").azurite(400, "InvalidInput", badKeys),
			do("table PUT {t}(PartitionKey='a%2Fb',RowKey='r')").body(`{"A":1}`).fails(400, "OutOfRangeInput").
				azurite(500, "", "Azurite fails inside on a slash in a key; the service names the key (Table Storage error codes: OutOfRangeInput)"),
		}},
		{"every type at every level of metadata", []step{
			createTable("{t}"),
			insert(`{"PartitionKey":"p","RowKey":"r","S":"s","I":-2147483648,"L":"-9223372036854775808","L@odata.type":"Edm.Int64","D":1e300,"W":2,"W@odata.type":"Edm.Double","N":"NaN","N@odata.type":"Edm.Double",` +
				`"B":true,"T":"2026-06-01T12:34:56.789012Z","T@odata.type":"Edm.DateTime","G":"AAAAAAAA-1111-1111-1111-111111111111","G@odata.type":"Edm.Guid","X":"AQI=","X@odata.type":"Edm.Binary","E":null}`),
			do("table GET {t}(PartitionKey='p',RowKey='r')").header("Accept", "application/json;odata=nometadata").
				says(`"S":"s"`).says(`"I":-2147483648`).says(`"L":"-9223372036854775808"`).says(`"W":2(\.0)?[,}]`).says(`"N":"NaN"`).says(`"B":true`).
				says(`"T":"2026-06-01T12:34:56.789012`).says(`(?i)"G":"aaaaaaaa-1111-`).says(`"X":"AQI="`).saysNot("odata").saysNot(`"E"`),
			do("table GET {t}(PartitionKey='p',RowKey='r')").header("Accept", "application/json;odata=minimalmetadata").
				says(`"odata.metadata":"[^"]*\$metadata#{t}/@Element"`).says(`"odata.etag":"W/`).says(`"L@odata.type":"Edm.Int64"`).says(`"T@odata.type":"Edm.DateTime"`).says(`"G@odata.type":"Edm.Guid"`).
				says(`"X@odata.type":"Edm.Binary"`).saysNot(`"S@odata.type"`).saysNot(`"I@odata.type"`).saysNot(`"B@odata.type"`).saysNot(`"Timestamp@odata.type"`),
			do("table GET {t}(PartitionKey='p',RowKey='r')").header("Accept", "application/json;odata=fullmetadata").
				says(`"odata.type":"[^"]*{t}"`).says(`"odata.id":"[^"]*{t}\(PartitionKey='p',RowKey='r'\)"`).says(`"odata.editLink":"{t}\(PartitionKey='p',RowKey='r'\)"`).says(`"Timestamp@odata.type":"Edm.DateTime"`),
			do("table MERGE {t}(PartitionKey='p',RowKey='r')").header("If-Match", "*").body(`{"S":null,"I":5}`).want(204),
			do("table GET {t}(PartitionKey='p',RowKey='r')").says(`"S":"s"`).says(`"I":5`),
		}},
		{"the size of a page is a number", []step{
			createTable("{t}"),
			do("table GET {t}()?$top=1000").says(`"value":\[\]`),
			do("table GET {t}()?$top=-1").fails(400, "InvalidInput").azurite(400, "", unparsed),
			do("table GET {t}()?$top=x").fails(400, "InvalidInput").azurite(400, "", unparsed),
		}},
		{"continuation tokens that were tampered with", []step{
			createTable("{t}"),
			insert(`{"PartitionKey":"a","RowKey":"1"}`),
			do("table GET {t}()?NextPartitionKey=tampered&NextRowKey=with").fails(400, "InvalidInput").azurite(200, "", anyToken),
			do("table GET {t}()?NextPartitionKey=1!4!YQ--&NextRowKey=1!8!***").fails(400, "InvalidInput").azurite(200, "", anyToken),
			do("table GET Tables?NextTableName=tampered").fails(400, "InvalidInput").azurite(200, "", anyToken),
		}},
		{"a batch has at most 4 MiB", []step{
			createTable("{t}"),
			batch(big...).saysNot("odata.error"),
			batch(tooBig...).fails(413, "RequestBodyTooLarge"),
			do("table GET {t}()?$filter=PartitionKey%20eq%20'q'").says(`"value":\[\]`),
		}},
		{"a batch belongs to one table", []step{
			createTable("{t}"), createTable("{t2}"),
			batch(change(0, "POST", "{t}", "", `{"PartitionKey":"p","RowKey":"1"}`), change(1, "POST", "{t2}", "", `{"PartitionKey":"p","RowKey":"2"}`)).
				says("HTTP/1.1 400 ").says(`"code":"`).
				azurite(202, "", "Azurite changes several tables in one batch; the service does not (Performing entity group transactions)"),
			do("table GET {t}()").says(`"value":\[\]`).azurite(200, "", "what the batch above has left behind"),
		}},
		{"ETags change with every version", []step{
			createTable("{t}"),
			do("table PUT {t}(PartitionKey='p',RowKey='r')").body(`{"A":1}`).want(204).keepHeader("e1", "ETag"),
			do("table PUT {t}(PartitionKey='p',RowKey='r')").body(`{"A":1}`).want(204).keepHeader("e2", "ETag"),
			do("table PUT {t}(PartitionKey='p',RowKey='r')").header("If-Match", "{e1}").body(`{"A":1}`).fails(412, "UpdateConditionNotSatisfied"),
			do("table MERGE {t}(PartitionKey='p',RowKey='r')").header("If-Match", "{e1}").body(`{"A":1}`).fails(412, "UpdateConditionNotSatisfied"),
			do("table DELETE {t}(PartitionKey='p',RowKey='r')").header("If-Match", "{e1}").fails(412, "UpdateConditionNotSatisfied"),
			do("table DELETE {t}(PartitionKey='p',RowKey='r')").header("If-Match", "no etag").fails(400, "InvalidInput"),
			do("table DELETE {t}(PartitionKey='p',RowKey='r')").header("If-Match", "{e2}").want(204),
		}},
	}
}
