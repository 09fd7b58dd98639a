package orders

import (
	"testing"
	"time"
)

func TestNothing(t *testing.T) { _ = time.Now() }
