package durablevet

import (
	"cmp"
	"fmt"
	"go/ast"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// way is how the search came to a function.
type way struct {
	root *node
	from *node    // nil for the root itself
	at   ast.Node // the call in from
	via  []string // names of the functions on the way, this one last
}

// reportReached reports the hazards of all code that orchestrators reach, each once:
// first from where an orchestrator is defined, because its name says most, then from
// the other functions with a *durable.Context.
func (u *unit) reportReached() {
	reached := map[*node]*way{}
	for _, named := range []bool{true, false} {
		for _, n := range u.nodes {
			if n.role == roleOrchestrator && (n.registered != "") == named {
				u.search(n, reached)
			}
		}
	}
	for _, n := range u.nodes {
		if w := reached[n]; w != nil {
			for _, h := range n.hazards {
				u.report(n, h, w, reached)
			}
		}
	}
}

// flush reports what was found in the order of the source.
func (u *unit) flush() {
	slices.SortStableFunc(u.found, func(a, b analysis.Diagnostic) int { return cmp.Compare(a.Pos, b.Pos) })
	for _, d := range u.found {
		u.pass.Report(d)
	}
}

// search goes from a root through all calls to what was not reached before, breadth
// first, so that the ways reported are short.
func (u *unit) search(root *node, reached map[*node]*way) {
	if reached[root] != nil {
		return
	}
	reached[root] = &way{root: root}
	for queue := []*node{root}; len(queue) > 0; queue = queue[1:] {
		n := queue[0]
		for _, c := range n.calls {
			if c.reported || c.to.role == roleActivity || reached[c.to] != nil {
				continue
			}
			w := &way{root: root, from: n, at: c.at, via: reached[n].via}
			if name := c.to.name(); name != "" && !c.inline {
				w.via = append(w.via[:len(w.via):len(w.via)], name+"()")
			}
			reached[c.to] = w
			queue = append(queue, c.to)
		}
	}
}

func (u *unit) report(n *node, h *hazard, w *way, reached map[*node]*way) {
	if h.silent || h.mention && n.role != roleOrchestrator {
		return
	}
	d := analysis.Diagnostic{
		Pos:      h.rng.Pos(),
		End:      h.rng.End(),
		Category: h.kind.trait().category,
		Message:  u.message(n, h) + " (" + u.where(w) + ")",
		Related:  u.related(n, reached),
	}
	if h.fixes != nil {
		d.SuggestedFixes = h.fixes()
	}
	u.found = append(u.found, d)
}

func (u *unit) message(n *node, h *hazard) string {
	t := h.kind.trait()
	if len(h.reaching) > 0 {
		return foreignMessage(h)
	}
	why, instead := t.why, t.instead
	if h.why != "" {
		why = h.why
	}
	if n.role != roleOrchestrator && u.contextAt(h.rng.Pos()) == "" {
		instead = t.elsewhere
	}
	if h.instead != "" {
		instead = h.instead
	}
	return h.what + " " + why + "; " + instead
}

// foreignMessage is about a call into another package.
func foreignMessage(h *hazard) string {
	first := h.reaching[0]
	t := first.Kind.trait()
	why := t.why
	if first.Why != "" {
		why = first.Why
	}
	through := ""
	if len(first.Via) > 1 {
		through = " through " + strings.Join(first.Via[1:], "(), ") + "()"
	}
	more := ""
	if n := len(h.reaching) - 1; n > 0 {
		var others []string
		for _, r := range h.reaching[1:] {
			others = append(others, r.What)
		}
		more = "; it also leads to " + strings.Join(others, ", ")
	}
	return fmt.Sprintf("%s leads to %s (%s)%s: it %s; %s%s", h.what, first.What, first.Place, through, why, t.elsewhere, more)
}

// where says which orchestrator the code belongs to, or how one gets there.
func (u *unit) where(w *way) string {
	root := u.rootName(w.root)
	if len(w.via) == 0 {
		return "in " + root
	}
	return "reached from " + root + " via " + strings.Join(w.via, ", ")
}

func (u *unit) rootName(root *node) string {
	switch {
	case root.registered != "":
		return "orchestrator " + root.registered
	case root.fn != nil:
		return "orchestrator function " + root.name()
	}
	p := u.pass.Fset.PositionFor(root.syntax.Pos(), false)
	return "the orchestrator function at " + filepath.Base(p.Filename) + ":" + strconv.Itoa(p.Line)
}

// related points at the calls on the way, the orchestrator's first.
func (u *unit) related(n *node, reached map[*node]*way) []analysis.RelatedInformation {
	var steps []analysis.RelatedInformation
	for w := reached[n]; w.from != nil; w = reached[w.from] {
		if name := n.name(); name != "" {
			steps = append([]analysis.RelatedInformation{{Pos: w.at.Pos(), End: w.at.End(), Message: name + " is called here"}}, steps...)
		}
		n = w.from
	}
	return steps
}

// reportContinueAsNew reports results of durable.ContinueAsNew that are thrown away.
// The call alone does nothing: the error it makes has to be returned.
func (u *unit) reportContinueAsNew() {
	for c := range u.inspect.Root().Preorder((*ast.CallExpr)(nil)) {
		expr := c.Node().(*ast.CallExpr)
		fn := u.callee(expr)
		if fn == nil || !isDurableFunc(fn, "ContinueAsNew") || u.ignores.covers(u.pass, expr.Pos(), nameOf(expr).Pos()) {
			continue
		}
		stmt := c.Parent()
		for {
			if _, paren := stmt.Node().(*ast.ParenExpr); !paren {
				break
			}
			stmt = stmt.Parent()
		}
		if !discards(stmt.Node(), expr) {
			continue
		}
		u.found = append(u.found, analysis.Diagnostic{
			Pos:            expr.Pos(),
			End:            expr.End(),
			Category:       kindContinueAsNew.trait().category,
			Message:        "durable.ContinueAsNew does nothing by itself: the orchestrator must return the error it makes",
			SuggestedFixes: u.fixContinueAsNew(stmt, expr),
		})
	}
}

// discards tells whether a statement throws the result of the call away.
func discards(stmt ast.Node, expr *ast.CallExpr) bool {
	switch s := stmt.(type) {
	case *ast.ExprStmt, *ast.DeferStmt, *ast.GoStmt:
		return true
	case *ast.AssignStmt:
		for i, rhs := range s.Rhs {
			if ast.Unparen(rhs) == expr && len(s.Lhs) == len(s.Rhs) {
				id, ok := s.Lhs[i].(*ast.Ident)
				return ok && id.Name == "_"
			}
		}
	case *ast.ValueSpec:
		for i, value := range s.Values {
			if ast.Unparen(value) == expr && len(s.Names) == len(s.Values) {
				return s.Names[i].Name == "_"
			}
		}
	}
	return false
}
