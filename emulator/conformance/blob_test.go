package conformance

import "testing"

func TestBlobs(t *testing.T) {
	t.Parallel()
	run(t, append(append(containerCases(), blobCases()...), blockCases()...))
}

func putBlob(path, text string) step {
	return do("blob PUT "+path).header("x-ms-blob-type", "BlockBlob").header("Content-Type", "text/plain").body(text).want(201)
}

func containerCases() []testCase {
	return []testCase{
		{"a container is created, found, and deleted", []step{
			do("blob PUT {c}?restype=container").want(201).has("ETag", `"0x[0-9A-F]+"`).has("Last-Modified", ".* GMT").has("x-ms-request-id", ".+"),
			do("blob PUT {c}?restype=container").fails(409, "ContainerAlreadyExists"),
			do("blob GET {c}?restype=container").has("x-ms-lease-state", "available").has("x-ms-lease-status", "unlocked").has("x-ms-blob-public-access", ""),
			do("blob HEAD {c}?restype=container").has("ETag", ".+"),
			do("blob DELETE {c}?restype=container").want(202),
			do("blob GET {c}?restype=container").fails(404, "ContainerNotFound"),
			do("blob DELETE {c}?restype=container").fails(404, "ContainerNotFound"),
			do("blob GET {c}?restype=container&comp=list").fails(404, "ContainerNotFound"),
			putBlob("{c}/b", "x").fails(404, "ContainerNotFound"),
		}},
		{"container names follow the rules of DNS names", []step{
			do("blob PUT UPPER?restype=container").fails(400, "InvalidResourceName"),
			do("blob PUT ab?restype=container").fails(400, "OutOfRangeInput"),
		}},
		{"container metadata and policies", []step{
			do("blob PUT {c}?restype=container").header("x-ms-meta-CamelCase", "1").want(201).keepHeader("etag", "ETag"),
			do("blob GET {c}?restype=container&comp=metadata").has("x-ms-meta-camelcase", "1"),
			do("blob PUT {c}?restype=container&comp=metadata").header("x-ms-meta-b", "2").want(200).has("ETag", ".+"),
			do("blob GET {c}?restype=container").has("x-ms-meta-b", "2").has("x-ms-meta-camelcase", ""),
			do("blob PUT {c}?restype=container&comp=metadata").header("If-Modified-Since", "{future}").fails(412, "ConditionNotMet"),
			do("blob PUT {c}?restype=container&comp=acl").header("x-ms-blob-public-access", "blob").body("<SignedIdentifiers><SignedIdentifier><Id>p</Id><AccessPolicy><Permission>r</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>"),
			do("blob GET {c}?restype=container&comp=acl").has("x-ms-blob-public-access", "blob").says("<Id>p</Id>"),
			putBlob("{c}/b", "open"),
			do("blob GET {c}/b").signed(unsigned).says("open"),
			do("blob GET {c}?restype=container&comp=list").signed(unsigned).fails(401, "NoAuthenticationInformation").
				azurite(403, "AuthorizationFailure", "Azurite refuses anonymous requests as authorized ones; the service asks for authentication (Status and error codes: NoAuthenticationInformation)"),
			do("blob PUT {c}?restype=container&comp=acl").header("x-ms-blob-public-access", "container"),
			do("blob GET {c}?restype=container&comp=list").signed(unsigned).says("<Name>b</Name>"),
		}},
		{"containers are listed", []step{
			do("blob PUT {c}?restype=container").header("x-ms-meta-k", "v").want(201),
			do("blob GET ?comp=list&prefix={c}").says("<Containers><Container><Name>{c}</Name><Properties><Last-Modified>").says("<LeaseStatus>unlocked<").says("<LeaseState>available<").saysNot("<Metadata>"),
			do("blob GET ?comp=list&prefix={c}&include=metadata").says("<Metadata><k>v</k></Metadata>"),
			do("blob GET ?comp=list&prefix={c}&include=Metadata").says("<Metadata><k>v</k></Metadata>"),
			do("blob GET ?comp=list&maxresults=0").fails(400, "OutOfRangeQueryParameterValue").
				azurite(400, "", unparsed),
		}},
		{"a container's lease", []step{
			do("blob PUT {c}?restype=container").want(201),
			do("blob PUT {c}?restype=container&comp=lease").header("x-ms-lease-action", "acquire").header("x-ms-lease-duration", "15").
				header("x-ms-proposed-lease-id", "{guid1}").want(201).has("x-ms-lease-id", "{guid1}"),
			do("blob GET {c}?restype=container").has("x-ms-lease-state", "leased").has("x-ms-lease-status", "locked").has("x-ms-lease-duration", "fixed"),
			do("blob DELETE {c}?restype=container").fails(412, "LeaseIdMissing"),
			do("blob DELETE {c}?restype=container").header("x-ms-lease-id", "{guid2}").fails(412, "LeaseIdMismatchWithContainerOperation"),
			do("blob GET {c}?restype=container").header("x-ms-lease-id", "{guid2}").fails(412, "LeaseIdMismatchWithContainerOperation"),
			do("blob PUT {c}?restype=container&comp=metadata").header("x-ms-meta-a", "1"),
			putBlob("{c}/b", "a container's lease does not protect its blobs"),
			do("blob PUT {c}?restype=container&comp=lease").header("x-ms-lease-action", "renew").header("x-ms-lease-id", "{guid1}").has("x-ms-lease-id", "{guid1}"),
			do("blob PUT {c}?restype=container&comp=lease").header("x-ms-lease-action", "change").header("x-ms-lease-id", "{guid1}").header("x-ms-proposed-lease-id", "{guid2}").has("x-ms-lease-id", "{guid2}"),
			do("blob PUT {c}?restype=container&comp=lease").header("x-ms-lease-action", "release").header("x-ms-lease-id", "{guid1}").fails(409, "LeaseIdMismatchWithLeaseOperation"),
			do("blob PUT {c}?restype=container&comp=lease").header("x-ms-lease-action", "release").header("x-ms-lease-id", "{guid2}"),
			do("blob DELETE {c}?restype=container").header("x-ms-lease-id", "{guid2}").fails(412, "LeaseNotPresentWithContainerOperation"),
			do("blob DELETE {c}?restype=container").want(202),
		}},
		{"service properties, stats and account", []step{
			do("blob GET ?restype=service&comp=properties").says("<StorageServiceProperties>"),
			do("blob PUT ?restype=service&comp=properties").body("<StorageServiceProperties><DefaultServiceVersion>2024-08-04</DefaultServiceVersion></StorageServiceProperties>").want(202),
			do("blob GET ?restype=service&comp=properties").says("<DefaultServiceVersion>2024-08-04<"),
			do("blob GET ?restype=account&comp=properties").has("x-ms-sku-name", ".+").has("x-ms-account-kind", "StorageV2"),
			do("blob GET {c}?restype=account&comp=properties").has("x-ms-account-kind", "StorageV2"),
		}},
	}
}

