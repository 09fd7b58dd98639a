package durablevet

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/token"
	"go/types"
	"strconv"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

// A fix is only offered when the result compiles: the names it uses are visible and
// mean what they should, and the types are those that the code around it expects.
// Imports that a fix leaves unused are removed by the drivers that apply fixes.

func oneFix(message string, edits ...analysis.TextEdit) []analysis.SuggestedFix {
	return []analysis.SuggestedFix{{Message: message, TextEdits: edits}}
}

func replace(from, to token.Pos, text string) analysis.TextEdit {
	return analysis.TextEdit{Pos: from, End: to, NewText: []byte(text)}
}

// visible looks a name up as the compiler does at a position.
func (u *unit) visible(name string, pos token.Pos) (*types.Scope, types.Object) {
	scope := u.pass.Pkg.Scope().Innermost(pos)
	if scope == nil {
		return nil, nil
	}
	return scope.LookupParent(name, pos)
}

// contextAt returns the name of the innermost variable of type *durable.Context that
// can be used at a position, "" if there is none.
func (u *unit) contextAt(pos token.Pos) string {
	for scope := u.pass.Pkg.Scope().Innermost(pos); scope != nil && scope != u.pass.Pkg.Scope(); scope = scope.Parent() {
		best := ""
		for _, name := range scope.Names() {
			v, ok := scope.Lookup(name).(*types.Var)
			if !ok || name == "_" || !isDurableContext(v.Type()) {
				continue
			}
			if _, found := u.visible(name, pos); found == v && (best == "" || name == "ctx") {
				best = name
			}
		}
		if best != "" {
			return best
		}
	}
	return ""
}

// importedAs returns the name by which the file at pos can use a package there, ""
// if the file does not import it or something else has taken the name.
func (u *unit) importedAs(importPath string, pos token.Pos) string {
	file := u.fileAt(pos)
	if file == nil {
		return ""
	}
	for _, spec := range file.Imports {
		if spec.Path.Value != strconv.Quote(importPath) {
			continue
		}
		name := u.packageName(spec)
		if _, found := u.visible(name, pos); found != nil {
			if pkg, ok := found.(*types.PkgName); ok && pkg.Imported().Path() == importPath {
				return name
			}
		}
	}
	return ""
}

func (u *unit) packageName(spec *ast.ImportSpec) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	if pkg, ok := u.pass.TypesInfo.Implicits[spec].(*types.PkgName); ok {
		return pkg.Name()
	}
	return ""
}

func (u *unit) fileAt(pos token.Pos) *ast.File {
	for _, file := range u.pass.Files {
		if file.FileStart <= pos && pos <= file.FileEnd {
			return file
		}
	}
	return nil
}

// source is an expression as Go code.
func (u *unit) source(e ast.Node) string {
	var b bytes.Buffer
	if err := format.Node(&b, u.pass.Fset, e); err != nil {
		return ""
	}
	return b.String()
}

func inStatementList(stmt inspector.Cursor) bool {
	switch stmt.ParentEdgeKind() {
	case edge.BlockStmt_List, edge.CaseClause_Body, edge.CommClause_Body:
		return true
	}
	return false
}

func (u *unit) signatureOf(f ast.Node) *types.Signature {
	switch f := f.(type) {
	case *ast.FuncDecl:
		if fn, ok := u.pass.TypesInfo.Defs[f.Name].(*types.Func); ok {
			return fn.Signature()
		}
	case *ast.FuncLit:
		sig, _ := u.pass.TypesInfo.TypeOf(f).(*types.Signature)
		return sig
	}
	return nil
}

func (u *unit) isPredeclared(name string, pos token.Pos) bool {
	scope, _ := u.visible(name, pos)
	return scope == types.Universe
}

// typeName writes a type as the file at pos has to; false if it cannot.
func (u *unit) typeName(t types.Type, pos token.Pos) (string, bool) {
	ok := true
	text := types.TypeString(t, func(pkg *types.Package) string {
		if pkg == u.pass.Pkg {
			return ""
		}
		name := u.importedAs(pkg.Path(), pos)
		ok = ok && name != ""
		return name
	})
	if named, isNamed := types.Unalias(t).(*types.Named); isNamed && ok {
		// A name of this package, or of the function around, must not be hidden here.
		obj := named.Obj()
		if obj.Pkg() == u.pass.Pkg {
			_, found := u.visible(obj.Name(), pos)
			ok = found == obj
		} else {
			ok = obj.Exported()
		}
	}
	return text, ok
}
