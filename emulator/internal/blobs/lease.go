package blobs

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/emulator/internal/codec"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// lease is the lease of a blob or container. Its state depends on the time;
// the rules are those of the articles "Lease Blob" and "Lease Container".
type lease struct {
	id string
	// seconds is the duration of the lease, -1 for one without end.
	seconds int64
	// expires is when a lease of fixed duration ends.
	expires rest.Ticks
	// breaking is set once the lease was broken; it is in force until broken.
	breaking bool
	broken   rest.Ticks
}

type leaseState uint8

const (
	available leaseState = iota
	leased
	expired
	breaking
	broken
)

func (s leaseState) String() string {
	return [...]string{"available", "leased", "expired", "breaking", "broken"}[s]
}

// locked reports whether the state protects the resource.
func (s leaseState) locked() bool { return s == leased || s == breaking }

func (l *lease) state(now rest.Ticks) leaseState {
	switch {
	case l.id == "":
		return available
	case l.breaking && now < l.broken:
		return breaking
	case l.breaking:
		return broken
	case l.seconds >= 0 && now >= l.expires:
		return expired
	default:
		return leased
	}
}

// setHeaders describes the lease in an answer.
func (l *lease) setHeaders(p *rest.Response, now rest.Ticks) {
	state := l.state(now)
	p.Set("X-Ms-Lease-State", state.String())
	p.Set("X-Ms-Lease-Status", l.status(state))
	if state == leased {
		p.Set("X-Ms-Lease-Duration", l.kind())
	}
}

func (l *lease) status(state leaseState) string {
	if state.locked() {
		return "locked"
	}
	return "unlocked"
}

func (l *lease) kind() string {
	if l.seconds < 0 {
		return "infinite"
	}
	return "fixed"
}

func (l *lease) appendXML(b []byte, now rest.Ticks) []byte {
	state := l.state(now)
	b = rest.AppendXMLElement(b, "LeaseStatus", l.status(state))
	b = rest.AppendXMLElement(b, "LeaseState", state.String())
	if state == leased {
		b = rest.AppendXMLElement(b, "LeaseDuration", l.kind())
	}
	return b
}

func (l *lease) encode(w *codec.Writer) {
	w.String(l.id)
	w.Int(l.seconds)
	w.Int(int64(l.expires))
	w.Bool(l.breaking)
	w.Int(int64(l.broken))
}

func decodeLease(r *codec.Reader) lease {
	return lease{r.String(), r.Int(), rest.Ticks(r.Int()), r.Bool(), rest.Ticks(r.Int())}
}

var (
	errLeasePresent = &rest.Error{Status: 409, Code: "LeaseAlreadyPresent",
		Message: "There is already a lease present."}
	errBreakingAcquire = &rest.Error{Status: 409, Code: "LeaseIsBreakingAndCannotBeAcquired",
		Message: "The lease ID matched, but the lease is currently in breaking state and cannot be acquired until it is broken."}
	errBreakingChange = &rest.Error{Status: 409, Code: "LeaseIsBreakingAndCannotBeChanged",
		Message: "The lease ID matched, but the lease is currently in breaking state and cannot be changed."}
	errBrokenRenew = &rest.Error{Status: 409, Code: "LeaseIsBrokenAndCannotBeRenewed",
		Message: "The lease ID matched, but the lease has been broken explicitly and cannot be renewed."}
	errLeaseMismatch = &rest.Error{Status: 409, Code: "LeaseIdMismatchWithLeaseOperation",
		Message: "The lease ID specified did not match the lease ID for the blob/container."}
	errNoLease = &rest.Error{Status: 409, Code: "LeaseNotPresentWithLeaseOperation",
		Message: "There is currently no lease on the blob/container."}
	errLeaseMissing = &rest.Error{Status: 412, Code: "LeaseIdMissing",
		Message: "There is currently a lease on the resource and no lease ID was specified in the request."}
	errLeaseLost = &rest.Error{Status: 412, Code: "LeaseLost",
		Message: "A lease ID was specified, but the lease for the resource has expired."}
)

// leaseRequest is what a Lease Blob or Lease Container request asks for.
type leaseRequest struct {
	action       string
	id, proposed string
	seconds      int64
	// period is the break period, -1 when the request has none.
	period int64
}

func readLeaseRequest(r *rest.Request) (leaseRequest, error) {
	q := leaseRequest{action: strings.ToLower(r.Header.Get("X-Ms-Lease-Action")), period: -1}
	var err error
	if q.id, err = leaseID(r, "X-Ms-Lease-Id"); err != nil {
		return q, err
	}
	if q.proposed, err = leaseID(r, "X-Ms-Proposed-Lease-Id"); err != nil {
		return q, err
	}
	switch q.action {
	case "acquire":
		text := r.Header.Get("X-Ms-Lease-Duration")
		if text == "" {
			return q, rest.MissingHeader("x-ms-lease-duration")
		}
		q.seconds, err = strconv.ParseInt(text, 10, 64)
		if err != nil || q.seconds != -1 && (q.seconds < 15 || q.seconds > 60) {
			return q, rest.InvalidHeader("x-ms-lease-duration", text)
		}
	case "break":
		if text := r.Header.Get("X-Ms-Lease-Break-Period"); text != "" {
			q.period, err = strconv.ParseInt(text, 10, 64)
			if err != nil || q.period < 0 || q.period > 60 {
				return q, rest.InvalidHeader("x-ms-lease-break-period", text)
			}
		}
	case "renew", "release", "change":
		if q.id == "" {
			return q, rest.MissingHeader("x-ms-lease-id")
		}
		if q.action == "change" && q.proposed == "" {
			return q, rest.MissingHeader("x-ms-proposed-lease-id")
		}
	case "":
		return q, rest.MissingHeader("x-ms-lease-action")
	default:
		return q, rest.InvalidHeader("x-ms-lease-action", q.action)
	}
	return q, nil
}

