package durablevet

import (
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"strconv"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// callee returns the function or method that is called if the source names one; a
// method of an interface, too.
func (u *unit) callee(expr *ast.CallExpr) *types.Func {
	return origin(typeutil.Callee(u.pass.TypesInfo, expr))
}

// calleeName is the identifier that names what is called, nil if nothing does.
func calleeName(expr *ast.CallExpr) *ast.Ident {
	fun := ast.Unparen(expr.Fun)
	switch x := fun.(type) {
	case *ast.IndexExpr:
		fun = ast.Unparen(x.X)
	case *ast.IndexListExpr:
		fun = ast.Unparen(x.X)
	}
	switch x := fun.(type) {
	case *ast.Ident:
		return x
	case *ast.SelectorExpr:
		return x.Sel
	}
	return nil
}

// shown is how messages write what is called: as the source does, without arguments.
func shown(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return shown(x.X) + "." + x.Sel.Name
	case *ast.IndexExpr:
		return shown(x.X)
	case *ast.IndexListExpr:
		return shown(x.X)
	case *ast.ParenExpr:
		return shown(x.X)
	case *ast.StarExpr:
		return shown(x.X)
	case *ast.CallExpr:
		return shown(x.Fun) + "(…)"
	case *ast.FuncLit:
		return "a function"
	}
	return "a value"
}

func (s *scanner) call(c inspector.Cursor, expr *ast.CallExpr) {
	if s.pass.TypesInfo.Types[expr.Fun].IsType() {
		return // a conversion
	}
	name := calleeName(expr)
	if name != nil {
		s.done[name] = true
	}
	switch obj := typeutil.Callee(s.pass.TypesInfo, expr).(type) {
	case *types.Builtin:
		s.builtin(expr, obj.Name())
	case *types.Func:
		s.named(c, expr, obj.Origin(), shown(expr.Fun))
	case *types.Var:
		s.variable(c, expr, obj)
	default:
		s.unknown(expr)
	}
}

func (s *scanner) builtin(expr *ast.CallExpr, name string) {
	switch name {
	case "make":
		if t := s.pass.TypesInfo.TypeOf(expr); t != nil && hasCore[*types.Chan](t) {
			s.channel(expr, "making a channel", nil)
		}
	case "close":
		s.channel(expr, "closing a channel", nil)
	case "print", "println":
		s.add(&hazard{kind: kindOutput, rng: expr, what: name})
	case "delete", "clear", "copy":
		s.write(expr, expr.Args[0])
	}
}

// named judges a call of a function or method that the source names.
func (s *scanner) named(c inspector.Cursor, expr *ast.CallExpr, fn *types.Func, name string) {
	switch k := table().ofFunc(fn); {
	case k != kindNone:
		s.listed(c, expr, fn, k)
	case inDurable(fn):
		s.durableCall(expr, fn)
	case isAtomicWrite(fn):
		s.atomicWrite(expr, fn)
	default:
		takesContext := anyParameter(fn.Signature(), isGoContext) && !isLogger(fn)
		if takesContext {
			s.takesContext(expr, name)
		}
		s.follow(expr, fn, takesContext)
		s.followArguments(expr)
	}
}

// listed is a call of a function in the table. What it is called on, and variables
// handed to it, need no finding of the same kind.
func (s *scanner) listed(c inspector.Cursor, expr *ast.CallExpr, fn *types.Func, k kind) {
	if s.done[expr] {
		return
	}
	s.add(&hazard{kind: k, rng: expr, what: callName(fn), fixes: func() []analysis.SuggestedFix { return s.fixCall(c, expr, fn) }}, nameOf(expr).Pos())
	s.settle(expr.Fun, k)
	for _, arg := range expr.Args {
		switch arg.(type) {
		case *ast.Ident, *ast.SelectorExpr:
			s.settle(arg, k)
		}
	}
	s.settleContexts(expr)
}

// settle marks the names in a subtree that the table has with kind k as spoken for.
func (s *scanner) settle(e ast.Expr, k kind) {
	ast.Inspect(e, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			if fn := s.callee(x); fn != nil && table().ofFunc(fn) == k {
				s.done[x] = true
			}
		case *ast.Ident:
			if v, ok := s.pass.TypesInfo.Uses[x].(*types.Var); ok && table().ofVar(v) == k {
				s.done[x] = true
			}
		}
		return true
	})
}

// settleContexts marks the context.Context values among the arguments as spoken for.
func (s *scanner) settleContexts(expr *ast.CallExpr) {
	ast.Inspect(expr, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.Ident:
			if v, ok := s.pass.TypesInfo.Uses[x].(*types.Var); ok && isGoContext(v.Type()) {
				s.done[x] = true
			}
		}
		return true
	})
}

func nameOf(expr *ast.CallExpr) ast.Node {
	if name := calleeName(expr); name != nil {
		return name
	}
	return expr
}

func (s *scanner) takesContext(expr *ast.CallExpr, name string) {
	s.add(&hazard{kind: kindContext, rng: expr, what: name}, nameOf(expr).Pos())
	s.settleContexts(expr)
}

// isLogger recognises the methods of *slog.Logger: ctx.Logger() is one, and knows
// about replays.
func isLogger(fn *types.Func) bool {
	return fn.Pkg() != nil && fn.Pkg().Path() == "log/slog" && receiverName(fn) != ""
}

