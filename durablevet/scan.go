package durablevet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

// scanner walks over one node.
type scanner struct {
	*unit
	n *node
	// done are constructs that a finding around them already speaks for.
	done map[ast.Node]bool
	// once are the parts that replays leave out, and uneven the parts that run either
	// in replays alone or in everything but; see replay.go.
	once, uneven []span
}

func (u *unit) scan(n *node) {
	s := &scanner{unit: u, n: n, done: map[ast.Node]bool{}}
	n.cursor.Inspect(nil, s.visit)
}

// visit notes what is wrong with one construct and tells whether to look inside.
func (s *scanner) visit(c inspector.Cursor) bool {
	switch x := c.Node().(type) {
	case *ast.FuncLit:
		return x == s.n.syntax || s.literal(c, x)
	case *ast.IfStmt:
		s.replayCheck(c, x)
	case *ast.GoStmt:
		s.goStatement(c, x)
	case *ast.SendStmt:
		s.channel(x, "sending on a channel", nil)
	case *ast.SelectStmt:
		s.selectStatement(x)
	case *ast.UnaryExpr:
		if x.Op == token.ARROW && !s.done[x] {
			s.channel(x, "receiving from a channel", s.fixReceive(c, x))
		}
	case *ast.RangeStmt:
		s.rangeStatement(c, x)
	case *ast.AssignStmt:
		s.assignment(x)
	case *ast.IncDecStmt:
		s.write(x, x.X)
	case *ast.CallExpr:
		s.call(c, x)
	case *ast.Ident:
		s.name(c, x)
	}
	return true
}

// add notes a hazard unless its line, or the line of one of the other positions, is
// silenced, or replays leave it out and it does no other harm.
func (s *scanner) add(h *hazard, also ...token.Pos) {
	if s.ignores.covers(s.pass, append(also, h.rng.Pos())...) || h.kind.harmlessOnce() && contains(s.once, h.rng.Pos()) {
		return
	}
	s.n.hazards = append(s.n.hazards, h)
}

// literal tells whether a function literal belongs to the function around it. One
// that is an orchestrator or coroutine has its own node; an activity is let be.
func (s *scanner) literal(c inspector.Cursor, lit *ast.FuncLit) bool {
	own := s.literals[lit]
	if own == nil {
		return true
	}
	switch {
	case s.n.role != roleOrchestrator:
	case own.role == roleOrchestrator:
		s.n.calls = append(s.n.calls, &call{to: own, at: lit, inline: true})
	case own.role == roleActivity:
		if used, name := s.durableCallIn(c); used != nil {
			s.add(&hazard{kind: kindGoroutine, rng: used, what: name + " in a function that takes a context.Context",
				why: "runs on a goroutine that the scheduler does not know, where it panics", instead: "call it in the orchestrator itself"})
		}
	}
	return false
}

func (s *scanner) goStatement(c inspector.Cursor, stmt *ast.GoStmt) {
	h := &hazard{kind: kindGoroutine, rng: stmt, what: "a go statement", fixes: func() []analysis.SuggestedFix { return s.fixGo(c, stmt) }}
	if _, name := s.durableCallIn(c); name != "" {
		h.why = "starts a goroutine that the scheduler does not know, and " + name + " panics on it"
	}
	s.add(h)
}

// durableCallIn finds a call in the subtree that only an orchestrator's own
// coroutines may make, or one that is given the orchestrator's context.
func (s *scanner) durableCallIn(c inspector.Cursor) (ast.Node, string) {
	for at := range c.Preorder((*ast.CallExpr)(nil)) {
		expr := at.Node().(*ast.CallExpr)
		fn := s.callee(expr)
		if fn != nil && inDurable(fn) && dependsOnOrder(fn) {
			return expr, callName(fn)
		}
		for _, arg := range expr.Args {
			if isDurableContext(s.pass.TypesInfo.TypeOf(arg)) {
				return expr, "what is called with " + types.ExprString(arg)
			}
		}
	}
	return nil, ""
}

func (s *scanner) channel(at ast.Node, what string, fixes func() []analysis.SuggestedFix) {
	if !s.done[at] {
		s.add(&hazard{kind: kindChannel, rng: at, what: what, fixes: fixes})
	}
}

// selectStatement is one finding with its cases; what the cases do comes on its own.
func (s *scanner) selectStatement(stmt *ast.SelectStmt) {
	for _, clause := range stmt.Body.List {
		comm := clause.(*ast.CommClause).Comm
		if comm == nil {
			continue
		}
		ast.Inspect(comm, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.FuncLit:
				return false
			case *ast.SendStmt, *ast.UnaryExpr:
				s.done[x] = true
			}
			return true
		})
	}
	rng := analysis.Range(span{stmt.Select, stmt.Select + token.Pos(len("select"))})
	s.add(&hazard{kind: kindChannel, rng: rng, what: "a select statement"})
}

