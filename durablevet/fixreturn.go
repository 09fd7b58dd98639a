package durablevet

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"
)

// fixReceive turns <-time.After(d), used as a statement, into durable.Sleep.
func (s *scanner) fixReceive(c inspector.Cursor, expr *ast.UnaryExpr) func() []analysis.SuggestedFix {
	after, ok := ast.Unparen(expr.X).(*ast.CallExpr)
	if !ok || len(after.Args) != 1 {
		return nil
	}
	if fn := s.callee(after); fn == nil || funcKey(fn) != "time.After" {
		return nil
	}
	s.done[after] = true // one finding for both
	return func() []analysis.SuggestedFix {
		if ctx := s.contextAt(expr.Pos()); ctx != "" {
			return s.fixSleep(c.Parent(), after.Args[0], "<-time.After", ctx)
		}
		return nil
	}
}

// fixSleep replaces a statement by a durable.Sleep whose error is returned.
func (s *scanner) fixSleep(stmt inspector.Cursor, d ast.Expr, what, ctx string) []analysis.SuggestedFix {
	old, ok := stmt.Node().(*ast.ExprStmt)
	if !ok || !inStatementList(stmt) {
		return nil
	}
	pkg := s.importedAs(durablePath, old.Pos())
	zeros, ok := s.zerosBeforeError(stmt)
	if pkg == "" || !ok {
		return nil
	}
	return oneFix("Replace "+what+" with "+pkg+".Sleep",
		replace(old.Pos(), d.Pos(), "if err := "+pkg+".Sleep("+ctx+", "),
		replace(d.End(), old.End(), "); err != nil {\nreturn "+zeros+"err\n}"))
}

// zerosBeforeError returns the zero values to return before an error, with a comma
// after each; false if the function around does not return an error last.
func (u *unit) zerosBeforeError(c inspector.Cursor) (string, bool) {
	for f := range c.Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		sig := u.signatureOf(f.Node())
		if sig == nil || sig.Results().Len() == 0 {
			return "", false
		}
		last := sig.Results().Len() - 1
		if !types.Identical(sig.Results().At(last).Type(), types.Universe.Lookup("error").Type()) {
			return "", false
		}
		var b strings.Builder
		for i := range last {
			zero, ok := u.zero(sig.Results().At(i).Type(), c.Node().Pos())
			if !ok {
				return "", false
			}
			b.WriteString(zero + ", ")
		}
		return b.String(), true
	}
	return "", false
}

// zero is an expression for the zero value of a type.
func (u *unit) zero(t types.Type, pos token.Pos) (string, bool) {
	if _, param := types.Unalias(t).(*types.TypeParam); !param {
		switch under := t.Underlying().(type) {
		case *types.Basic:
			switch {
			case under.Info()&types.IsBoolean != 0:
				return "false", u.isPredeclared("false", pos)
			case under.Info()&types.IsNumeric != 0:
				return "0", true
			case under.Info()&types.IsString != 0:
				return `""`, true
			}
			return "nil", u.isPredeclared("nil", pos)
		case *types.Struct, *types.Array:
			name, ok := u.typeName(t, pos)
			return name + "{}", ok
		}
		return "nil", u.isPredeclared("nil", pos)
	}
	name, ok := u.typeName(t, pos)
	return "*new(" + name + ")", ok && u.isPredeclared("new", pos)
}

// fixContinueAsNew returns the error of a call that was a statement of its own. A
// return of the same values without an error, if it comes next, is merged with it.
func (u *unit) fixContinueAsNew(stmt inspector.Cursor, expr *ast.CallExpr) []analysis.SuggestedFix {
	switch stmt.Node().(type) {
	case *ast.ExprStmt, *ast.AssignStmt:
	default:
		return nil
	}
	zeros, ok := u.zerosBeforeError(stmt)
	if !ok || !inStatementList(stmt) {
		return nil
	}
	if assign, ok := stmt.Node().(*ast.AssignStmt); ok && len(assign.Lhs) != 1 {
		return nil
	}
	const message = "Return the result of ContinueAsNew"
	call := u.source(expr)
	if next, ok := stmt.NextSibling(); ok {
		if ret, ok := next.Node().(*ast.ReturnStmt); ok && len(ret.Results) > 0 {
			last := ret.Results[len(ret.Results)-1]
			if !u.pass.TypesInfo.Types[last].IsNil() {
				return nil // returns another error
			}
			end := ret.Pos()
			if u.commentBetween(stmt.Node().End(), end) {
				end = stmt.Node().End()
			}
			return oneFix(message, replace(stmt.Node().Pos(), end, ""), replace(last.Pos(), last.End(), call))
		}
	}
	return oneFix(message, replace(stmt.Node().Pos(), stmt.Node().End(), "return "+zeros+call))
}

func (u *unit) commentBetween(from, to token.Pos) bool {
	if file := u.fileAt(from); file != nil {
		for _, group := range file.Comments {
			if group.Pos() >= from && group.End() <= to {
				return true
			}
		}
	}
	return false
}
