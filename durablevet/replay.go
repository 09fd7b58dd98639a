package durablevet

import (
	"go/ast"
	"go/token"

	"golang.org/x/tools/go/ast/inspector"
)

// Code behind a look at ctx.IsReplaying() is there to do once what replays must not
// repeat, metrics for example; code behind ctx.Unloading(), to tidy up the process. It
// may look at clocks and print. What depends on IsReplaying must not make durable calls.

// harmlessOnce tells whether the kind does no harm in code that replays
// leave out: it neither blocks nor starts anything.
func (k kind) harmlessOnce() bool {
	switch k {
	case kindClock, kindRandom, kindUUID, kindLock, kindEnvironment, kindOutput, kindContext, kindGlobal:
		return true
	}
	return false
}

func contains(parts []span, pos token.Pos) bool {
	for _, part := range parts {
		if part.from <= pos && pos < part.to {
			return true
		}
	}
	return false
}

// replayCheck notes what an if statement that asks for IsReplaying or Unloading makes
// of the code that depends on it.
func (s *scanner) replayCheck(c inspector.Cursor, stmt *ast.IfStmt) {
	body := span{stmt.Body.Pos(), stmt.Body.End()}
	otherwise := span{stmt.Body.End(), stmt.End()}
	if stmt.Else == nil && endsInReturn(stmt.Body) && inStatementList(c) {
		otherwise.to = c.Parent().Node().End() // the rest of the block
	}
	switch {
	case s.asks(stmt.Cond, "IsReplaying", token.LAND, true):
		s.once, s.uneven = append(s.once, body), append(s.uneven, body)
	case s.asks(stmt.Cond, "IsReplaying", token.LAND, false):
		s.uneven = append(s.uneven, body)
	case s.asks(stmt.Cond, "Unloading", token.LAND, false):
		s.once = append(s.once, body)
	}
	switch {
	case s.asks(stmt.Cond, "IsReplaying", token.LOR, false):
		s.once, s.uneven = append(s.once, otherwise), append(s.uneven, otherwise)
	case s.asks(stmt.Cond, "IsReplaying", token.LOR, true):
		s.uneven = append(s.uneven, otherwise)
	case s.asks(stmt.Cond, "Unloading", token.LOR, true):
		s.once = append(s.once, otherwise)
	}
}

// asks tells whether a condition is a call of the method of *durable.Context, or its
// opposite, alone or joined with others by op.
func (s *scanner) asks(cond ast.Expr, method string, op token.Token, negated bool) bool {
	switch x := ast.Unparen(cond).(type) {
	case *ast.BinaryExpr:
		return x.Op == op && (s.asks(x.X, method, op, negated) || s.asks(x.Y, method, op, negated))
	case *ast.UnaryExpr:
		return x.Op == token.NOT && negated && s.asks(x.X, method, token.ILLEGAL, false)
	case *ast.CallExpr:
		fn := s.callee(x)
		return !negated && fn != nil && inDurable(fn) && fn.Name() == method
	}
	return false
}

func endsInReturn(body *ast.BlockStmt) bool {
	if len(body.List) == 0 {
		return false
	}
	_, ok := body.List[len(body.List)-1].(*ast.ReturnStmt)
	return ok
}