// span is a part of the source.
type span struct{ from, to token.Pos }

// Pos is the first character.
func (s span) Pos() token.Pos { return s.from }

// End is the first character after.
func (s span) End() token.Pos { return s.to }

func (s *scanner) rangeStatement(c inspector.Cursor, stmt *ast.RangeStmt) {
	t := s.pass.TypesInfo.TypeOf(stmt.X)
	switch {
	case t == nil:
	case hasCore[*types.Chan](t):
		s.add(&hazard{kind: kindChannel, rng: head(stmt), what: "ranging over a channel"})
	default:
		s.mapRange(c, stmt, t)
	}
	if stmt.Tok == token.ASSIGN {
		for _, target := range []ast.Expr{stmt.Key, stmt.Value} {
			if target != nil {
				s.write(head(stmt), target)
			}
		}
	}
}

func head(stmt *ast.RangeStmt) analysis.Range { return span{stmt.For, stmt.X.End()} }

// hasCore tells whether t is a T underneath; for a type parameter, whether its
// constraint has such types.
func hasCore[T types.Type](t types.Type) bool {
	if param, ok := types.Unalias(t).(*types.TypeParam); ok {
		return constraintHas[T](param.Constraint())
	}
	_, ok := t.Underlying().(T)
	return ok
}

func constraintHas[T types.Type](constraint types.Type) bool {
	iface, ok := constraint.Underlying().(*types.Interface)
	if !ok {
		return hasCore[T](constraint)
	}
	for embedded := range iface.EmbeddedTypes() {
		union, ok := embedded.(*types.Union)
		if !ok {
			if constraintHas[T](embedded) {
				return true
			}
			continue
		}
		for term := range union.Terms() {
			if constraintHas[T](term.Type()) {
				return true
			}
		}
	}
	return false
}

func (s *scanner) assignment(stmt *ast.AssignStmt) {
	if stmt.Tok == token.DEFINE {
		return
	}
	for _, target := range stmt.Lhs {
		s.write(target, target)
	}
}

// write notes a write of a package-level variable, or of something inside it.
func (s *scanner) write(rng analysis.Range, target ast.Expr) {
	if v := s.packageVariable(target); v != nil {
		s.add(&hazard{kind: kindGlobal, rng: rng, what: "writing to " + s.variableName(v)})
	}
}

func (s *scanner) variableName(v *types.Var) string {
	if v.Pkg() == s.pass.Pkg {
		return v.Name()
	}
	return v.Pkg().Name() + "." + v.Name()
}

// packageVariable returns the package-level variable that an expression is, or is a
// field, an element or the target of; nil if there is none.
func (s *scanner) packageVariable(e ast.Expr) *types.Var {
	for {
		var id *ast.Ident
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
			continue
		case *ast.StarExpr:
			e = x.X
			continue
		case *ast.IndexExpr:
			e = x.X
			continue
		case *ast.SelectorExpr:
			if v, ok := s.pass.TypesInfo.Uses[x.Sel].(*types.Var); !ok || v.IsField() {
				e = x.X
				continue
			}
			id = x.Sel
		case *ast.Ident:
			id = x
		default:
			return nil
		}
		v, ok := s.pass.TypesInfo.Uses[id].(*types.Var)
		if !ok || v.Pkg() == nil || v.Parent() != v.Pkg().Scope() {
			return nil
		}
		return v
	}
}

// name judges an identifier that stands for a function or variable and is not the
// function of a call, which call judges.
func (s *scanner) name(c inspector.Cursor, id *ast.Ident) {
	if s.done[id] {
		return
	}
	switch obj := s.pass.TypesInfo.Uses[id].(type) {
	case *types.Func:
		if k := table().ofFunc(obj.Origin()); k != kindNone {
			s.add(&hazard{kind: k, rng: id, what: callName(obj), mention: true, fixes: func() []analysis.SuggestedFix { return s.fixMention(c, obj) }})
		}
	case *types.Var:
		if k := table().ofVar(obj); k != kindNone {
			s.add(&hazard{kind: k, rng: id, what: s.variableName(obj)})
		} else if s.foreignContext(c, obj) {
			s.add(&hazard{kind: kindContext, rng: id, what: id.Name,
				why:     "is a context.Context of the process, whose deadline and end are not in the history",
				instead: "use the *durable.Context, and durable.WithCancel or durable.WithTimeout"})
		}
	}
}

// foreignContext tells whether v is a context.Context that the function has from
// outside: captured, global, or kept in a struct.
func (s *scanner) foreignContext(c inspector.Cursor, v *types.Var) bool {
	if !isGoContext(v.Type()) || c.ParentEdgeKind() == edge.KeyValueExpr_Key {
		return false
	}
	return v.IsField() || v.Pos() < s.n.syntax.Pos() || v.Pos() > s.n.syntax.End()
}
