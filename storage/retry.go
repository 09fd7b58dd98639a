package storage

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// Attribute keys of log records.
const (
	logAccount = "account"
	logService = "service"
	logMethod  = "method"
	logAttempt = "attempt"
	logDelay   = "delay"
	logStatus  = "status"
	logCode    = "code"
	logError   = "error"

	logConcurrency = "concurrency"
)

type withoutRetryKey struct{}

// WithoutRetry makes requests of the context fail with their first attempt, for calls that are worthless when late, such
// as renewing a lease.
func WithoutRetry(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutRetryKey{}, true)
}

// retryPolicy is the one retry layer, see the package's documentation.
type retryPolicy struct {
	maxRetries int
	delay      time.Duration
	maxDelay   time.Duration
	jitter     func(time.Duration) time.Duration
	counts     *counters
	pace       *pace
	logger     *slog.Logger
}

func newRetryPolicy(cfg Config, counts *counters, pace *pace) *retryPolicy {
	return &retryPolicy{
		maxRetries: cfg.MaxRetries, delay: cfg.RetryDelay, maxDelay: cfg.MaxRetryDelay,
		jitter: cfg.Jitter, counts: counts, pace: pace, logger: cfg.Logger,
	}
}

// Do implements policy.Policy.
func (p *retryPolicy) Do(req *policy.Request) (*http.Response, error) {
	ctx := req.Raw().Context()
	return p.attempts(ctx, req.Raw().Method, func() (*http.Response, error) {
		if err := req.RewindBody(); err != nil {
			return nil, err
		}
		// The clone has headers of its own: the policies below sign it with the current time.
		return req.Clone(ctx).Next()
	})
}

// attempts tries until the outcome counts, or there is no time for more.
func (p *retryPolicy) attempts(ctx context.Context, method string, try func() (*http.Response, error)) (*http.Response, error) {
	urgent := ctx.Value(withoutRetryKey{}) != nil
	if urgent {
		p.pace.enterAtOnce()
	} else if err := p.pace.enter(ctx); err != nil {
		return nil, err
	}
	defer p.pace.leave()
	for attempt := 1; ; attempt++ {
		sent := time.Now()
		resp, err := try()
		p.pace.judge(sent, isThrottle(resp, err), err != nil)
		noteUnanswered(ctx, err)
		if attempt > p.maxRetries || !retryable(resp, err) || ctx.Err() != nil || urgent {
			return resp, err
		}
		delay, ok := p.nextDelay(attempt, retryAfter(resp, err))
		if deadline, limited := ctx.Deadline(); !ok || limited && time.Until(deadline) <= delay {
			return resp, err // the answer at hand says more than a deadline exceeded later
		}
		p.report(ctx, method, resp, err, attempt, delay)
		if resp != nil {
			runtime.Drain(resp)
		}
		if err := sleep(ctx, delay); err != nil {
			return nil, err
		}
		if err := p.pace.again(ctx); err != nil {
			return nil, err
		}
		p.counts.retried()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// nextDelay returns how long to wait after an attempt, and false when that is too long.
func (p *retryPolicy) nextDelay(attempt int, asked time.Duration) (time.Duration, bool) {
	if asked > 0 {
		return asked, asked <= p.maxDelay
	}
	limit := p.maxDelay
	const doublings = 30 // beyond them the bound is reached, and shifting would overflow
	if attempt <= doublings {
		limit = min(limit, p.delay<<(attempt-1))
	}
	return p.jitter(limit), true
}

func (p *retryPolicy) report(ctx context.Context, method string, resp *http.Response, err error, attempt int, delay time.Duration) {
	if !p.logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{slog.String(logMethod, method), slog.Int(logAttempt, attempt), slog.Duration(logDelay, delay)}
	if info, ok := ctx.Value(serviceInfoKey{}).(*serviceInfo); ok {
		attrs = append(attrs, slog.String(logAccount, info.account), slog.String(logService, info.service.String()))
	}
	if err != nil {
		attrs = append(attrs, slog.String(logError, briefly(err)))
	} else {
		attrs = append(attrs, slog.Int(logStatus, resp.StatusCode), slog.String(logCode, resp.Header.Get(headerErrorCode)))
	}
	p.logger.LogAttrs(ctx, slog.LevelDebug, "storage request is sent again", attrs...)
}

// retryable tells outcomes that may be different the next time. A transaction's inner answer arrives as an error.
func retryable(resp *http.Response, err error) bool {
	if err == nil {
		return retryableStatus(resp.StatusCode)
	}
	var connection *ConnectionError
	if errors.As(err, &connection) {
		return !connection.permanent
	}
	var answer *azcore.ResponseError
	return errors.As(err, &answer) && retryableStatus(answer.StatusCode)
}

// isThrottle tells answers that refuse a request because of the service's load.
func isThrottle(resp *http.Response, err error) bool {
	status := StatusOf(err)
	if err == nil {
		status = resp.StatusCode
	}
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

func retryableStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= http.StatusInternalServerError
}

// retryAfter returns the delay that the service asks for, 0 for none.
func retryAfter(resp *http.Response, err error) time.Duration {
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		resp = answer.RawResponse
	}
	if resp == nil {
		return 0
	}
	for header, unit := range map[string]time.Duration{
		"Retry-After": time.Second, "X-Ms-Retry-After-Ms": time.Millisecond, "Retry-After-Ms": time.Millisecond,
	} {
		if n, err := strconv.ParseInt(resp.Header.Get(header), 10, 32); err == nil && n > 0 {
			return time.Duration(n) * unit
		}
	}
	if at, err := http.ParseTime(resp.Header.Get("Retry-After")); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
