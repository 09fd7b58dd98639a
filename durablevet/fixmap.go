package durablevet

import (
	"go/ast"
	"go/token"
	"go/types"
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// fixMapRange ranges over the sorted keys instead.
func (s *scanner) fixMapRange(loop *mapLoop) func() []analysis.SuggestedFix {
	return func() []analysis.SuggestedFix {
		stmt := loop.stmt
		key, value := identOf(stmt.Key), identOf(stmt.Value)
		m, isMap := s.pass.TypesInfo.TypeOf(stmt.X).Underlying().(*types.Map)
		if !loop.plain || !isMap || stmt.Tok != token.DEFINE || key == nil || stmt.Value != nil && value == nil || !isOrdered(m.Key()) || !s.staysSame(stmt) {
			return nil
		}
		name := key.Name
		if name == "_" {
			name = s.freeName(stmt)
		}
		edits, sortedName, mapsName, ok := s.sortedKeys(stmt.Pos())
		if !ok || name == "" {
			return nil
		}
		over := s.source(stmt.X)
		edits = append(edits, replace(stmt.Key.Pos(), stmt.X.End(), "_, "+name+" := range "+sortedName+"("+mapsName+"("+over+"))"))
		if value != nil && value.Name != "_" {
			edits = append(edits, replace(stmt.Body.Lbrace+1, stmt.Body.Lbrace+1, "\n"+value.Name+" := "+over+"["+name+"]"))
		}
		return oneFix("Range over the sorted keys", edits...)
	}
}

func identOf(e ast.Expr) *ast.Ident {
	id, _ := e.(*ast.Ident)
	return id
}

func isOrdered(t types.Type) bool {
	if _, param := types.Unalias(t).(*types.TypeParam); param {
		return false
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsOrdered != 0
}

// staysSame tells whether the map is a variable, or a field of one, that the body of
// the loop leaves alone.
func (s *scanner) staysSame(stmt *ast.RangeStmt) bool {
	root := stmt.X
	for {
		sel, ok := ast.Unparen(root).(*ast.SelectorExpr)
		if !ok {
			break
		}
		root = sel.X
	}
	id, ok := ast.Unparen(root).(*ast.Ident)
	if !ok {
		return false
	}
	obj := s.pass.TypesInfo.Uses[id]
	changed := false
	mentions := func(e ast.Expr) bool {
		hit := false
		ast.Inspect(e, func(n ast.Node) bool {
			if x, ok := n.(*ast.Ident); ok && s.pass.TypesInfo.Uses[x] == obj {
				hit = true
			}
			return !hit
		})
		return hit
	}
	ast.Inspect(stmt.Body, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.AssignStmt:
			for _, target := range x.Lhs {
				changed = changed || mentions(target)
			}
		case *ast.CallExpr:
			if b, ok := ast.Unparen(x.Fun).(*ast.Ident); ok && (b.Name == "delete" || b.Name == "clear") {
				changed = changed || mentions(x.Args[0])
			}
		}
		return !changed
	})
	return !changed
}

// freeName finds a name for a key that the loop did not have.
func (s *scanner) freeName(stmt *ast.RangeStmt) string {
	used := map[string]bool{}
	ast.Inspect(stmt, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			used[id.Name] = true
		}
		return true
	})
	for _, name := range []string{"key", "k", "mapKey"} {
		if !used[name] {
			return name
		}
	}
	return ""
}

// sortedKeys returns how to write slices.Sorted and maps.Keys at a position, and the
// edit that adds the imports for it if the file lacks them.
func (s *scanner) sortedKeys(pos token.Pos) (edits []analysis.TextEdit, sorted, keys string, ok bool) {
	file := s.fileAt(pos)
	if file == nil {
		return nil, "", "", false
	}
	var missing []string
	names := map[string]string{}
	for _, importPath := range []string{"maps", "slices"} {
		name := s.importedAs(importPath, pos)
		if name == "" {
			if _, taken := s.visible(importPath, pos); taken != nil || imports(file, importPath) {
				return nil, "", "", false
			}
			name = importPath
			missing = append(missing, strconv.Quote(importPath))
		}
		names[importPath] = name
	}
	if len(missing) > 0 {
		edit, ok := addImports(file, missing)
		if !ok {
			return nil, "", "", false
		}
		edits = append(edits, edit)
	}
	return edits, names["slices"] + ".Sorted", names["maps"] + ".Keys", true
}

func imports(file *ast.File, importPath string) bool {
	for _, spec := range file.Imports {
		if spec.Path.Value == strconv.Quote(importPath) {
			return true
		}
	}
	return false
}

// addImports puts imports of the standard library in front of the file's first one
// of it, so that they sort in.
func addImports(file *ast.File, quoted []string) (analysis.TextEdit, bool) {
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.IMPORT || len(gen.Specs) == 0 {
			continue
		}
		first := gen.Specs[0].(*ast.ImportSpec)
		if first.Path.Value == `"C"` {
			continue
		}
		if !gen.Lparen.IsValid() {
			return replace(gen.Pos(), gen.Pos(), "import (\n"+strings.Join(quoted, "\n")+"\n)\n\n"), true
		}
		apart := "\n"
		if domain, _, _ := strings.Cut(first.Path.Value, "/"); strings.Contains(domain, ".") {
			apart = "\n\n" // no group of the standard library yet
		}
		return replace(first.Pos(), first.Pos(), strings.Join(quoted, "\n")+apart), true
	}
	return analysis.TextEdit{}, false
}
