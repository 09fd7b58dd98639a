package durablevet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// mapLoop is a loop that visits the elements of a map in random order. Whether that
// matters is known when all functions of the package have been looked at.
type mapLoop struct {
	cursor inspector.Cursor
	stmt   *ast.RangeStmt
	over   ast.Expr // the map
	plain  bool     // ranges over the map itself, not over maps.Keys and the like
}

func (s *scanner) mapRange(c inspector.Cursor, stmt *ast.RangeStmt, t types.Type) {
	loop := &mapLoop{cursor: c, stmt: stmt, over: stmt.X, plain: true}
	if !hasCore[*types.Map](t) {
		loop.plain, loop.over = false, s.mapBehind(stmt.X)
	}
	if loop.over != nil && (stmt.Key != nil || !loop.plain) {
		s.n.loops = append(s.n.loops, loop)
	}
}

// mapBehind returns m of maps.Keys(m), maps.Values(m) and maps.All(m), also when
// slices.Collect is around it; nil for other expressions.
func (u *unit) mapBehind(e ast.Expr) ast.Expr {
	expr, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok || len(expr.Args) == 0 {
		return nil
	}
	fn := u.callee(expr)
	if fn == nil {
		return nil
	}
	switch funcKey(fn) {
	case "maps.All", "maps.Keys", "maps.Values":
		return expr.Args[0]
	case "slices.Collect":
		return u.mapBehind(expr.Args[0])
	}
	return nil
}

// orderOfMaps turns the loops over maps whose order shows in the history into
// hazards: those that make durable calls, and those that collect for a loop that does.
func (u *unit) orderOfMaps() {
	for _, n := range u.nodes {
		s := &scanner{unit: u, n: n}
		for _, loop := range n.loops {
			s.mapLoop(loop)
		}
	}
}

func (s *scanner) mapLoop(loop *mapLoop) {
	over := types.ExprString(loop.over)
	h := &hazard{kind: kindMapOrder, rng: head(loop.stmt), what: "ranging over " + over}
	body, _ := loop.cursor.FindNode(loop.stmt.Body)
	if _, name := s.orderedCallIn(body); name != "" {
		h.why = "visits its elements in random order, in which each replay would make the durable calls of the loop (" + name + ")"
		h.instead = "range over sorted keys, as in slices.Sorted(maps.Keys(" + over + "))"
		h.fixes = s.fixMapRange(loop)
		s.add(h)
		return
	}
	for _, list := range s.collected(loop) {
		if later, name := s.laterLoop(loop, list); later != nil {
			h.why = "collects in random order what the loop over " + list.Name() + " then makes durable calls for (" + name + ")"
			h.instead = "sort " + list.Name() + " in between"
			s.add(h)
			return
		}
	}
}

// orderedCallIn finds a call in the subtree whose order the history notices.
func (u *unit) orderedCallIn(c inspector.Cursor) (at ast.Node, name string) {
	return u.orderedCall(c, map[ast.Node]bool{})
}

func (u *unit) orderedCall(c inspector.Cursor, seen map[ast.Node]bool) (at ast.Node, name string) {
	c.Inspect([]ast.Node{(*ast.CallExpr)(nil), (*ast.FuncLit)(nil)}, func(c inspector.Cursor) bool {
		if at != nil {
			return false
		}
		switch x := c.Node().(type) {
		case *ast.FuncLit:
			own := u.literals[x]
			return own == nil || own.role != roleActivity
		case *ast.CallExpr:
			if called := u.orderedTarget(x, seen); called != "" {
				at, name = x, called
			}
		}
		return at == nil
	})
	return at, name
}

// orderedTarget returns the name of what is called if the history notices the order
// of such calls, else "".
func (u *unit) orderedTarget(expr *ast.CallExpr, seen map[ast.Node]bool) string {
	name := shown(expr.Fun)
	if fn := u.callee(expr); fn != nil {
		var known summary
		switch n := u.funcs[fn]; {
		case inDurable(fn):
			if dependsOnOrder(fn) {
				return name
			}
		case n != nil:
			if n.durable {
				return name
			}
		case isInterfaceMethod(fn):
			return u.givenContext(expr, name)
		case u.pass.ImportObjectFact(fn, &known) && known.Durable:
			return name
		}
		return ""
	}
	if u.pass.TypesInfo.Types[expr.Fun].IsBuiltin() || u.pass.TypesInfo.Types[expr.Fun].IsType() {
		return ""
	}
	if id, ok := ast.Unparen(expr.Fun).(*ast.Ident); ok {
		if v, ok := u.pass.TypesInfo.Uses[id].(*types.Var); ok {
			if body, ok := u.bindings[v].(*ast.FuncLit); ok {
				return u.orderedLiteral(body, name, seen)
			}
		}
	}
	return u.givenContext(expr, name)
}

