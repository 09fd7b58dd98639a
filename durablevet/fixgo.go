package durablevet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"
)

// fixGo turns a go statement into a coroutine.
func (s *scanner) fixGo(c inspector.Cursor, stmt *ast.GoStmt) []analysis.SuggestedFix {
	ctx := s.contextAt(stmt.Pos())
	pkg := s.importedAs(durablePath, stmt.Pos())
	if ctx == "" || pkg == "" || !inStatementList(c) || !s.isPredeclared("nil", stmt.Pos()) || !s.isPredeclared("error", stmt.Pos()) {
		return nil
	}
	opening := pkg + ".Go(" + ctx + ", func(" + ctx + " *" + pkg + ".Context) error "
	message := "Replace the go statement with " + pkg + ".Go"
	if lit, ok := ast.Unparen(stmt.Call.Fun).(*ast.FuncLit); ok && len(stmt.Call.Args) == 0 {
		return s.fixGoLiteral(c, stmt, lit, opening, message)
	}
	sig, ok := s.pass.TypesInfo.TypeOf(stmt.Call.Fun).(*types.Signature)
	if !ok || !s.canWait(stmt.Call) {
		return nil
	}
	call := s.source(stmt.Call)
	if call == "" {
		return nil
	}
	body := "{\n" + call + "\nreturn nil\n})"
	if onlyError(sig) {
		body = "{\nreturn " + call + "\n})"
	}
	return oneFix(message, replace(stmt.Pos(), stmt.End(), opening+body))
}

func onlyError(sig *types.Signature) bool {
	return sig.Results().Len() == 1 && types.Identical(sig.Results().At(0).Type(), types.Universe.Lookup("error").Type())
}

// fixGoLiteral makes the literal itself the coroutine.
func (s *scanner) fixGoLiteral(c inspector.Cursor, stmt *ast.GoStmt, lit *ast.FuncLit, opening, message string) []analysis.SuggestedFix {
	sig := s.signatureOf(lit)
	if sig == nil || sig.Results().Len() > 0 && !onlyError(sig) || sig.Results().Len() > 0 && sig.Results().At(0).Name() != "" {
		return nil
	}
	edits := []analysis.TextEdit{replace(stmt.Pos(), lit.Body.Lbrace, opening)}
	if onlyError(sig) {
		return oneFix(message, append(edits, replace(lit.Body.Rbrace+1, stmt.End(), ")"))...)
	}
	body, ok := c.FindNode(lit.Body)
	if !ok {
		return nil
	}
	body.Inspect([]ast.Node{(*ast.FuncLit)(nil), (*ast.ReturnStmt)(nil)}, func(c inspector.Cursor) bool {
		if ret, ok := c.Node().(*ast.ReturnStmt); ok {
			edits = append(edits, replace(ret.End(), ret.End(), " nil"))
			return true
		}
		return false
	})
	closing := "\nreturn nil\n})"
	if n := len(lit.Body.List); n > 0 {
		last := lit.Body.List[n-1]
		if s.line(last.End()) < s.line(lit.Body.Rbrace) {
			closing = closing[1:]
		}
		if _, returns := last.(*ast.ReturnStmt); returns {
			closing = "})"
		}
	}
	return oneFix(message, append(edits, replace(lit.Body.Rbrace, stmt.End(), closing))...)
}

// canWait tells whether the values of a call may be worked out later than where the
// call stands: they are constants and variables that are never assigned again.
func (s *scanner) canWait(expr *ast.CallExpr) bool {
	switch fun := ast.Unparen(expr.Fun).(type) {
	case *ast.Ident:
	case *ast.SelectorExpr:
		if s.pass.TypesInfo.Selections[fun] != nil && !s.settledValue(fun.X) {
			return false
		}
	default:
		return false
	}
	if s.callee(expr) == nil {
		return false
	}
	for _, arg := range expr.Args {
		if !s.settledValue(arg) {
			return false
		}
	}
	return true
}

func (s *scanner) settledValue(e ast.Expr) bool {
	e = ast.Unparen(e)
	if tv := s.pass.TypesInfo.Types[e]; tv.Value != nil || tv.IsNil() {
		return true
	}
	v := s.localVariable(e)
	return v != nil && !v.IsField() && !s.assignedAgain(v)
}

// assignedAgain tells whether a local variable is written, or its address is taken,
// anywhere but where it is declared.
func (s *scanner) assignedAgain(v *types.Var) bool {
	found := false
	is := func(e ast.Expr) bool {
		id, ok := ast.Unparen(e).(*ast.Ident)
		return ok && s.pass.TypesInfo.Uses[id] == v
	}
	s.n.cursor.Inspect([]ast.Node{(*ast.AssignStmt)(nil), (*ast.IncDecStmt)(nil), (*ast.UnaryExpr)(nil), (*ast.RangeStmt)(nil)}, func(c inspector.Cursor) bool {
		switch x := c.Node().(type) {
		case *ast.AssignStmt:
			for _, target := range x.Lhs {
				found = found || is(target)
			}
		case *ast.IncDecStmt:
			found = found || is(x.X)
		case *ast.UnaryExpr:
			found = found || x.Op == token.AND && is(x.X)
		case *ast.RangeStmt:
			found = found || x.Key != nil && is(x.Key) || x.Value != nil && is(x.Value)
		}
		return !found
	})
	return found
}
