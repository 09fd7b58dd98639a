// Command simulate runs whole clusters in one process under virtual time, with faults drawn from seeds, and checks that
// nothing is lost, wedged or applied twice.
//
//	go run ./internal/simulate --seeds 300
//	go run ./internal/simulate --seed 1000 --seeds 5000 --parallel 2
//	go run ./internal/simulate --seeds 1 --seed 4711 --fleet go
package main

import (
	"os"
)

func main() {
	if os.Getenv(childVariable) != "" {
		child()
		return
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