func blobCases() []testCase {
	return []testCase{
		{"a blob is put, read, and deleted", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/dir/file%20name+plus", "hello").header("x-ms-meta-Mixed", "v").header("x-ms-blob-content-encoding", "utf8").
				header("x-ms-blob-cache-control", "no-cache").header("x-ms-blob-content-disposition", "inline").header("x-ms-blob-content-language", "de").
				has("ETag", `"0x[0-9A-F]+"`).has("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg==").has("x-ms-request-server-encrypted", "true"),
			do("blob GET {c}/dir/file%20name+plus").says("^hello$").has("Content-Type", "text/plain").has("Content-Length", "5").
				has("x-ms-blob-type", "BlockBlob").has("x-ms-meta-mixed", "v").has("Accept-Ranges", "bytes").has("Content-Encoding", "utf8").
				has("Cache-Control", "no-cache").has("Content-Disposition", "inline").has("Content-Language", "de").has("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg==").
				has("x-ms-creation-time", ".* GMT").has("x-ms-lease-state", "available").has("x-ms-lease-status", "unlocked"),
			do("blob HEAD {c}/dir/file%20name+plus").has("Content-Length", "5").has("x-ms-blob-type", "BlockBlob").has("x-ms-access-tier", "Hot"),
			do("blob GET {c}?restype=container&comp=list").says("<Name>dir/file name\\+plus</Name>"),
			do("blob GET {c}?restype=container&comp=list&include=metadata").says("<Metadata><Mixed>v</Mixed></Metadata>"),
			do("blob DELETE {c}/dir/file%20name+plus").want(202),
			do("blob GET {c}/dir/file%20name+plus").fails(404, "BlobNotFound"),
			do("blob HEAD {c}/dir/file%20name+plus").fails(404, "BlobNotFound"),
			do("blob DELETE {c}/dir/file%20name+plus").fails(404, "BlobNotFound"),
		}},
		{"ranges", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/b", "0123456789"),
			do("blob GET {c}/b").header("x-ms-range", "bytes=2-4").want(206).says("^234$").has("Content-Range", "bytes 2-4/10").has("Content-Length", "3").
				has("x-ms-blob-content-md5", "eB5eJF1ptWaXm4bijSPyxw=="),
			do("blob GET {c}/b").header("Range", "bytes=7-").want(206).says("^789$"),
			do("blob GET {c}/b").header("x-ms-range", "bytes=5-100").want(206).says("^56789$").has("Content-Range", "bytes 5-9/10"),
			do("blob GET {c}/b").header("x-ms-range", "bytes=10-").fails(416, "InvalidRange").
				azurite(206, "", "Azurite returns an empty piece from the first byte behind the blob; the service refuses it (Specifying the range header for Blob service operations)"),
			do("blob GET {c}/b").header("x-ms-range", "bytes=0-3").header("x-ms-range-get-content-md5", "true").want(206).has("Content-MD5", "62L2uTBttXXC1ZaxJ5YnpA=="),
			putBlob("{c}/empty", ""),
			do("blob GET {c}/empty").says("^$").has("Content-Length", "0"),
			do("blob GET {c}/empty").header("x-ms-range", "bytes=0-").fails(416, "InvalidRange").
				azurite(206, "", "Azurite returns an empty piece of an empty blob; the service refuses the range (Specifying the range header for Blob service operations)"),
		}},
		{"properties and metadata of a blob are replaced", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/b", "x").header("x-ms-meta-a", "1").keepHeader("e1", "ETag"),
			do("blob PUT {c}/b?comp=properties").header("x-ms-blob-content-type", "a/b").has("ETag", ".+").keepHeader("e2", "ETag"),
			do("blob GET {c}/b").has("Content-Type", "a/b").has("x-ms-meta-a", "1"),
			do("blob GET {c}/b").has("Content-MD5", "").azurite(200, "", "properties that a request leaves out are cleared, the MD5 among them (Set Blob Properties)"),
			do("blob PUT {c}/b?comp=metadata").header("x-ms-meta-b", "2").has("ETag", ".+"),
			do("blob GET {c}/b?comp=metadata").has("x-ms-meta-b", "2").has("x-ms-meta-a", ""),
			do("blob GET {c}/b").header("If-Match", "{e1}").fails(412, "ConditionNotMet"),
			do("blob PUT {c}/missing?comp=metadata").header("x-ms-meta-b", "2").fails(404, "BlobNotFound"),
			do("blob PUT {c}/b?comp=metadata").header("x-ms-meta-not-allowed", "2").fails(400, "InvalidMetadata"),
		}},
		{"conditional headers", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/new", "x").header("If-Match", "*").fails(412, "ConditionNotMet").
				azurite(201, "", "If-Match with * asks for a blob that exists (Specifying conditional headers for Blob service operations)"),
			putBlob("{c}/b", "x").header("If-None-Match", "*").keepHeader("e", "ETag"),
			putBlob("{c}/b", "x").header("If-None-Match", "*").fails(409, "BlobAlreadyExists"),
			do("blob GET {c}/b").header("If-Match", "{e}"),
			do("blob GET {c}/b").header("If-Match", `"0x1"`).fails(412, "ConditionNotMet"),
			do("blob GET {c}/b").header("If-None-Match", "{e}").want(304),
			do("blob GET {c}/b").header("If-None-Match", `"0x1"`),
			do("blob HEAD {c}/b").header("If-Modified-Since", "{future}").want(304),
			do("blob GET {c}/b").header("If-Modified-Since", "{past}"),
			do("blob GET {c}/b").header("If-Unmodified-Since", "{past}").fails(412, "ConditionNotMet"),
			do("blob GET {c}/b").header("If-Unmodified-Since", "{future}"),
			putBlob("{c}/b", "y").header("If-Match", `"0x1"`).fails(412, "ConditionNotMet"),
			putBlob("{c}/b", "y").header("If-None-Match", "{e}").fails(412, "ConditionNotMet"),
			putBlob("{c}/b", "y").header("If-Match", "{e}"),
			do("blob DELETE {c}/b").header("If-Match", "{e}").fails(412, "ConditionNotMet"),
			do("blob DELETE {c}/b").header("If-Unmodified-Since", "{past}").fails(412, "ConditionNotMet"),
			do("blob PUT {c}/b?comp=lease").header("x-ms-lease-action", "acquire").header("x-ms-lease-duration", "-1").header("If-Match", "{e}").fails(412, "ConditionNotMet"),
			do("blob GET {c}/b").header("If-Modified-Since", "some day").fails(400, "InvalidHeaderValue").
				azurite(304, "", "a date that is none is an invalid header value to the service (Status and error codes)"),
		}},
		{"a blob's lease protects it", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/b", "x").keepHeader("e", "ETag"),
			lease("{c}/b", "acquire").header("x-ms-lease-duration", "15").header("x-ms-proposed-lease-id", "{guid1}").want(201).has("x-ms-lease-id", "{guid1}").has("ETag", "{e}"),
			lease("{c}/b", "acquire").header("x-ms-lease-duration", "-1").header("x-ms-proposed-lease-id", "{guid1}").want(201),
			lease("{c}/b", "acquire").header("x-ms-lease-duration", "15").header("x-ms-proposed-lease-id", "{guid2}").fails(409, "LeaseAlreadyPresent"),
			lease("{c}/b", "acquire").header("x-ms-lease-duration", "15").fails(409, "LeaseAlreadyPresent"),
			do("blob HEAD {c}/b").has("x-ms-lease-state", "leased").has("x-ms-lease-status", "locked").has("x-ms-lease-duration", "infinite"),
			putBlob("{c}/b", "y").fails(412, "LeaseIdMissing"),
			putBlob("{c}/b", "y").header("x-ms-lease-id", "{guid2}").fails(412, "LeaseIdMismatchWithBlobOperation"),
			do("blob GET {c}/b").header("x-ms-lease-id", "{guid2}").fails(412, "LeaseIdMismatchWithBlobOperation"),
			do("blob GET {c}/b").says("^x$"),
			do("blob DELETE {c}/b").fails(412, "LeaseIdMissing"),
			do("blob PUT {c}/b?comp=metadata").header("x-ms-meta-a", "1").fails(412, "LeaseIdMissing"),
			putBlob("{c}/b", "y").header("x-ms-lease-id", "{guid1}"),
			do("blob HEAD {c}/b").has("x-ms-lease-state", "leased"),
			lease("{c}/b", "renew").header("x-ms-lease-id", "{guid2}").fails(409, "LeaseIdMismatchWithLeaseOperation"),
			lease("{c}/b", "renew").header("x-ms-lease-id", "{guid1}").has("x-ms-lease-id", "{guid1}"),
			lease("{c}/b", "change").header("x-ms-lease-id", "{guid1}").header("x-ms-proposed-lease-id", "{guid2}").has("x-ms-lease-id", "{guid2}"),
			lease("{c}/b", "release").header("x-ms-lease-id", "{guid1}").fails(409, "LeaseIdMismatchWithLeaseOperation"),
			lease("{c}/b", "release").header("x-ms-lease-id", "{guid2}"),
			do("blob DELETE {c}/b").header("x-ms-lease-id", "{guid2}").fails(412, "LeaseNotPresentWithBlobOperation"),
			do("blob DELETE {c}/b").want(202),
		}},
		{"a lease that is broken", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/b", "x"),
			lease("{c}/b", "break").fails(409, "LeaseNotPresentWithLeaseOperation"),
			lease("{c}/b", "acquire").header("x-ms-lease-duration", "60").header("x-ms-proposed-lease-id", "{guid1}").want(201),
			lease("{c}/b", "break").header("x-ms-lease-break-period", "30").want(202).has("x-ms-lease-time", "30|29"),
			do("blob HEAD {c}/b").has("x-ms-lease-state", "breaking").has("x-ms-lease-status", "locked"),
			lease("{c}/b", "acquire").header("x-ms-lease-duration", "15").header("x-ms-proposed-lease-id", "{guid1}").fails(409, "LeaseIsBreakingAndCannotBeAcquired"),
			lease("{c}/b", "acquire").header("x-ms-lease-duration", "15").header("x-ms-proposed-lease-id", "{guid2}").fails(409, "LeaseAlreadyPresent"),
			lease("{c}/b", "renew").header("x-ms-lease-id", "{guid1}").fails(409, "LeaseIsBrokenAndCannotBeRenewed"),
			lease("{c}/b", "change").header("x-ms-lease-id", "{guid1}").header("x-ms-proposed-lease-id", "{guid2}").fails(409, "LeaseIsBreakingAndCannotBeChanged"),
			putBlob("{c}/b", "y").header("x-ms-lease-id", "{guid1}"),
			lease("{c}/b", "break").header("x-ms-lease-break-period", "0").want(202).has("x-ms-lease-time", "0"),
			do("blob HEAD {c}/b").has("x-ms-lease-state", "broken").has("x-ms-lease-status", "unlocked"),
			lease("{c}/b", "renew").header("x-ms-lease-id", "{guid1}").fails(409, "LeaseIsBrokenAndCannotBeRenewed"),
			putBlob("{c}/b", "y").header("x-ms-lease-id", "{guid1}").fails(412, "LeaseLost").
				azurite(412, "LeaseNotPresentWithBlobOperation", "the service's code for an id whose lease is over is LeaseLost (Blob Storage error codes)"),
			putBlob("{c}/b", "y"),
			do("blob HEAD {c}/b").has("x-ms-lease-state", "available"),
		}},
		{"an infinite lease breaks at once", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/b", "x"),
			lease("{c}/b", "acquire").header("x-ms-lease-duration", "-1").want(201).keepHeader("l", "x-ms-lease-id").has("x-ms-lease-id", "[0-9a-f-]{36}"),
			lease("{c}/b", "break").want(202).has("x-ms-lease-time", "0"),
			lease("{c}/b", "release").header("x-ms-lease-id", "{l}"),
			do("blob HEAD {c}/b").has("x-ms-lease-state", "available"),
		}},
		{"lease requests are checked", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/b", "x"),
			lease("{c}/b", "acquire").header("x-ms-lease-duration", "14").fails(400, "InvalidHeaderValue"),
			lease("{c}/b", "acquire").header("x-ms-lease-duration", "61").fails(400, "InvalidHeaderValue"),
			lease("{c}/b", "acquire").fails(400, "MissingRequiredHeader").
				azurite(201, "", "Azurite takes a missing duration for an infinite one; the header is mandatory (Lease Blob)"),
			lease("{c}/b", "nonsense").fails(400, "InvalidHeaderValue").
				azurite(400, "", unparsed),
			lease("{c}/missing", "acquire").header("x-ms-lease-duration", "15").fails(404, "BlobNotFound"),
		}},
		{"blobs are listed by prefix, delimiter and in pages", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/a", "1"), putBlob("{c}/b/1", "22"), putBlob("{c}/b/2", "3"), putBlob("{c}/b0", "3"), putBlob("{c}/c/d/e", "4"),
			do("blob GET {c}?restype=container&comp=list").says("<Name>a</Name>.*<Name>b/1</Name>.*<Name>b/2</Name>.*<Name>b0</Name>.*<Name>c/d/e</Name>").
				says("<Content-Length>2</Content-Length>").says("<BlobType>BlockBlob</BlobType>").says("<LeaseState>available<").says("<AccessTier>Hot<"),
			do("blob GET {c}?restype=container&comp=list&delimiter=/").says("<Name>a</Name>").says("<BlobPrefix><Name>b/</Name></BlobPrefix>").says("<Name>b0</Name>").says("<BlobPrefix><Name>c/</Name></BlobPrefix>").saysNot("b/1"),
			do("blob GET {c}?restype=container&comp=list&prefix=b/&delimiter=/").says("<Name>b/1</Name>.*<Name>b/2</Name>").saysNot("<BlobPrefix>"),
			do("blob GET {c}?restype=container&comp=list&prefix=c/&delimiter=/").says("<BlobPrefix><Name>c/d/</Name></BlobPrefix>").saysNot("<Blob>"),
			do("blob GET {c}?restype=container&comp=list&maxresults=2").says("<Name>a</Name>.*<Name>b/1</Name>").saysNot("<Name>b/2</Name>").keep("m", "<NextMarker>([^<]+)</NextMarker>"),
			do("blob GET {c}?restype=container&comp=list&maxresults=2&marker={m!}").says("<Name>b/2</Name>.*<Name>b0</Name>").saysNot("<Name>a</Name>").keep("m", "<NextMarker>([^<]+)</NextMarker>"),
			do("blob GET {c}?restype=container&comp=list&maxresults=2&marker={m!}").says("<Name>c/d/e</Name>").says("<NextMarker ?/>|<NextMarker></NextMarker>"),
			do("blob GET {c}?restype=container&comp=list&maxresults=2&delimiter=/").says("<Name>a</Name>").says("<Name>b/</Name>").keep("m", "<NextMarker>([^<]+)</NextMarker>"),
			do("blob GET {c}?restype=container&comp=list&maxresults=9&delimiter=/&marker={m!}").says("<Name>b0</Name>").says("<Name>c/</Name>").saysNot("<Name>b/</Name>"),
			do("blob GET {c}?restype=container&comp=list&prefix=none").says("<Blobs ?/>|<Blobs></Blobs>"),
		}},
		{"what is no block blob is refused by name", []step{
			do("blob PUT {c}?restype=container").want(201),
			do("blob PUT {c}/b").header("x-ms-blob-type", "Nonsense").body("x").fails(400, "InvalidHeaderValue").
				azurite(400, "", unparsed),
			do("blob PUT {c}/b").body("x").fails(400, "MissingRequiredHeader").
				azurite(400, "", unparsed),
			do("blob PUT {c}/b").header("x-ms-blob-type", "AppendBlob").fails(400, "BlobTypeNotSupported").says("AppendBlob is not supported").
				azurite(201, "", "append blobs are outside of what the emulator offers"),
			do("blob PUT {c}/p").header("x-ms-blob-type", "PageBlob").header("x-ms-blob-content-length", "512").fails(400, "BlobTypeNotSupported").says("PageBlob is not supported").
				azurite(201, "", "page blobs are outside of what the emulator offers"),
		}},
		{"what is left out is refused by name", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/b", "x"),
			do("blob PUT {c}/b?comp=snapshot").fails(400, "UnsupportedQueryParameter").says("<QueryParameterValue>snapshot<").leftOut(),
			do("blob PUT {c}/b?comp=tags").body("<Tags/>").fails(400, "UnsupportedQueryParameter").leftOut(),
			do("blob PUT {c}/b?comp=undelete").fails(400, "UnsupportedQueryParameter").leftOut(),
			do("blob PUT {c}/b?comp=appendblock").body("x").fails(400, "UnsupportedQueryParameter").leftOut(),
			do("blob PUT {c}/b?comp=page").body("x").fails(400, "UnsupportedQueryParameter").leftOut(),
			do("blob GET {c}/b?snapshot=2026-01-01T00:00:00.0000000Z").fails(400, "UnsupportedQueryParameter").leftOut(),
			do("blob GET {c}/b?versionid=2026-01-01T00:00:00.0000000Z").fails(400, "UnsupportedQueryParameter").leftOut(),
			do("blob POST {c}?restype=container&comp=batch").body("x").fails(400, "UnsupportedQueryParameter").leftOut(),
			do("blob POST ?restype=service&comp=userdelegationkey").body("<KeyInfo/>").fails(400, "UnsupportedQueryParameter").leftOut(),
			do("blob PUT {c}/copy").header("x-ms-copy-source", "http://127.0.0.1/x").fails(400, "UnsupportedHeader").says("<HeaderName>x-ms-copy-source<").leftOut(),
			putBlob("{c}/b", "x").header("x-ms-tags", "a=b").fails(400, "UnsupportedHeader").leftOut(),
			putBlob("{c}/b", "x").header("x-ms-encryption-scope", "s").fails(400, "UnsupportedHeader").leftOut(),
			putBlob("{c}/b", "x").header("x-ms-access-tier", "Archive").fails(400, "InvalidHeaderValue").leftOut(),
			do("blob GET {c}/b").header("x-ms-if-tags", "a='b'").fails(400, "UnsupportedHeader").leftOut(),
			do("blob GET {c}/b?comp=nonsense").fails(400, "InvalidQueryParameterValue").leftOut(),
			do("blob GET {c}/b?comp=block&blockid=QQ%3D%3D").fails(405, "UnsupportedHttpVerb").leftOut(),
			do("blob GET alone").fails(400, "InvalidUri").leftOut(),
			do("blob PUT {c}/b?comp=tier").header("x-ms-access-tier", "Cool"),
			do("blob HEAD {c}/b").has("x-ms-access-tier", "Cool"),
			do("blob OPTIONS {c}/b").header("Origin", "http://x").header("Access-Control-Request-Method", "GET").fails(403, "CorsPreflightFailure").leftOut(),
			do("table PUT {t}").body("{}").fails(405, "MethodNotAllowed").leftOut(),
			do("table GET {t}?comp=nonsense").fails(400, "InvalidQueryParameterValue").leftOut(),
			do("table GET $metadata").fails(400, "InvalidUri").leftOut(),
		}},
		{"checksums are compared", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/b", "hello").header("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="),
			putBlob("{c}/b", "other").header("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg==").fails(400, "Md5Mismatch").
				azurite(400, "InvalidOperation", "the service's code is Md5Mismatch (Common REST API error codes)"),
			putBlob("{c}/b", "hello").header("x-ms-content-crc64", "eQ==").fails(400, "Crc64Mismatch").
				azurite(500, "FeatureNotSupported", "Azurite does not know x-ms-content-crc64; the service compares it (Put Blob)"),
		}},
	}
}

