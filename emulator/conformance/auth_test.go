package conformance

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestAuthentication(t *testing.T) {
	t.Parallel()
	run(t, append(keyCases(), sasCases()...))
}

// sas adds a shared access signature to a request. The fields of the strings
// to sign are those of "Create an account SAS" and "Create a service SAS".
type sas map[string]string

const sasVersion = "2021-12-02"

func sasTime(d time.Duration) string { return time.Now().Add(d).UTC().Format("2006-01-02T15:04:05Z") }

func (f sas) with(name, value string) sas {
	out := sas{name: value}
	for k, v := range f {
		if k != name {
			out[k] = v
		}
	}
	return out
}

// accountSAS allows everything for an hour.
func accountSAS() sas {
	return sas{"sv": sasVersion, "ss": "bqt", "srt": "sco", "sp": "rwdlacup", "st": sasTime(-time.Hour), "se": sasTime(time.Hour), "spr": "https,http"}
}

func (f sas) account(g *target, req *http.Request, _ string) {
	text := strings.Join([]string{g.account, f["sp"], f["ss"], f["srt"], f["st"], f["se"], f["sip"], f["spr"], f["sv"], "", ""}, "\n")
	f.attach(g, req, text)
}

// attach signs and appends; "broken" stands for a wrong signature.
func (f sas) attach(g *target, req *http.Request, text string) {
	key := g.key
	if f["broken"] != "" {
		key = []byte("another key")
	}
	query := req.URL.Query()
	for k, v := range f {
		if k != "broken" && k != "resource" && v != "" {
			query.Set(k, v)
		}
	}
	query.Set("sig", mac(key, text))
	req.URL.RawQuery = query.Encode()
}

// blob signs a blob service SAS for the container or blob of the request.
func (f sas) blob(g *target, req *http.Request, _ string) {
	path := strings.TrimPrefix(mustUnescape(req.URL.EscapedPath()), "/"+g.account+"/")
	if f["sr"] == "c" {
		path, _, _ = strings.Cut(path, "/")
	}
	fields := []string{f["sp"], f["st"], f["se"], "/blob/" + g.account + "/" + path, f["si"], f["sip"], f["spr"], f["sv"], f["sr"], "", "",
		f["rscc"], f["rscd"], f["rsce"], f["rscl"], f["rsct"]}
	f.attach(g, req, strings.Join(fields, "\n"))
}

func (f sas) queue(g *target, req *http.Request, _ string) {
	name, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"+g.account+"/"), "/")
	f.attach(g, req, strings.Join([]string{f["sp"], f["st"], f["se"], "/queue/" + g.account + "/" + name, f["si"], f["sip"], f["spr"], f["sv"]}, "\n"))
}

