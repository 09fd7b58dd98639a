package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

const (
	timeToAnswer = 90 * time.Second
	tries        = 3
	logTry       = "try"
)

// Challenge says whether a code was sent, and which.
type Challenge struct {
	Success bool
	Value   int
}

// Progress is the custom status of a verification.
type Progress struct {
	Percentage int    `json:"percentage"`
	Message    string `json:"message"`
}

// The activities by their names. What they do needs a gateway, so main binds it.
var (
	sendSMSChallenge   = durable.DeclareActivity[string, Challenge]("E4_SendSmsChallenge")
	sendEmailChallenge = durable.DeclareActivity[string, Challenge]("E4_SendEmailChallenge")
)

// retry is what Durable Functions writes as new RetryOptions(TimeSpan.FromSeconds(5), 3).
var retry = durable.WithRetry(durable.RetryPolicy{FirstInterval: 5 * time.Second, MaxAttempts: 3})

// PhoneVerification sends a code to the phone or the mailbox of "+49…,name@example.org", and tells whether somebody there answered with it in
// time: the event SmsChallengeResponse, within 90 seconds and three tries.
var PhoneVerification = durable.NewOrchestrator("E4_SmsPhoneVerification", func(ctx *durable.Context, to string) (bool, error) {
	if err := durable.SetCustomStatus(ctx, Progress{0, "sending a code"}); err != nil {
		return false, err
	}
	code, err := send(ctx, to)
	if err != nil {
		return false, err
	}
	timeout := durable.Timer(ctx, timeToAnswer)
	for try := 1; try <= tries; try++ {
		if err := durable.SetCustomStatus(ctx, Progress{20 + 20*try, fmt.Sprintf("waiting for the code, try %d of %d", try, tries)}); err != nil {
			return false, err
		}
		response := durable.WaitForEvent[int](ctx, "SmsChallengeResponse")
		if durable.WhenAny(response, timeout) == timeout {
			ctx.Logger().Info("nobody answered in time")
			return false, durable.SetCustomStatus(ctx, Progress{100, "nobody answered in time"})
		}
		if answer, err := response.Await(); err == nil && answer == code { // an answer that is no number is a wrong one
			timeout.Cancel()
			return true, durable.SetCustomStatus(ctx, Progress{100, "verified"})
		}
		ctx.Logger().Info("wrong code", slog.Int(logTry, try))
	}
	timeout.Cancel()
	return false, durable.SetCustomStatus(ctx, Progress{100, "wrong codes only"})
})

// send sends a code by SMS, or by e-mail to who cannot be reached so, and returns the code.
func send(ctx *durable.Context, to string) (int, error) {
	phone, address, _ := strings.Cut(to, ",")
	if phone != "" {
		sms, err := sendSMSChallenge.Call(ctx, phone, retry).Await()
		if err != nil || sms.Success {
			return sms.Value, err
		}
		ctx.Logger().Info("no SMS reaches this number")
	}
	if address == "" {
		return 0, errors.New("there is neither a phone number that an SMS reaches nor an e-mail address")
	}
	mail, err := sendEmailChallenge.Call(ctx, address, retry).Await()
	if err == nil && !mail.Success {
		err = errors.New("no mail reaches this address")
	}
	return mail.Value, err
}
