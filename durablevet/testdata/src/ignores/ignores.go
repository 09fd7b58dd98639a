package ignores

import (
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

func silenced(ctx *durable.Context) {
	_ = time.Now() //durablevet:ignore only measures this process
	//durablevet:ignore only measures this process
	_ = time.Now()
	_ = time.Now() // want `time\.Now`

	// The directive may be one line
	//durablevet:ignore of several
	// that explain more.
	_ = time.Now()

	_ = time.Now() //durablevet:ignore // want `time\.Now` `durablevet:ignore silences nothing without a reason`
	//durablevet:ignored is another word
	_ = time.Now() // want `time\.Now`
	_ = time.Now() //durablevet:ignore the next line is not meant
	_ = time.Now() // want `time\.Now`

	for range make(chan int) { //durablevet:ignore both findings of the line
	}

	_ = seldom() //durablevet:ignore nothing depends on it
	_ = often()
}

// Reached only through a silenced call.
func seldom() time.Time { return time.Now() }

func often() time.Time {
	return time.Now(). //durablevet:ignore rounded to something stable
				Truncate(time.Hour)
}
