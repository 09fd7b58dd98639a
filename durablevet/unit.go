package durablevet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// unit is the analysis of one package.
type unit struct {
	pass    *analysis.Pass
	inspect *inspector.Inspector
	module  string
	ignores ignores
	found   []analysis.Diagnostic

	nodes    []*node // in source order
	funcs    map[*types.Func]*node
	literals map[*ast.FuncLit]*node
	bindings map[*types.Var]ast.Expr // the function a variable was declared with, if nothing else is ever assigned to it
}

// role is what a function's first parameter makes of it.
type role uint8

const (
	roleHelper       role = iota // judged if an orchestrator reaches it
	roleOrchestrator             // *durable.Context first: judged always
	roleActivity                 // context.Context first: never judged
)

// node is a function with the literals inside it, except for literals with a role
// of their own and those in package-level variables, which have their own nodes.
type node struct {
	cursor     inspector.Cursor
	syntax     ast.Node    // *ast.FuncDecl or *ast.FuncLit
	fn         *types.Func // nil for a literal
	role       role
	registered string // the name of the orchestrator that this function is the body of

	hazards []*hazard
	calls   []*call
	loops   []*mapLoop

	durable bool              // makes calls that depend on their order
	reaches [kindCount]*reach // what calling it leads to, for facts
}

// hazard is a construct that does not belong into an orchestrator.
type hazard struct {
	kind     kind
	rng      analysis.Range
	what     string // the construct, as subject of a sentence
	why      string // instead of the kind's
	instead  string // instead of the kind's
	mention  bool   // not a call, only a use of the name: counts in orchestrators alone
	fixes    func() []analysis.SuggestedFix
	reaching []reach // for a call into another package: all it leads to, most important first
	silent   bool    // reaching counts for callers, but is reported elsewhere
}

// call is a call of a function whose code the package has.
type call struct {
	to       *node
	at       ast.Node
	inline   bool // the literal of a durable.Go: the same orchestrator goes on
	reported bool // the call as such is a finding; what is behind it needs no other
}

func (n *node) name() string {
	if n.fn != nil {
		return localName(n.fn)
	}
	return ""
}

func (u *unit) collect() {
	decls := []ast.Node{(*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)}
	for c := range u.inspect.Root().Preorder(decls...) {
		switch f := c.Node().(type) {
		case *ast.FuncDecl:
			fn, ok := u.pass.TypesInfo.Defs[f.Name].(*types.Func)
			if !ok || f.Body == nil {
				continue
			}
			n := &node{cursor: c, syntax: f, fn: fn, role: roleOf(fn.Signature())}
			u.nodes = append(u.nodes, n)
			u.funcs[fn] = n
		case *ast.FuncLit:
			sig, ok := u.pass.TypesInfo.TypeOf(f).(*types.Signature)
			if !ok {
				continue
			}
			if r := roleOf(sig); r != roleHelper || !insideFunction(c) {
				n := &node{cursor: c, syntax: f, role: r}
				u.nodes = append(u.nodes, n)
				u.literals[f] = n
			}
		}
	}
	u.bind()
	u.nameOrchestrators()
}

func roleOf(sig *types.Signature) role {
	switch {
	case firstParameter(sig, isDurableContext):
		return roleOrchestrator
	case firstParameter(sig, isGoContext):
		return roleActivity
	}
	return roleHelper
}

func insideFunction(c inspector.Cursor) bool {
	for range c.Parent().Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		return true
	}
	return false
}

// bind finds variables that hold one function for good, which makes calling the
// variable as good as calling the function. A package-level variable that starts as
// a function of the table, as in var now = time.Now, counts even if tests change it.
func (u *unit) bind() {
	info := u.pass.TypesInfo
	writes := map[*types.Var]int{}
	set := func(id *ast.Ident, value ast.Expr) {
		v, ok := info.ObjectOf(id).(*types.Var)
		if !ok || !isFunction(v.Type()) {
			return
		}
		writes[v]++
		if _, bound := u.bindings[v]; !bound && value != nil {
			u.bindings[v] = ast.Unparen(value)
		}
	}
	for c := range u.inspect.Root().Preorder((*ast.ValueSpec)(nil), (*ast.AssignStmt)(nil)) {
		switch s := c.Node().(type) {
		case *ast.ValueSpec:
			for i, id := range s.Names {
				if len(s.Values) == len(s.Names) {
					set(id, s.Values[i])
				}
			}
		case *ast.AssignStmt:
			for i, lhs := range s.Lhs {
				id, ok := ast.Unparen(lhs).(*ast.Ident)
				if !ok {
					continue
				}
				if len(s.Rhs) == len(s.Lhs) {
					set(id, s.Rhs[i])
				} else {
					set(id, nil)
				}
			}
		}
	}
	for v, n := range writes {
		if n > 1 && !u.startsAsRule(v) {
			delete(u.bindings, v)
		}
	}
}

