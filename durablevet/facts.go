package durablevet

import (
	"fmt"
	"go/ast"
	"strings"
)

// summary is what the analysis of a package leaves for the packages that import it,
// one for each function about which there is something to say.
type summary struct {
	// Module is the module of the function.
	Module string
	// Durable functions make calls whose order the history notices.
	Durable bool
	// Reaches has what calling the function leads to, at most one of each kind.
	Reaches []reach
}

// reach is a construct that calling a function leads to.
type reach struct {
	Kind kind
	// What is the construct and Why what is wrong with it, if that is not what the
	// kind says.
	What, Why string
	// Place is where it is: folder/file:line.
	Place string
	// Module is the module of the code with the construct.
	Module string
	// Via are the functions on the way, the called one not included.
	Via []string
}

// AFact marks summary as a fact.
func (*summary) AFact() {}

// String is what tests expect of a function.
func (s *summary) String() string {
	var parts []string
	if s.Durable {
		parts = append(parts, "durable")
	}
	for _, r := range s.Reaches {
		part := fmt.Sprintf("%s %s at %s", r.Kind.trait().category, r.What, r.Place)
		if len(r.Via) > 0 {
			part += " via " + strings.Join(r.Via, ", ")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// longestWay bounds what a fact tells about the way to a construct.
const longestWay = 6

// summarize works out for every function what calling it leads to: what it does
// itself, and what the functions it calls lead to. Each kind spreads from callees to
// callers, level by level, so that the way kept is a shortest one.
func (u *unit) summarize() {
	callers := map[*node][]*node{}
	var queue []*node
	for _, n := range u.nodes {
		n.ownReaches(u)
		queue = append(queue, n)
		for _, c := range n.calls {
			callers[c.to] = append(callers[c.to], n)
		}
	}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for _, caller := range callers[n] {
			if caller.learn(n) {
				queue = append(queue, caller)
			}
		}
	}
}

// ownReaches notes what the function does without the help of the package's others.
func (n *node) ownReaches(u *unit) {
	keep := func(r reach) {
		if n.reaches[r.Kind] == nil {
			n.reaches[r.Kind] = &r
		}
	}
	for _, h := range n.hazards {
		if len(h.reaching) == 0 && !h.mention {
			keep(reach{Kind: h.kind, What: h.what, Why: h.why, Place: u.place(h.rng.Pos()), Module: u.module})
		}
		for _, r := range h.reaching {
			keep(r)
		}
	}
}

// learn takes over what the callee leads to and tells whether any of it was new.
func (n *node) learn(callee *node) bool {
	news := false
	if callee.durable && !n.durable {
		n.durable, news = true, true
	}
	for k, r := range callee.reaches {
		if r == nil || n.reaches[k] != nil {
			continue
		}
		further := *r
		if name := callee.name(); name != "" && len(r.Via) < longestWay {
			further.Via = append([]string{name}, r.Via...)
		}
		n.reaches[k] = &further
		news = true
	}
	return news
}

// exportFacts leaves a summary of every declared function that needs one.
func (u *unit) exportFacts() {
	for _, n := range u.nodes {
		if _, declared := n.syntax.(*ast.FuncDecl); !declared {
			continue
		}
		s := &summary{Module: u.module, Durable: n.durable}
		for _, r := range n.reaches {
			if r != nil {
				s.Reaches = append(s.Reaches, *r)
			}
		}
		if s.Durable || len(s.Reaches) > 0 {
			u.pass.ExportObjectFact(n.fn, s)
		}
	}
}
