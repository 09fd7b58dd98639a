package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
)

const code = 4711

// newEnv is a hub in memory whose gateways take everything and whose code is known.
func newEnv(t *testing.T, cfg durabletest.Config) *durabletest.Env {
	t.Helper()
	cfg.Environment.Interceptors = []durable.Interceptor{functionTexts{}}
	env := durabletest.NewWith(t, cfg)
	sent := func(context.Context, string) (Challenge, error) { return Challenge{true, code}, nil }
	durabletest.Mock(env, sendSMSChallenge, sent)
	durabletest.Mock(env, sendEmailChallenge, sent)
	return env
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	type answer struct {
		after time.Duration
		value any
	}
	for name, tt := range map[string]struct {
		answers []answer
		want    bool
		elapsed time.Duration
		message string
	}{
		"right at once":         {[]answer{{time.Second, code}}, true, time.Second, "verified"},
		"right at the last try": {[]answer{{time.Second, 1}, {2 * time.Second, "what?"}, {89 * time.Second, code}}, true, 89 * time.Second, "verified"},
		"three wrong ones":      {[]answer{{time.Second, 1}, {2 * time.Second, 2}, {3 * time.Second, 3}, {4 * time.Second, code}}, false, 3 * time.Second, "wrong codes only"},
		"too late":              {[]answer{{time.Second, 1}, {91 * time.Second, code}}, false, 90 * time.Second, "nobody answered in time"},
		"never":                 {nil, false, 90 * time.Second, "nobody answered in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := newEnv(t, durabletest.Config{})
			for _, a := range tt.answers {
				env.RaiseAt(a.after, "smschallengeresponse", a.value)
			}
			got := durabletest.Run(env, PhoneVerification, "+4930123456,name@example.org")
			if got.Err != nil || got.Output != tt.want || got.Elapsed != tt.elapsed {
				t.Errorf("%t after %v, %v; want %t after %v", got.Output, got.Elapsed, got.Err, tt.want, tt.elapsed)
			}
			statuses := durabletest.CustomStatuses[Progress](got)
			if last := statuses[len(statuses)-1]; last != (Progress{100, tt.message}) {
				t.Errorf("last status %+v", last)
			}
			env.AssertNotCalled(sendEmailChallenge)
		})
	}
}

func TestMailInsteadOfSMS(t *testing.T) {
	t.Parallel()
	for _, to := range []string{",name@example.org", "030123456,name@example.org"} {
		env := newEnv(t, durabletest.Config{})
		durabletest.Mock(env, sendSMSChallenge, func(context.Context, string) (Challenge, error) { return Challenge{}, nil })
		env.RaiseAt(time.Second, "SmsChallengeResponse", code)
		if got := durabletest.Run(env, PhoneVerification, to); !got.Output {
			t.Errorf("%q: %v", to, got.Err)
		}
		durabletest.AssertCalledWith(env, sendEmailChallenge, "name@example.org")
	}
}

// TestRetries checks that a gateway gets three chances, five seconds apart, and what is told of one that fails them all.
func TestRetries(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]string{
		2: "",
		3: `Orchestrator function 'E4_SmsPhoneVerification' failed: The activity function 'E4_SendSmsChallenge' failed: "the gateway is busy". See the function execution logs for additional details.`,
	} {
		env := newEnv(t, durabletest.Config{})
		env.On(sendSMSChallenge).FailTimes(failures, errors.New("the gateway is busy"))
		env.RaiseAt(20*time.Second, "SmsChallengeResponse", code)
		got := durabletest.Run(env, PhoneVerification, "+4930123456")
		if got.Output != (want == "") || want != "" && (got.Err == nil || !strings.HasSuffix(got.Err.Error(), want)) {
			t.Errorf("%d failures: %t, %v", failures, got.Output, got.Err)
		}
		env.AssertCalledTimes(sendSMSChallenge, 3)
		for _, timer := range env.Timers()[:2] {
			if timer.Duration() != 5*time.Second {
				t.Errorf("%v between two tries", timer.Duration())
			}
		}
	}
}

func TestNowhereToSend(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"", ",", "030123456"} {
		env := newEnv(t, durabletest.Config{})
		durabletest.Mock(env, sendSMSChallenge, func(context.Context, string) (Challenge, error) { return Challenge{}, nil })
		got := durabletest.Run(env, PhoneVerification, to)
		if want := "Orchestrator function 'E4_SmsPhoneVerification' failed: there is neither"; got.Err == nil || !strings.Contains(got.Err.Error(), want) {
			t.Errorf("%q: %v", to, got.Err)
		}
	}
}

// TestLogsOnce checks that lines are not repeated by replays; durabletest replays the history after every event.
func TestLogsOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	env := newEnv(t, durabletest.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for i := range 3 {
		env.RaiseAt(time.Duration(i+1)*time.Second, "SmsChallengeResponse", i)
	}
	durabletest.Run(env, PhoneVerification, "+4930123456")
	if n := strings.Count(log.String(), "wrong code"); n != 3 {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
}