// orderedLiteral looks into the function literal that a variable holds.
func (u *unit) orderedLiteral(body *ast.FuncLit, name string, seen map[ast.Node]bool) string {
	if seen[body] {
		return ""
	}
	seen[body] = true
	if c, ok := u.inspect.Root().FindNode(body); ok {
		if _, called := u.orderedCall(c, seen); called != "" {
			return name
		}
	}
	return ""
}

func isInterfaceMethod(fn *types.Func) bool {
	recv := fn.Signature().Recv()
	return recv != nil && types.IsInterface(recv.Type())
}

// givenContext takes a call of unknown code for a durable one if it is handed what
// such code needs.
func (u *unit) givenContext(expr *ast.CallExpr, name string) string {
	for _, arg := range expr.Args {
		if t := u.pass.TypesInfo.TypeOf(arg); t != nil && isDurableContext(t) {
			return name
		}
	}
	return ""
}

// collected returns the local slices to which the loop appends.
func (s *scanner) collected(loop *mapLoop) []*types.Var {
	var lists []*types.Var
	ast.Inspect(loop.stmt.Body, func(n ast.Node) bool {
		assign, ok := n.(*ast.AssignStmt)
		if !ok || assign.Tok != token.ASSIGN || len(assign.Lhs) != 1 || len(assign.Rhs) != 1 {
			return true
		}
		expr, ok := ast.Unparen(assign.Rhs[0]).(*ast.CallExpr)
		if !ok || len(expr.Args) < 2 {
			return true
		}
		if b, ok := typeutil.Callee(s.pass.TypesInfo, expr).(*types.Builtin); !ok || b.Name() != "append" {
			return true
		}
		list := s.localVariable(assign.Lhs[0])
		if list != nil && list == s.localVariable(expr.Args[0]) && list.Pos() < loop.stmt.Pos() {
			lists = append(lists, list)
		}
		return true
	})
	return lists
}

func (u *unit) localVariable(e ast.Expr) *types.Var {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return nil
	}
	v, ok := u.pass.TypesInfo.Uses[id].(*types.Var)
	if !ok || v.Parent() == u.pass.Pkg.Scope() {
		return nil
	}
	return v
}

// laterLoop finds a loop over the list, after the one that fills it, that makes
// durable calls. Any use of the list in between that could sort it ends the search.
func (s *scanner) laterLoop(loop *mapLoop, list *types.Var) (later ast.Node, name string) {
	settled := false
	s.n.cursor.Inspect(nil, func(c inspector.Cursor) bool {
		x := c.Node()
		if x == nil || settled || later != nil || x.End() <= loop.stmt.End() {
			return false
		}
		if x.Pos() < loop.stmt.End() {
			return true // around the first loop
		}
		if loop, ok := x.(*ast.RangeStmt); ok && s.localVariable(loop.X) == list {
			body, _ := c.FindNode(loop.Body)
			if _, called := s.orderedCallIn(body); called != "" {
				later, name = loop, called
			}
			return false
		}
		if id, ok := x.(*ast.Ident); ok && s.pass.TypesInfo.Uses[id] == list && !harmlessUse(s.pass.TypesInfo, c) {
			settled = true
		}
		return true
	})
	return later, name
}

// harmlessUse tells whether the use of a list surely leaves its order as it is.
func harmlessUse(info *types.Info, c inspector.Cursor) bool {
	expr, ok := c.Parent().Node().(*ast.CallExpr)
	if !ok {
		return false
	}
	b, ok := typeutil.Callee(info, expr).(*types.Builtin)
	return ok && (b.Name() == "len" || b.Name() == "cap")
}
