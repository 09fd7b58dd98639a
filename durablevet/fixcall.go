package durablevet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"
)

// fixCall is for calls of functions in the table.
func (s *scanner) fixCall(c inspector.Cursor, expr *ast.CallExpr, fn *types.Func) []analysis.SuggestedFix {
	ctx := s.contextAt(expr.Pos())
	if ctx == "" || fn.Signature().Recv() != nil {
		return nil
	}
	switch fn.Pkg().Path() {
	case "time":
		return s.fixTime(c, expr, fn.Name(), ctx)
	case "math/rand", "math/rand/v2":
		return fixRandom(expr, fn, ctx)
	case "log/slog":
		return fixLog(expr, fn.Name(), ctx)
	}
	if table().ofFunc(fn) == kindUUID {
		return s.fixUUID(c, expr, fn, ctx)
	}
	return nil
}

func (s *scanner) fixTime(c inspector.Cursor, expr *ast.CallExpr, name, ctx string) []analysis.SuggestedFix {
	switch name {
	case "Now":
		return oneFix("Replace time.Now with "+ctx+".Now", replace(expr.Fun.Pos(), expr.Fun.End(), ctx+".Now"))
	case "Since":
		return oneFix("Replace time.Since with "+ctx+".Now", replace(expr.Pos(), expr.Args[0].Pos(), ctx+".Now().Sub("))
	case "Until":
		before, after := "", ".Sub("+ctx+".Now())"
		if !isOperand(expr.Args[0]) {
			before, after = "(", ")"+after
		}
		return oneFix("Replace time.Until with "+ctx+".Now", replace(expr.Pos(), expr.Args[0].Pos(), before), replace(expr.Args[0].End(), expr.End(), after))
	case "Sleep":
		return s.fixSleep(c.Parent(), expr.Args[0], "time.Sleep", ctx)
	}
	return nil
}

// fixMention is for time.Now as a value.
func (s *scanner) fixMention(c inspector.Cursor, fn *types.Func) []analysis.SuggestedFix {
	ctx := s.contextAt(c.Node().Pos())
	if ctx == "" || funcKey(fn) != "time.Now" {
		return nil
	}
	if sel, ok := c.Parent().Node().(*ast.SelectorExpr); ok && sel.Sel == c.Node() {
		c = c.Parent()
	}
	return oneFix("Replace time.Now with "+ctx+".Now", replace(c.Node().Pos(), c.Node().End(), ctx+".Now"))
}

// isOperand tells whether a selector can follow the expression.
func isOperand(e ast.Expr) bool {
	switch e.(type) {
	case *ast.Ident, *ast.SelectorExpr, *ast.CallExpr, *ast.IndexExpr, *ast.ParenExpr:
		return true
	}
	return false
}

// fixRandom uses that ctx.Rand() is a generator of math/rand/v2.
func fixRandom(expr *ast.CallExpr, fn *types.Func, ctx string) []analysis.SuggestedFix {
	if _, explicit := ast.Unparen(expr.Fun).(*ast.SelectorExpr); !explicit {
		return nil
	}
	name := fn.Name()
	if fn.Pkg().Path() == "math/rand" {
		switch name {
		case "Int", "Uint32", "Uint64", "Float32", "Float64", "ExpFloat64", "NormFloat64", "Perm", "Shuffle":
		case "Intn":
			name = "IntN"
		case "Int31":
			name = "Int32"
		case "Int31n":
			name = "Int32N"
		case "Int63":
			name = "Int64"
		case "Int63n":
			name = "Int64N"
		default:
			return nil
		}
	} else if name == "N" {
		return nil // has no method
	}
	return oneFix("Replace rand."+fn.Name()+" with "+ctx+".Rand()."+name, replace(expr.Fun.Pos(), expr.Fun.End(), ctx+".Rand()."+name))
}

func fixLog(expr *ast.CallExpr, name, ctx string) []analysis.SuggestedFix {
	switch name {
	case "Debug", "Info", "Warn", "Error", "DebugContext", "InfoContext", "WarnContext", "ErrorContext", "Log", "LogAttrs", "With":
		return oneFix("Replace slog."+name+" with "+ctx+".Logger()."+name, replace(expr.Fun.Pos(), expr.Fun.End(), ctx+".Logger()."+name))
	case "Default":
		return oneFix("Replace slog.Default with "+ctx+".Logger", replace(expr.Fun.Pos(), expr.Fun.End(), ctx+".Logger"))
	}
	return nil
}

// fixUUID uses that durable.UUID is an array of 16 bytes with a method String, as
// the types of the widespread modules are.
func (s *scanner) fixUUID(c inspector.Cursor, expr *ast.CallExpr, fn *types.Func, ctx string) []analysis.SuggestedFix {
	sel, ok := ast.Unparen(expr.Fun).(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	switch fn.Name() {
	case "New", "NewRandom", "NewString", "NewV4":
	default:
		return nil // ids with a time or a place in them are not ctx.NewUUID()'s
	}
	pkg := s.source(sel.X)
	message := "Replace " + pkg + "." + fn.Name() + " with " + ctx + ".NewUUID"
	results := fn.Signature().Results()
	if results.Len() == 1 && types.Identical(results.At(0).Type(), types.Typ[types.String]) && fn.Pkg().Path() == "github.com/google/uuid" {
		return oneFix(message, replace(expr.Pos(), expr.End(), ctx+".NewUUID().String()"))
	}
	if results.Len() == 0 || !is16Bytes(results.At(0).Type()) {
		return nil
	}
	if results.Len() == 2 { // uuid.Must(uuid.NewRandom())
		must, ok := c.Parent().Node().(*ast.CallExpr)
		if !ok {
			return nil
		}
		if around := s.callee(must); around == nil || around.Name() != "Must" || around.Pkg() != fn.Pkg() {
			return nil
		}
		c, expr = c.Parent(), must
	}
	if up, ok := c.Parent().Node().(*ast.SelectorExpr); ok && up.Sel.Name == "String" {
		return oneFix(message, replace(expr.Pos(), expr.End(), ctx+".NewUUID()"))
	}
	return oneFix(message, replace(expr.Pos(), expr.End(), pkg+".UUID("+ctx+".NewUUID())"))
}

func is16Bytes(t types.Type) bool {
	array, ok := t.Underlying().(*types.Array)
	return ok && array.Len() == 16 && types.Identical(array.Elem(), types.Typ[types.Byte])
}