// leaseID reads a lease id header: a GUID with or without dashes or brackets.
func leaseID(r *rest.Request, header string) (string, error) {
	text := r.Header.Get(header)
	if text == "" {
		return "", nil
	}
	id := strings.Trim(text, "{}()")
	if len(id) == 32 {
		id = id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
	}
	if !rest.ValidGUID(id) {
		return "", rest.InvalidHeader(strings.ToLower(header), text)
	}
	return strings.ToLower(id), nil
}

// apply carries out a lease request. The answer's status and headers are set;
// fresh is an id to use when the client proposes none.
func (l *lease) apply(q leaseRequest, now rest.Ticks, fresh string, p *rest.Response) error {
	state := l.state(now)
	switch q.action {
	case "acquire":
		return l.acquire(q, state, now, fresh, p)
	case "renew":
		return l.renew(q, state, now, p)
	case "change":
		return l.change(q, state, p)
	case "release":
		if state == available || l.id != q.id {
			return errLeaseMismatch
		}
		*l = lease{}
		p.Status = 200
		return nil
	default:
		return l.breakLease(q, state, now, p)
	}
}

func (l *lease) acquire(q leaseRequest, state leaseState, now rest.Ticks, fresh string, p *rest.Response) error {
	switch {
	case state == leased && l.id != q.proposed, state == breaking && l.id != q.proposed:
		return errLeasePresent
	case state == breaking:
		return errBreakingAcquire
	}
	id := q.proposed
	if id == "" {
		id = fresh
	}
	*l = lease{id: id, seconds: q.seconds}
	l.restart(now)
	p.Status = 201
	p.Set("X-Ms-Lease-Id", id)
	return nil
}

func (l *lease) restart(now rest.Ticks) {
	if l.seconds >= 0 {
		l.expires = now.Add(time.Duration(l.seconds) * time.Second)
	}
}

func (l *lease) renew(q leaseRequest, state leaseState, now rest.Ticks, p *rest.Response) error {
	switch {
	case state == available:
		return errNoLease
	case l.id != q.id:
		return errLeaseMismatch
	case state == breaking, state == broken:
		return errBrokenRenew
	}
	l.restart(now)
	p.Status = 200
	p.Set("X-Ms-Lease-Id", l.id)
	return nil
}

func (l *lease) change(q leaseRequest, state leaseState, p *rest.Response) error {
	switch state {
	case available, expired, broken:
		return errNoLease
	case breaking:
		if l.id == q.id {
			return errBreakingChange
		}
		return errLeaseMismatch
	}
	if l.id != q.id && l.id != q.proposed {
		return errLeaseMismatch
	}
	l.id = q.proposed
	p.Status = 200
	p.Set("X-Ms-Lease-Id", l.id)
	return nil
}

func (l *lease) breakLease(q leaseRequest, state leaseState, now rest.Ticks, p *rest.Response) error {
	var left time.Duration
	switch state {
	case available:
		return errNoLease
	case breaking:
		left = l.broken.Sub(now)
		if q.period >= 0 {
			left = min(left, time.Duration(q.period)*time.Second)
		}
	case leased:
		left = time.Duration(max(q.period, 0)) * time.Second
		if l.seconds >= 0 {
			rest := l.expires.Sub(now)
			if q.period < 0 || left > rest {
				left = rest
			}
		}
	}
	l.breaking, l.broken = true, now.Add(left)
	p.Status = 202
	p.Set("X-Ms-Lease-Time", strconv.FormatInt(int64((left+time.Second-1)/time.Second), 10))
	return nil
}

// check compares the lease id of an operation other than a lease operation
// with the lease. resource is "Blob" or "Container" in the error's code.
func (l *lease) check(r *rest.Request, now rest.Ticks, resource string, write bool) error {
	id, err := leaseID(r, "X-Ms-Lease-Id")
	if err != nil {
		return err
	}
	state := l.state(now)
	switch {
	case id == "" && write && state.locked():
		return errLeaseMissing
	case id == "" || state.locked() && id == l.id:
		return nil
	case state.locked():
		return rest.Errorf(412, "LeaseIdMismatchWith"+resource+"Operation",
			"The lease ID specified did not match the lease ID for the %s.", strings.ToLower(resource))
	case state == available:
		return rest.Errorf(412, "LeaseNotPresentWith"+resource+"Operation",
			"There is currently no lease on the %s.", strings.ToLower(resource))
	default:
		return errLeaseLost
	}
}

// written ends what is left of a lease that no longer protects: after a
// change, an expired lease cannot be renewed.
func (l *lease) written(now rest.Ticks) {
	if state := l.state(now); state == expired || state == broken {
		*l = lease{}
	}
}
