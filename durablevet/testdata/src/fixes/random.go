package fixes

import (
	"math/rand"
	randv2 "math/rand/v2"

	"github.com/go-taskhub/taskhub/durable"
)

func random(ctx *durable.Context) (int, int64) {
	a := rand.Intn(6)                          // want `rand\.Intn`
	b := rand.Int63n(6)                        // want `rand\.Int63n`
	rand.Shuffle(3, func(i, j int) {})         // want `rand\.Shuffle`
	a += randv2.IntN(6)                        // want `rand\.IntN`
	a += randv2.N(6)                           // want `rand\.N`
	_ = rand.Float64() + float64(rand.Int31()) // want `rand\.Float64` `rand\.Int31`
	_, _ = rand.Read(nil)                      // want `rand\.Read`
	return a, b
}
