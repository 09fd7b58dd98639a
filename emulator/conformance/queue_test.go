package conformance

import (
	"strings"
	"testing"
)

func message(text string) string {
	return "<QueueMessage><MessageText>" + text + "</MessageText></QueueMessage>"
}

// unparsed is why Azurite differs in many cases of malformed requests.
const unparsed = "Azurite answers what it cannot parse with an empty body; the service has a code for each fault (Status and error codes)"

const (
	idPattern      = `<MessageId>([^<]+)</MessageId>`
	receiptPattern = `<PopReceipt>([^<]+)</PopReceipt>`
)

func TestQueues(t *testing.T) {
	t.Parallel()
	run(t, queueCases())
}

func queueCases() []testCase {
	return []testCase{
		{"a queue is created, found, and deleted", []step{
			do("queue PUT {q}").want(201).has("x-ms-request-id", ".+").has("x-ms-version", "2024-08-04|2025-11-05").has("Date", ".+"),
			do("queue PUT {q}").want(204),
			do("queue PUT {q}").header("x-ms-meta-a", "1").fails(409, "QueueAlreadyExists"),
			do("queue GET {q}?comp=metadata").has("x-ms-approximate-messages-count", "0"),
			do("queue DELETE {q}").want(204),
			do("queue DELETE {q}").fails(404, "QueueNotFound"),
			do("queue GET {q}?comp=metadata").fails(404, "QueueNotFound"),
			do("queue GET {q}/messages").fails(404, "QueueNotFound"),
			do("queue POST {q}/messages").body(message("x")).fails(404, "QueueNotFound"),
		}},
		{"queue names follow the rules of DNS names", []step{
			do("queue PUT UPPER").fails(400, "InvalidResourceName"),
			do("queue PUT a--b").fails(400, "InvalidResourceName"),
			do("queue PUT ab").fails(400, "OutOfRangeInput"),
			do("queue PUT "+strings.Repeat("a", 64)).fails(400, "OutOfRangeInput"),
		}},
		{"queue metadata is set and replaced", []step{
			do("queue PUT {q}").header("x-ms-meta-First", "1").want(201),
			do("queue GET {q}?comp=metadata").has("x-ms-meta-first", "1"),
			do("queue PUT {q}?comp=metadata").header("x-ms-meta-second", "2").want(204),
			do("queue HEAD {q}?comp=metadata").has("x-ms-meta-second", "2").has("x-ms-meta-first", ""),
			do("queue PUT {q}?comp=metadata").want(204),
			do("queue GET {q}?comp=metadata").has("x-ms-meta-second", ""),
		}},
		{"a message is put, received and deleted", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body(message("a &lt;b&gt; &amp; &quot;c&quot;")).want(201).
				says("<QueueMessagesList>").says("<InsertionTime>[A-Z][a-z]{2}, ").says("<ExpirationTime>").says("<TimeNextVisible>").
				saysNot("<MessageText>").saysNot("<DequeueCount>").keep("id", idPattern),
			do("queue GET {q}/messages").says(`<MessageText>a &lt;b&gt; &amp; ("|&quot;)c("|&quot;)</MessageText>`).says("<DequeueCount>1</DequeueCount>").
				says("<MessageId>{id}<").keep("r", receiptPattern),
			do("queue GET {q}/messages").saysNot("<MessageId>"),
			do("queue DELETE {q}/messages/{id}?popreceipt={r!}").want(204),
			do("queue DELETE {q}/messages/{id}?popreceipt={r!}").fails(404, "MessageNotFound"),
		}},
		{"the receipt of Put Message deletes and updates", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body(message("x")).want(201).keep("id", idPattern).keep("r", receiptPattern),
			do("queue PUT {q}/messages/{id}?visibilitytimeout=0&popreceipt={r!}").body(message("y")).want(204).
				has("x-ms-popreceipt", ".+").has("x-ms-time-next-visible", ".* GMT").keepHeader("r2", "x-ms-popreceipt"),
			do("queue DELETE {q}/messages/{id}?popreceipt={r!}").fails(400, "PopReceiptMismatch"),
			do("queue DELETE {q}/messages/{id}?popreceipt={r2!}").want(204),
		}},
		{"receiving again makes the older receipt worthless", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body(message("x")).want(201).keep("id", idPattern).keep("r", receiptPattern),
			do("queue GET {q}/messages?visibilitytimeout=30").says("<MessageId>"),
			do("queue DELETE {q}/messages/{id}?popreceipt={r!}").fails(400, "PopReceiptMismatch"),
			do("queue PUT {q}/messages/{id}?visibilitytimeout=0&popreceipt={r!}").body(message("y")).fails(400, "PopReceiptMismatch"),
		}},
		{"the dequeue count counts", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body(message("x")).want(201),
			do("queue GET {q}/messages").says("<DequeueCount>1<").keep("id", idPattern).keep("r", receiptPattern),
			do("queue PUT {q}/messages/{id}?visibilitytimeout=0&popreceipt={r!}").body(message("x")).want(204),
			do("queue GET {q}/messages?peekonly=true").says("<DequeueCount>1<").saysNot("<PopReceipt>").saysNot("<TimeNextVisible>"),
			do("queue GET {q}/messages").says("<DequeueCount>2<"),
		}},
		{"an update without a body changes the visibility only", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body(message("kept")).want(201).keep("id", idPattern).keep("r", receiptPattern),
			do("queue PUT {q}/messages/{id}?visibilitytimeout=0&popreceipt={r!}").want(204),
			do("queue GET {q}/messages").says("<MessageText>kept<"),
		}},
		{"an invisible message cannot be received or peeked", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages?visibilitytimeout=100").body(message("later")).want(201),
			do("queue GET {q}/messages").saysNot("<MessageId>"),
			do("queue GET {q}/messages?peekonly=true").saysNot("<MessageId>"),
			do("queue GET {q}?comp=metadata").has("x-ms-approximate-messages-count", "1"),
		}},
		{"messages come in the order they were put", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body(message("1")).want(201),
			do("queue POST {q}/messages").body(message("2")).want(201),
			do("queue POST {q}/messages").body(message("3")).want(201),
			do("queue GET {q}/messages?numofmessages=32&peekonly=true").says("<MessageText>1<.*<MessageText>2<.*<MessageText>3<"),
			do("queue GET {q}/messages?numofmessages=2").says("<MessageText>1<.*<MessageText>2<").saysNot("<MessageText>3<"),
		}},
		{"numbers outside their range are refused", []step{
			do("queue PUT {q}").want(201),
			do("queue GET {q}/messages?numofmessages=33").fails(400, "OutOfRangeQueryParameterValue").
				says("<QueryParameterName>numofmessages</QueryParameterName>").says("<MaximumAllowed>32</MaximumAllowed>"),
			do("queue GET {q}/messages?numofmessages=0").fails(400, "OutOfRangeQueryParameterValue").azurite(400, "", unparsed),
			do("queue GET {q}/messages?numofmessages=some").fails(400, "InvalidQueryParameterValue").azurite(400, "", unparsed),
			do("queue GET {q}/messages?visibilitytimeout=0").fails(400, "OutOfRangeQueryParameterValue"),
			do("queue GET {q}/messages?visibilitytimeout=604801").fails(400, "OutOfRangeQueryParameterValue"),
			do("queue GET {q}/messages?visibilitytimeout=604800"),
			do("queue GET {q}/messages?peekonly=true&numofmessages=33").fails(400, "OutOfRangeQueryParameterValue"),
			do("queue POST {q}/messages?visibilitytimeout=604801").body(message("x")).fails(400, "OutOfRangeQueryParameterValue"),
			do("queue POST {q}/messages?visibilitytimeout=-1").body(message("x")).fails(400, "OutOfRangeQueryParameterValue"),
			do("queue POST {q}/messages?visibilitytimeout=604800&messagettl=-1").body(message("x")).want(201),
		}},
		{"a time to live must be longer than the invisibility", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages?messagettl=0").body(message("x")).fails(400, "InvalidQueryParameterValue"),
			do("queue POST {q}/messages?messagettl=10&visibilitytimeout=10").body(message("x")).fails(400, "InvalidQueryParameterValue"),
			do("queue POST {q}/messages?messagettl=-1").body(message("x")).want(201).says("<ExpirationTime>Fri, 31 Dec 9999 23:59:59 GMT<"),
			do("queue POST {q}/messages?messagettl=8640000").body(message("x")).want(201),
		}},
		{"a message has at most 64 KiB", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body(message(strings.Repeat("x", 65536))).want(201),
			do("queue POST {q}/messages").body(message(strings.Repeat("&lt;", 65536))).want(201),
			do("queue POST {q}/messages").body(message(strings.Repeat("x", 65537))).fails(413, "RequestBodyTooLarge"),
		}},
		{"what is no message is refused", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body("<QueueMessage><MessageText>x").fails(400, "InvalidXmlDocument").azurite(400, "", unparsed),
			do("queue POST {q}/messages").body("{}").fails(400, "InvalidXmlDocument").azurite(400, "", unparsed),
			do("queue POST {q}/messages").body("<QueueMessage />").fails(400, "InvalidXmlDocument"),
			do("queue POST {q}/messages").body(message("")).want(201),
			do("queue GET {q}/messages").says("<MessageText ?/>|<MessageText></MessageText>"),
		}},
		{"a receipt is needed and must be one", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body(message("x")).want(201).keep("id", idPattern),
			do("queue DELETE {q}/messages/{id}").fails(400, "MissingRequiredQueryParameter").azurite(400, "", unparsed),
			do("queue DELETE {q}/messages/{id}?popreceipt=nonsense").fails(400, "InvalidQueryParameterValue").
				azurite(400, "PopReceiptMismatch", "what never was a receipt is an invalid value to the service (Queue Storage error codes)"),
			do("queue PUT {q}/messages/{id}?visibilitytimeout=604801&popreceipt=AgAAAAMAAAAAAAAAhdn1oyBd2gE%3D").body(message("x")).fails(400, "OutOfRangeQueryParameterValue"),
		}},
		{"clearing removes every message", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body(message("x")).want(201),
			do("queue POST {q}/messages?visibilitytimeout=60").body(message("y")).want(201),
			do("queue DELETE {q}/messages").want(204),
			do("queue GET {q}?comp=metadata").has("x-ms-approximate-messages-count", "0"),
		}},
		{"queues are listed by prefix, in pages", []step{
			do("queue PUT {q}").header("x-ms-meta-k", "v").want(201),
			do("queue GET ?comp=list&prefix={q}").says("<EnumerationResults ServiceEndpoint=").says("<Prefix>{q}</Prefix>").
				says("<Queues><Queue><Name>{q}</Name>").saysNot("<Metadata>").says("<NextMarker ?/>|<NextMarker></NextMarker>"),
			do("queue GET ?comp=list&prefix={q}&include=metadata").says("<Metadata><k>v</k></Metadata>"),
			do("queue GET ?comp=list&maxresults=0").fails(400, "OutOfRangeQueryParameterValue").azurite(400, "", unparsed),
			do("queue DELETE {q}").want(204),
			do("queue GET ?comp=list&prefix={q}").saysNot("<Queue>"),
		}},
		{"stored access policies of a queue are kept", []step{
			do("queue PUT {q}").want(201),
			do("queue PUT {q}?comp=acl").body("<SignedIdentifiers><SignedIdentifier><Id>one</Id><AccessPolicy><Start>2026-01-01</Start><Expiry>2036-01-01</Expiry><Permission>raup</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>").want(204),
			do("queue GET {q}?comp=acl").says("<Id>one</Id>").says("<Permission>raup</Permission>"),
			do("queue PUT {q}?comp=acl").body("<SignedIdentifiers>").fails(400, "InvalidXmlDocument").azurite(400, "", unparsed),
		}},
		{"the service's properties are read and set", []step{
			do("queue GET ?restype=service&comp=properties").says("<StorageServiceProperties>").says("<HourMetrics>"),
			do("queue PUT ?restype=service&comp=properties").body("<StorageServiceProperties><Logging><Version>1.0</Version><Delete>true</Delete><Read>false</Read><Write>false</Write><RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></Logging></StorageServiceProperties>").want(202),
			do("queue GET ?restype=service&comp=properties").says("<Delete>true</Delete>"),
			do("queue PUT ?restype=service&comp=properties").body("<StorageServiceProperties><Logging><Version>1.0</Version><Delete>false</Delete><Read>false</Read><Write>false</Write><RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></Logging></StorageServiceProperties>").want(202),
			do("queue PUT ?restype=service&comp=properties").body("nonsense").fails(400, "InvalidXmlDocument").azurite(400, "", unparsed),
		}},
		{"unknown operations are refused", []step{
			do("queue PUT {q}").want(201),
			do("queue GET {q}?comp=nonsense").fails(400, "InvalidQueryParameterValue").azurite(400, "", unparsed),
			do("queue PATCH {q}").fails(405, "UnsupportedHttpVerb").azurite(400, "", unparsed),
			do("queue GET {q}/other").fails(400, "InvalidUri").
				azurite(200, "", "Azurite takes any second segment for messages; it addresses no resource of the service (Status and error codes: InvalidUri)"),
		}},
	}
}
