package durablevet

import (
	"go/ast"
	"go/token"
	"strings"

	"golang.org/x/tools/go/analysis"
)

const directive = "//durablevet:ignore"

// ignores are the lines on which findings are silenced, by file.
type ignores map[*token.File]map[int]struct{}

// collectIgnores reads the directives and reports those without a reason, which
// silence nothing.
func (u *unit) collectIgnores() {
	pass, all := u.pass, ignores{}
	u.ignores = all
	for _, file := range pass.Files {
		tokens := pass.Fset.File(file.FileStart)
		for _, group := range file.Comments {
			for _, comment := range group.List {
				rest, ok := strings.CutPrefix(comment.Text, directive)
				if !ok || rest != "" && rest[0] != ' ' && rest[0] != '\t' {
					continue
				}
				// A comment may follow on the same line, as the expectations of this analyzer's tests do.
				reason, _, _ := strings.Cut(rest, "//")
				if strings.TrimSpace(reason) == "" {
					u.found = append(u.found, analysis.Diagnostic{Pos: comment.Pos(), End: comment.End(), Category: "ignore",
						Message: "durablevet:ignore silences nothing without a reason; write //durablevet:ignore and why the code is safe"})
					continue
				}
				if all[tokens] == nil {
					all[tokens] = map[int]struct{}{}
				}
				line := tokens.Line(comment.Pos())
				if standsAlone(pass, tokens, comment) {
					line = tokens.Line(group.End()) + 1
				}
				all[tokens][line] = struct{}{}
			}
		}
	}
}

// standsAlone tells whether nothing but space comes before the comment on its line.
func standsAlone(pass *analysis.Pass, tokens *token.File, comment *ast.Comment) bool {
	source, err := pass.ReadFile(tokens.Name())
	if err != nil {
		return false
	}
	start, end := tokens.Offset(tokens.LineStart(tokens.Line(comment.Pos()))), tokens.Offset(comment.Pos())
	return end <= len(source) && strings.TrimSpace(string(source[start:end])) == ""
}

// covers tells whether the line of one of the positions is silenced.
func (i ignores) covers(pass *analysis.Pass, positions ...token.Pos) bool {
	for _, pos := range positions {
		tokens := pass.Fset.File(pos)
		if tokens == nil {
			continue
		}
		if _, ok := i[tokens][tokens.Line(pos)]; ok {
			return true
		}
	}
	return false
}