// durableCall is a call into durable, which is trusted and whose function arguments
// are either orchestrator code, and judged as such, or activities.
func (s *scanner) durableCall(expr *ast.CallExpr, fn *types.Func) {
	for _, arg := range expr.Args {
		if s.namedFunc(ast.Unparen(arg)) != nil {
			s.doneNames(arg)
		}
	}
	if anyParameter(fn.Signature(), isGoContext) {
		s.add(&hazard{kind: kindContext, rng: expr, what: shown(expr.Fun), why: "is for clients and activities, which work outside of the history",
			instead: "use a call that takes the *durable.Context, or do it in an activity"}, nameOf(expr).Pos())
		s.settleContexts(expr)
		return
	}
	if !dependsOnOrder(fn) {
		return
	}
	s.n.durable = true
	if contains(s.uneven, expr.Pos()) {
		s.add(&hazard{kind: kindReplaying, rng: expr, what: shown(expr.Fun)}, nameOf(expr).Pos())
	}
}

func (s *scanner) doneNames(e ast.Expr) {
	ast.Inspect(e, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			s.done[id] = true
		}
		return true
	})
}

func isAtomicWrite(fn *types.Func) bool {
	if fn.Pkg() == nil || fn.Pkg().Path() != "sync/atomic" {
		return false
	}
	for _, verb := range []string{"Add", "And", "CompareAndSwap", "Or", "Store", "Swap"} {
		if len(fn.Name()) >= len(verb) && fn.Name()[:len(verb)] == verb {
			return true
		}
	}
	return false
}

// atomicWrite finds the variable that atomic.AddInt64(&v, 1) or v.Add(1) changes.
func (s *scanner) atomicWrite(expr *ast.CallExpr, fn *types.Func) {
	if fn.Signature().Recv() != nil {
		if sel, ok := ast.Unparen(expr.Fun).(*ast.SelectorExpr); ok {
			s.write(expr, sel.X)
		}
		return
	}
	if len(expr.Args) > 0 {
		if ptr, ok := ast.Unparen(expr.Args[0]).(*ast.UnaryExpr); ok && ptr.Op == token.AND {
			s.write(expr, ptr.X)
		}
	}
}

// variable judges a call of a function that is in a variable.
func (s *scanner) variable(c inspector.Cursor, expr *ast.CallExpr, v *types.Var) {
	if fn := s.namedFunc(s.bindings[v]); fn != nil {
		if k := table().ofFunc(fn); k != kindNone {
			// In an orchestrator, mentioning the function was a finding already.
			if s.n.role != roleOrchestrator || v.Parent() == s.pass.Pkg.Scope() {
				s.add(&hazard{kind: k, rng: expr, what: v.Name() + ", which is " + callName(fn) + ","})
			}
			return
		}
		s.named(c, expr, fn, v.Name())
		return
	}
	reported := s.unknown(expr)
	if n := s.nodeOf(s.bindings[v]); n != nil {
		s.edge(expr, n, reported)
	}
}

// unknown judges a call by the type of what is called alone, and tells whether that
// was a finding.
func (s *scanner) unknown(expr *ast.CallExpr) bool {
	s.followArguments(expr)
	sig, ok := s.pass.TypesInfo.TypeOf(expr.Fun).Underlying().(*types.Signature)
	if _, literal := ast.Unparen(expr.Fun).(*ast.FuncLit); !ok || literal || !anyParameter(sig, isGoContext) {
		return false
	}
	s.takesContext(expr, shown(expr.Fun))
	return true
}

// follow notes where a call leads.
func (s *scanner) follow(expr *ast.CallExpr, fn *types.Func, reported bool) {
	if n := s.funcs[fn]; n != nil {
		s.edge(expr, n, reported)
		return
	}
	s.foreign(expr, fn, reported)
}

func (s *scanner) edge(at *ast.CallExpr, to *node, reported bool) {
	if !s.ignores.covers(s.pass, at.Pos(), nameOf(at).Pos()) && !contains(s.once, at.Pos()) {
		s.n.calls = append(s.n.calls, &call{to: to, at: at, reported: reported})
	}
}

// foreign looks up what is known about a function of another package.
func (s *scanner) foreign(expr *ast.CallExpr, fn *types.Func, reported bool) {
	var known summary
	if fn.Pkg() == nil || fn.Pkg() == s.pass.Pkg || !s.pass.ImportObjectFact(fn, &known) {
		return
	}
	s.n.durable = s.n.durable || known.Durable
	var reaching []reach
	for _, r := range known.Reaches {
		if r.Module != s.module && r.Kind.trait().mild || r.Kind.harmlessOnce() && contains(s.once, expr.Pos()) {
			continue
		}
		r.Via = append([]string{callName(fn)}, r.Via...)
		reaching = append(reaching, r)
	}
	if len(reaching) == 0 {
		return
	}
	// Orchestrator code of the same module is judged where it is written.
	silent := reported || roleOf(fn.Signature()) == roleOrchestrator && known.Module == s.module
	s.add(&hazard{kind: reaching[0].Kind, rng: expr, what: callName(fn), reaching: reaching, silent: silent}, nameOf(expr).Pos())
}

// followArguments follows functions that are handed to other functions, which call
// them, as slices.SortFunc does. Literals are part of the code around them anyway.
func (s *scanner) followArguments(expr *ast.CallExpr) {
	for _, arg := range expr.Args {
		if fn := s.namedFunc(ast.Unparen(arg)); fn != nil && roleOf(fn.Signature()) == roleHelper {
			s.follow(expr, fn, false)
		}
	}
}

func (u *unit) line(pos token.Pos) int { return u.pass.Fset.PositionFor(pos, false).Line }

// place is where a position is, short enough for a message: the last folder, the
// file, the line.
func (u *unit) place(pos token.Pos) string {
	p := u.pass.Fset.PositionFor(pos, false)
	return path.Base(u.pass.Pkg.Path()) + "/" + filepath.Base(p.Filename) + ":" + strconv.Itoa(p.Line)
}
