// Command durablevet reports orchestrator code that does not replay the same way
// every time; see package durablevet for what it looks for.
//
// It runs under go vet, which caches results:
//
//	go vet -vettool=$(which durablevet) ./...
//
// and by itself, where it can also rewrite the code:
//
//	durablevet ./...
//	durablevet -fix -diff ./...
package main

import (
	"golang.org/x/tools/go/analysis/singlechecker"

	"github.com/go-taskhub/taskhub/durablevet"
)

// singlechecker also speaks the protocol of go vet -vettool.
func main() { singlechecker.Main(durablevet.Analyzer) }
