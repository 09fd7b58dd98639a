package auth

import (
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// oldestSAS is the first version whose strings to sign are implemented.
const oldestSAS = "2015-04-05"

func identifySAS(r *rest.Request, key *accountKey, dir rest.Directory) (rest.Identity, error) {
	version := r.Param("sv")
	if !validVersion(version) {
		return rest.Identity{}, failed("sv is mandatory and must be a service version.")
	}
	if version < oldestSAS {
		return rest.Identity{}, failed("Shared access signatures before version %s are not supported.", oldestSAS)
	}
	if r.Query.Has("ss") || r.Query.Has("srt") {
		return accountSAS(r, key, version)
	}
	return serviceSAS(r, key, version, dir)
}

func validVersion(v string) bool {
	_, err := time.Parse("2006-01-02", v)
	return err == nil
}

func accountSAS(r *rest.Request, key *accountKey, version string) (rest.Identity, error) {
	id := rest.Identity{SAS: true, AccountSAS: true, Permissions: r.Param("sp"), ResourceTypes: r.Param("srt")}
	fields := []string{r.Account, id.Permissions, r.Param("ss"), id.ResourceTypes, r.Param("st"), r.Param("se"),
		r.Param("sip"), r.Param("spr"), version}
	if version >= "2020-12-06" {
		fields = append(fields, r.Param("ses"))
	}
	if !key.verify(strings.Join(fields, "\n")+"\n", r.Param("sig")) {
		return id, signatureMismatch()
	}
	if id.Permissions == "" || id.ResourceTypes == "" || r.Param("se") == "" {
		return id, failed("sp, srt and se are mandatory in an account SAS.")
	}
	if err := checkTimes(r, r.Param("st"), r.Param("se")); err != nil {
		return id, err
	}
	if err := checkOrigin(r); err != nil {
		return id, err
	}
	if strings.IndexByte(r.Param("ss"), r.Service.Letter()) < 0 {
		return id, rest.ErrServiceMismatch
	}
	return id, nil
}

func serviceSAS(r *rest.Request, key *accountKey, version string, dir rest.Directory) (rest.Identity, error) {
	id := rest.Identity{SAS: true, Permissions: r.Param("sp")}
	if r.Query.Has("skoid") {
		return id, failed("User delegation signatures are not supported by this server.")
	}
	resource, ok := dir.SASResource(r)
	if !ok {
		return id, failed("The signature does not cover the addressed resource.")
	}
	if !key.verify(serviceString(r, version, resource), r.Param("sig")) {
		return id, signatureMismatch()
	}
	start, expiry := r.Param("st"), r.Param("se")
	if policyID := r.Param("si"); policyID != "" {
		policy, ok := dir.StoredPolicy(r, policyID)
		if !ok {
			return id, failed("The stored access policy named by si does not exist.")
		}
		start, expiry = first(start, policy.Start), first(expiry, policy.Expiry)
		id.Permissions = first(id.Permissions, policy.Permission)
	}
	if id.Permissions == "" || expiry == "" {
		return id, failed("sp and se are mandatory in a service SAS, or in the stored access policy it names.")
	}
	if err := checkTimes(r, start, expiry); err != nil {
		return id, err
	}
	if err := checkOrigin(r); err != nil {
		return id, err
	}
	if r.Service == rest.Table {
		id.Keys = keyRange(r)
	}
	return id, nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func serviceString(r *rest.Request, version, resource string) string {
	p := r.Param
	fields := []string{p("sp"), p("st"), p("se"), resource, p("si"), p("sip"), p("spr"), version}
	switch r.Service {
	case rest.Blob:
		if version >= "2018-11-09" {
			fields = append(fields, p("sr"), p("snapshot"))
		}
		if version >= "2020-12-06" {
			fields = append(fields, p("ses"))
		}
		fields = append(fields, p("rscc"), p("rscd"), p("rsce"), p("rscl"), p("rsct"))
	case rest.Table:
		fields = append(fields, p("spk"), p("srk"), p("epk"), p("erk"))
	}
	return strings.Join(fields, "\n")
}

func keyRange(r *rest.Request) *rest.KeyRange {
	k := &rest.KeyRange{
		StartPartition: r.Param("spk"), HasStartPartition: r.Query.Has("spk"),
		StartRow: r.Param("srk"), HasStartRow: r.Query.Has("srk"),
		EndPartition: r.Param("epk"), HasEndPartition: r.Query.Has("epk"),
		EndRow: r.Param("erk"), HasEndRow: r.Query.Has("erk"),
	}
	if !k.HasStartPartition && !k.HasEndPartition {
		return nil
	}
	return k
}

func signatureMismatch() error {
	return failed("Signature did not match.")
}

var sasLayouts = [...]string{"2006-01-02T15:04:05.9999999Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02"}

func parseSASTime(text string) (time.Time, bool) {
	for _, layout := range sasLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func checkTimes(r *rest.Request, start, expiry string) error {
	outside := func() error {
		return failed("Signature not valid in the specified time frame: Start [%s] - Expiry [%s] - Current [%s]",
			start, expiry, rest.HTTPDate(r.Now))
	}
	if start != "" {
		t, ok := parseSASTime(start)
		if !ok {
			return failed("st is not a date of an accepted format.")
		}
		if r.Now.Before(t) {
			return outside()
		}
	}
	t, ok := parseSASTime(expiry)
	if !ok {
		return failed("se is not a date of an accepted format.")
	}
	if !r.Now.Before(t) {
		return outside()
	}
	return nil
}

func checkOrigin(r *rest.Request) error {
	switch spr := r.Param("spr"); spr {
	case "", "https,http", "http,https":
	case "https":
		if r.HTTP.TLS == nil && r.HTTP.URL.Scheme != "https" {
			return rest.ErrProtocolMismatch
		}
	default:
		return failed("spr must be https or https,http.")
	}
	if sip := r.Param("sip"); sip != "" && !allowedIP(sip, remoteIP(r)) {
		return rest.ErrSourceIPMismatch
	}
	return nil
}

// remoteIP is the peer's address; a request that came without a socket is
// from this machine.
func remoteIP(r *rest.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.HTTP.RemoteAddr)
	if err != nil {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return addr.Unmap()
}

func allowedIP(sip string, addr netip.Addr) bool {
	low, high, isRange := strings.Cut(sip, "-")
	from, err := netip.ParseAddr(low)
	if err != nil {
		return false
	}
	to := from
	if isRange {
		if to, err = netip.ParseAddr(high); err != nil {
			return false
		}
	}
	return from.Compare(addr) <= 0 && addr.Compare(to) <= 0
}