func (f sas) table(g *target, req *http.Request, _ string) {
	name, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"+g.account+"/"), "(")
	signed := f.with("tn", name)
	fields := []string{f["sp"], f["st"], f["se"], "/table/" + g.account + "/" + strings.ToLower(name), f["si"], f["sip"], f["spr"], f["sv"], f["spk"], f["srk"], f["epk"], f["erk"]}
	signed.attach(g, req, strings.Join(fields, "\n"))
}

func mustUnescape(path string) string {
	out, err := url.PathUnescape(path)
	if err != nil {
		return path
	}
	return out
}

const anonymous = "Azurite refuses anonymous requests as authorized ones; the service asks for authentication (Status and error codes: NoAuthenticationInformation)"

func keyCases() []testCase {
	bad := func(authorization string) func(*target, *http.Request, string) {
		return func(_ *target, req *http.Request, _ string) { req.Header.Set("Authorization", authorization) }
	}
	late := func(g *target, req *http.Request, service string) {
		req.Header.Set("x-ms-date", httpDate(time.Now().Add(-time.Hour)))
		signSharedKey(g, req, service)
	}
	var steps, wrong, malformed, old []step
	for _, s := range []step{do("blob GET ?comp=list&prefix={c}"), do("queue GET ?comp=list&prefix={q}"), do("table GET Tables?$top=1")} {
		lite := s.signed(signLite)
		if s.service == "blob" {
			lite = lite.azurite(403, "", "Azurite does not know SharedKeyLite for blobs; the service knows it for all (Authorize with Shared Key)")
		}
		steps = append(steps, s, lite)
		refused := s.signed(signWrongKey).fails(403, "AuthenticationFailed")
		if s.service != "queue" {
			refused = refused.azurite(403, "AuthorizationFailure", "the code for a wrong signature is AuthenticationFailed (Common REST API error codes)")
		}
		wrong = append(wrong, refused)
		open := s.signed(unsigned).fails(401, "NoAuthenticationInformation").azurite(403, "", anonymous)
		wrong = append(wrong, open)
		for _, header := range []string{"SharedKey", "SharedKey x", "Nonsense a:b", "SharedKey devstoreaccount1:"} {
			malformed = append(malformed, s.signed(bad(header)).fails(400, "InvalidAuthenticationInfo").azurite(403, "", "an Authorization header that is not well formed is InvalidAuthenticationInfo (Common REST API error codes)"))
		}
		malformed = append(malformed,
			s.signed(bad("SharedKey other:c2lnbmF0dXJl")).fails(403, "AuthenticationFailed").azurite(403, "", "the code for another account is AuthenticationFailed (Common REST API error codes)"),
			s.signed(bad("SharedKey devstoreaccount1:###")).fails(403, "AuthenticationFailed").azurite(403, "", "the code for a wrong signature is AuthenticationFailed (Common REST API error codes)"))
		old = append(old, s.signed(late).fails(403, "AuthenticationFailed").azurite(200, "", "a signed request is good for 15 minutes (Authorize with Shared Key: Specifying the Date header)"))
	}
	return []testCase{
		{"SharedKey and SharedKeyLite are accepted", steps},
		{"wrong keys and no keys are refused", wrong},
		{"malformed Authorization headers are refused", malformed},
		{"old requests are refused", old},
	}
}

func sasCases() []testCase {
	all := accountSAS()
	service := sas{"sv": sasVersion, "sp": "r", "st": sasTime(-time.Hour), "se": sasTime(time.Hour)}
	blobSAS := service.with("sr", "b")
	containerSAS := service.with("sr", "c").with("sp", "rwl")
	const mismatch = "Azurite has another code"
	return []testCase{
		{"an account SAS", []step{
			do("blob PUT {c}?restype=container").signed(all.account).want(201),
			putBlob("{c}/a%20b", "x").signed(all.account),
			do("blob GET {c}/a%20b").signed(all.account).says("^x$"),
			do("blob GET ?comp=list&prefix={c}").signed(all.account),
			do("queue PUT {q}").signed(all.account).want(201),
			do("queue POST {q}/messages").body(message("x")).signed(all.account).want(201),
			do("queue GET {q}/messages").signed(all.account).says("<MessageText>x<"),
			createTable("{t}").signed(all.account),
			insert(`{"PartitionKey":"p","RowKey":"r"}`).signed(all.account),
			do("table GET {t}()").signed(all.account).says(`"RowKey":"r"`),
		}},
		{"an account SAS has limits", []step{
			do("blob PUT {c}?restype=container").want(201), putBlob("{c}/b", "x"), do("queue PUT {q}").want(201), createTable("{t}"),
			do("blob GET {c}/b").signed(all.with("broken", "1").account).fails(403, "AuthenticationFailed").azurite(403, "", mismatch),
			do("blob GET {c}/b").signed(all.with("se", sasTime(-time.Minute)).account).fails(403, "AuthenticationFailed").azurite(403, "", mismatch),
			do("blob GET {c}/b").signed(all.with("st", sasTime(time.Minute)).account).fails(403, "AuthenticationFailed").azurite(403, "", mismatch),
			do("blob GET {c}/b").signed(all.with("ss", "qt").account).fails(403, "AuthorizationServiceMismatch"),
			do("blob GET {c}/b").signed(all.with("srt", "sc").account).fails(403, "AuthorizationResourceTypeMismatch"),
			do("blob DELETE {c}/b").signed(all.with("sp", "rwl").account).fails(403, "AuthorizationPermissionMismatch"),
			do("blob GET {c}/b").signed(all.with("sip", "8.8.8.8").account).fails(403, "AuthorizationSourceIPMismatch").azurite(200, "", "Azurite does not look at sip; the service does (Create an account SAS)"),
			do("blob GET {c}/b").signed(all.with("sip", "127.0.0.0-127.0.0.9").account),
			do("blob GET {c}/b").signed(all.with("spr", "https").account).fails(403, "AuthorizationProtocolMismatch").azurite(403, "", mismatch),
			do("queue POST {q}/messages").body(message("x")).signed(all.with("sp", "r").account).fails(403, "AuthorizationPermissionMismatch"),
			do("queue GET {q}/messages?peekonly=true").signed(all.with("sp", "r").account),
			do("table GET {t}()").signed(all.with("sp", "a").account).fails(403, "AuthorizationPermissionMismatch"),
			insert(`{"PartitionKey":"p","RowKey":"r"}`).signed(all.with("sp", "a").account),
			do("table DELETE Tables('{t}')").signed(all.with("sp", "r").account).fails(403, "AuthorizationPermissionMismatch"),
		}},
		{"a blob's and a container's SAS", []step{
			do("blob PUT {c}?restype=container").want(201), putBlob("{c}/dir/b%20c", "x"), putBlob("{c}/other", "y"),
			do("blob GET {c}/dir/b%20c").signed(blobSAS.blob).says("^x$"),
			do("blob GET {c}/dir/b%20c").signed(blobSAS.with("rsct", "text/html").with("rscd", "inline").blob).has("Content-Type", "text/html").has("Content-Disposition", "inline"),
			do("blob DELETE {c}/dir/b%20c").signed(blobSAS.blob).fails(403, "AuthorizationPermissionMismatch"),
			do("blob GET {c}/dir/b%20c").signed(blobSAS.with("se", sasTime(-time.Minute)).blob).fails(403, "AuthenticationFailed").azurite(403, "", mismatch),
			do("blob GET {c}/dir/b%20c").signed(blobSAS.with("broken", "1").blob).fails(403, "AuthenticationFailed").azurite(403, "", mismatch),
			do("blob GET {c}/other").signed(containerSAS.blob).says("^y$"),
			putBlob("{c}/new", "z").signed(containerSAS.blob),
			do("blob GET {c}?restype=container&comp=list").signed(containerSAS.blob).says("<Name>new</Name>"),
			do("blob GET {c}?restype=container&comp=list").signed(containerSAS.with("sp", "r").blob).fails(403, "AuthorizationPermissionMismatch"),
			putBlob("{c}/new", "again").signed(containerSAS.with("sp", "c").blob).fails(403, "UnauthorizedBlobOverwrite").
				azurite(403, "AuthorizationPermissionMismatch", "the permission to create covers new blobs only (Create a service SAS; Blob Storage error codes: UnauthorizedBlobOverwrite)"),
			do("blob PUT {c}?restype=container&comp=acl").body("<SignedIdentifiers><SignedIdentifier><Id>pol</Id><AccessPolicy><Expiry>" + sasTime(time.Hour) + "</Expiry><Permission>r</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>"),
			do("blob GET {c}/other").signed(sas{"sv": sasVersion, "sr": "c", "si": "pol"}.blob).says("^y$"),
			do("blob DELETE {c}/other").signed(sas{"sv": sasVersion, "sr": "c", "si": "pol"}.blob).fails(403, "AuthorizationPermissionMismatch"),
			do("blob GET {c}/other").signed(sas{"sv": sasVersion, "sr": "c", "si": "gone"}.blob).fails(403, "AuthenticationFailed").azurite(403, "", mismatch),
			do("blob DELETE {c}?restype=container").signed(containerSAS.with("sp", "rwdl").blob).want(403),
		}},
		{"a queue's SAS", []step{
			do("queue PUT {q}").want(201),
			do("queue POST {q}/messages").body(message("x")).signed(service.with("sp", "a").queue).want(201),
			do("queue GET {q}/messages").signed(service.with("sp", "a").queue).fails(403, "AuthorizationPermissionMismatch"),
			do("queue GET {q}/messages?peekonly=true").signed(service.queue).says("<MessageText>x<"),
			do("queue GET {q}/messages").signed(service.with("sp", "p").queue).says("<MessageText>x<").keep("id", idPattern).keep("r", receiptPattern),
			do("queue PUT {q}/messages/{id}?visibilitytimeout=0&popreceipt={r!}").signed(service.with("sp", "u").queue).want(204),
			do("queue GET {q}?comp=metadata").signed(service.queue),
		}},
		{"a table's SAS", []step{
			createTable("{t}"), createTable("{t2}"), insert(`{"PartitionKey":"a","RowKey":"1"}`), insert(`{"PartitionKey":"b","RowKey":"1"}`),
			do("table GET {t}()").signed(service.table).says(`"PartitionKey":"a".*"PartitionKey":"b"`),
			insert(`{"PartitionKey":"c","RowKey":"1"}`).signed(service.table).fails(403, "AuthorizationPermissionMismatch"),
			insert(`{"PartitionKey":"c","RowKey":"1"}`).signed(service.with("sp", "a").table),
			do("table PUT {t}(PartitionKey='c',RowKey='1')").body(`{"A":1}`).signed(service.with("sp", "u").table).fails(403, "AuthorizationPermissionMismatch").
				azurite(204, "", "an upsert needs the permissions to add and to update (Create a service SAS)"),
			do("table PUT {t}(PartitionKey='c',RowKey='1')").body(`{"A":1}`).signed(service.with("sp", "au").table).want(204),
			do("table GET {t}()").signed(service.with("spk", "b").with("epk", "b").table).says(`"PartitionKey":"b"`).saysNot(`"PartitionKey":"a"`).
				azurite(200, "", "a table SAS with a key range shows that range only (Create a service SAS)"),
			do("table GET {t}(PartitionKey='a',RowKey='1')").signed(service.with("spk", "b").with("epk", "b").table).want(403).
				azurite(200, "", "a table SAS with a key range shows that range only (Create a service SAS)"),
		}},
	}
}
