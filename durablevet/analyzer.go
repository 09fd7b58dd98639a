package durablevet

import (
	"go/ast"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

// Analyzer reports what makes orchestrators behave differently on replay. It
// exports facts about functions, so that a driver must run it on dependencies, too;
// go vet and the drivers of x/tools do so by themselves.
var Analyzer = &analysis.Analyzer{
	Name: "durablevet",
	Doc: `report orchestrator code that does not replay deterministically

Orchestrators are run again from their start against their history. The analyzer
follows every function with a *durable.Context as its first parameter, and the
functions it calls, and reports clocks, random values, goroutines, channels, locks,
durable calls in map order, I/O, environment, context.Context, writes of
package-level variables, and ignored results of durable.ContinueAsNew.

Silence a finding on its line or the line above: //durablevet:ignore reason`,
	URL:       "https://pkg.go.dev/github.com/go-taskhub/taskhub/durablevet",
	Requires:  []*analysis.Analyzer{inspect.Analyzer},
	FactTypes: []analysis.Fact{new(summary)},
	Run:       run,
}

func run(pass *analysis.Pass) (any, error) {
	if isStandard(pass) || pass.Pkg.Path() == durablePath {
		return nil, nil
	}
	p := &unit{
		pass:     pass,
		inspect:  pass.ResultOf[inspect.Analyzer].(*inspector.Inspector),
		module:   modulePath(pass),
		funcs:    map[*types.Func]*node{},
		literals: map[*ast.FuncLit]*node{},
		bindings: map[*types.Var]ast.Expr{},
	}
	p.collectIgnores()
	p.collect()
	for _, n := range p.nodes {
		p.scan(n)
	}
	p.summarize()
	p.orderOfMaps() // needs to know which functions are durable,
	p.summarize()   // and adds to what they lead to
	p.exportFacts()
	p.reportReached()
	p.reportContinueAsNew()
	p.flush()
	return nil, nil
}

func modulePath(pass *analysis.Pass) string {
	if pass.Module == nil {
		return ""
	}
	return pass.Module.Path
}

// isStandard tells whether the package is of the standard library, which is judged
// by a table and not by its code: inside, nearly everything takes a lock somewhere.
// Such packages have no module and no dot in the first element of their path; one
// that knows orchestrators is none of them, whatever its path.
func isStandard(pass *analysis.Pass) bool {
	if path := modulePath(pass); path != "" {
		return path == "std" || path == "cmd"
	}
	if first, _, _ := strings.Cut(pass.Pkg.Path(), "/"); strings.Contains(first, ".") {
		return false
	}
	for _, imported := range pass.Pkg.Imports() {
		if imported.Path() == durablePath {
			return false
		}
	}
	return true
}