func lease(path, action string) step {
	return do("blob PUT "+path+"?comp=lease").header("x-ms-lease-action", action)
}

func blockCases() []testCase {
	block := func(id, text string) step {
		return do("blob PUT {c}/b?comp=block&blockid=" + id).body(text).want(201)
	}
	list := func(inner string) step {
		return do("blob PUT {c}/b?comp=blocklist").body("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>" + inner + "</BlockList>").want(201)
	}
	return []testCase{
		{"blocks become a blob", []step{
			do("blob PUT {c}?restype=container").want(201),
			block("QQ%3D%3D", "first "), block("Qg%3D%3D", "second "), block("Qw%3D%3D", "third"),
			do("blob GET {c}/b").fails(404, "BlobNotFound"),
			do("blob GET {c}?restype=container&comp=list").saysNot("<Name>b</Name>"),
			do("blob GET {c}?restype=container&comp=list&include=uncommittedblobs").says("<Name>b</Name>"),
			do("blob GET {c}/b?comp=blocklist&blocklisttype=all").says("<UncommittedBlocks><Block><Name>QQ==</Name><Size>6</Size></Block><Block><Name>Qg==</Name>"),
			list("<Latest>Qg==</Latest><Uncommitted>QQ==</Uncommitted>").header("x-ms-blob-content-type", "text/x").header("x-ms-meta-a", "1").has("ETag", ".+"),
			do("blob GET {c}/b").says("^second first $").has("Content-Type", "text/x").has("x-ms-meta-a", "1").has("Content-Length", "13"),
			do("blob GET {c}/b?comp=blocklist").says("<CommittedBlocks><Block><Name>Qg==</Name><Size>7</Size></Block><Block><Name>QQ==</Name>").saysNot("Qw==").has("x-ms-blob-content-length", "13"),
			list("<Committed>QQ==</Committed><Uncommitted>Qw==</Uncommitted>").fails(400, "InvalidBlockList").
				azurite(400, "InvalidBlockList", "the same"),
			block("Qw%3D%3D", "third"),
			list("<Committed>QQ==</Committed><Uncommitted>Qw==</Uncommitted><Latest>QQ==</Latest>"),
			do("blob GET {c}/b").header("x-ms-range", "bytes=4-12").want(206).says("^t thirdfi$"),
		}},
		{"block ids and lists are checked", []step{
			do("blob PUT {c}?restype=container").want(201),
			block("QQ%3D%3D", "x"),
			block("QUI%3D", "another length").fails(400, "InvalidBlobOrBlock"),
			do("blob PUT {c}/b?comp=block&blockid=***").body("x").fails(400, "InvalidQueryParameterValue"),
			do("blob PUT {c}/b?comp=block").body("x").fails(400, "MissingRequiredQueryParameter").
				azurite(400, "", unparsed),
			list("<Latest>Wg==</Latest>").fails(400, "InvalidBlockList"),
			do("blob PUT {c}/b?comp=blocklist").body("<BlockList><Latest>").fails(400, "InvalidXmlDocument").
				azurite(400, "", unparsed),
			list(""),
			do("blob GET {c}/b").says("^$"),
		}},
		{"a blob of one piece has no blocks", []step{
			do("blob PUT {c}?restype=container").want(201),
			putBlob("{c}/b", "whole"),
			do("blob GET {c}/b?comp=blocklist").says("<CommittedBlocks ?/>|<CommittedBlocks></CommittedBlocks>"),
			block("QQ%3D%3D", "x"),
			putBlob("{c}/b", "again"),
			do("blob GET {c}/b?comp=blocklist&blocklisttype=uncommitted").saysNot("QQ==").
				azurite(200, "", "Put Blob discards the blob's uncommitted blocks (Put Block: remarks)"),
		}},
	}
}
