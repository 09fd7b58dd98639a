package fixes

import (
	"time"

	taskhub "github.com/go-taskhub/taskhub/durable"
)

type duration = time.Duration

func renamed(ctx *taskhub.Context, d duration) error {
	time.Sleep(d) // want `time\.Sleep`
	go ship("x")  // want `a go statement`
	{
		taskhub := 1
		_ = taskhub
		time.Sleep(d) // want `time\.Sleep`
	}
	return nil
}