func isFunction(t types.Type) bool {
	_, ok := t.Underlying().(*types.Signature)
	return ok
}

func (u *unit) startsAsRule(v *types.Var) bool {
	if v.Parent() != u.pass.Pkg.Scope() {
		return false
	}
	fn := u.namedFunc(u.bindings[v])
	return fn != nil && table().ofFunc(fn) != kindNone
}

// namedFunc returns the declared function or method that an expression names, nil if
// it does not.
func (u *unit) namedFunc(e ast.Expr) *types.Func {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return origin(u.pass.TypesInfo.Uses[x])
		case *ast.SelectorExpr:
			return origin(u.pass.TypesInfo.Uses[x.Sel])
		default:
			return nil
		}
	}
}

func origin(obj types.Object) *types.Func {
	if fn, ok := obj.(*types.Func); ok {
		return fn.Origin()
	}
	return nil
}

// nodeOf returns the node of the function that an expression stands for, as far as
// the package has its code.
func (u *unit) nodeOf(e ast.Expr) *node {
	for range 8 { // variables bound to variables; longer chains are nobody's code
		switch x := ast.Unparen(e).(type) {
		case *ast.FuncLit:
			return u.literals[x]
		case *ast.Ident:
			if v, ok := u.pass.TypesInfo.ObjectOf(x).(*types.Var); ok {
				e = u.bindings[v]
				if e == nil {
					return nil
				}
				continue
			}
		}
		break
	}
	if fn := u.namedFunc(e); fn != nil {
		return u.funcs[fn]
	}
	return nil
}

// nameOrchestrators finds the definitions of orchestrators and gives the functions
// they are made of the orchestrators' names.
func (u *unit) nameOrchestrators() {
	for c := range u.inspect.Root().Preorder((*ast.CallExpr)(nil)) {
		def := c.Node().(*ast.CallExpr)
		fn := origin(typeutil.Callee(u.pass.TypesInfo, def))
		if fn == nil || !inDurable(fn) {
			continue
		}
		var body ast.Expr
		var name string
		switch {
		case isDurableFunc(fn, "NewOrchestrator") && len(def.Args) >= 2:
			body, name = def.Args[1], u.constantText(def.Args[0])
		case fn.Name() == "With" && receiverName(fn) == "Orchestrator" && len(def.Args) == 1:
			body, name = def.Args[0], u.declaredName(def.Fun)
		default:
			continue
		}
		if n := u.nodeOf(body); n != nil && n.registered == "" {
			n.registered = name
		}
	}
}

func (u *unit) constantText(e ast.Expr) string {
	if tv, ok := u.pass.TypesInfo.Types[e]; ok && tv.Value != nil && tv.Value.Kind() == constant.String {
		return constant.StringVal(tv.Value)
	}
	return ""
}

// declaredName finds the name of the orchestrator in declared.With: the constant
// given to DeclareOrchestrator, or else the variable's own name.
func (u *unit) declaredName(fun ast.Expr) string {
	sel, ok := ast.Unparen(fun).(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	switch x := ast.Unparen(sel.X).(type) {
	case *ast.CallExpr:
		if len(x.Args) > 0 {
			return u.constantText(x.Args[0])
		}
	case *ast.Ident:
		if value := u.declaredValue(u.pass.TypesInfo.Uses[x]); value != nil && len(value.Args) > 0 {
			if name := u.constantText(value.Args[0]); name != "" {
				return name
			}
		}
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}

// declaredValue finds the call that a package-level variable is declared with.
func (u *unit) declaredValue(obj types.Object) *ast.CallExpr {
	if obj == nil || obj.Parent() != u.pass.Pkg.Scope() {
		return nil
	}
	for _, file := range u.pass.Files {
		if obj.Pos() < file.FileStart || obj.Pos() > file.FileEnd {
			continue
		}
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				s := spec.(*ast.ValueSpec)
				for i, id := range s.Names {
					if id.Pos() == obj.Pos() && i < len(s.Values) {
						value, _ := ast.Unparen(s.Values[i]).(*ast.CallExpr)
						return value
					}
				}
			}
		}
	}
	return nil
}
