package arch

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Check reads every Go file below root, the folder of the module named module, and returns one error per broken rule, joined. Files whose
// names end in _test.go, folders that the go command ignores, and other modules below root are left out.
func Check(root, module string, rooms map[string]Rules) error {
	var broken []error
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != root && (ignored(d.Name()) || isModule(file)):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		problems, err := checkFile(root, file, module, rooms)
		broken = append(broken, problems...)
		return err
	})
	return errors.Join(append(broken, err)...)
}

func ignored(folder string) bool {
	return folder == "testdata" || folder == "vendor" || folder == "node_modules" || folder[0] == '.' || folder[0] == '_'
}

func isModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

func checkFile(root, file, module string, rooms map[string]Rules) ([]error, error) {
	relative, err := filepath.Rel(root, file)
	if err != nil {
		return nil, err
	}
	relative = filepath.ToSlash(relative)
	from, known := roomOf(path.Dir(relative), rooms)
	if !known {
		return []error{fmt.Errorf("%s: the room %s is not in the table of internal/arch: add it to the table", relative, from)}, nil
	}
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, nil, parser.ImportsOnly)
	if err != nil {
		return nil, fmt.Errorf("reading the imports of %s: %w", relative, err)
	}
	var problems []error
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("reading the imports of %s: %w", relative, err)
		}
		folder, inModule := strings.CutPrefix(imported, module+"/")
		if !inModule {
			continue
		}
		if problem := checkImport(from, folder, rooms); problem != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", relative, files.Position(spec.Pos()).Line, problem))
		}
	}
	return problems, nil
}

func checkImport(from, folder string, rooms map[string]Rules) error {
	to, known := roomOf(folder, rooms)
	rules := rooms[ruleName(from, rooms)]
	switch {
	case !known:
		return fmt.Errorf("the room %s is not in the table of internal/arch: add it to the table", to)
	case from == to || rules.Anything || slices.Contains(rules.May, ruleName(to, rooms)):
		return nil
	case len(rules.May) == 0:
		return fmt.Errorf("%s must not import %s: it may import no room of this module", from, to)
	}
	return fmt.Errorf("%s must not import %s: of this module it may import %s", from, to, strings.Join(rules.May, ", "))
}

// roomOf returns the room that a folder belongs to: itself or the nearest folder above that the table names. Without one it returns the folder.
func roomOf(folder string, rooms map[string]Rules) (string, bool) {
	for f := folder; f != "." && f != "/"; f = path.Dir(f) {
		if _, ok := rooms[ruleName(f, rooms)]; ok {
			return f, true
		}
	}
	return folder, false
}

// ruleName returns the table's name of a room: the folders in samples that it does not name go by samples/*.
func ruleName(room string, rooms map[string]Rules) string {
	if _, named := rooms[room]; !named && path.Dir(room) == "samples" {
		return "samples/*"
	}
	return room
}

// moduleRoot finds the module that contains the folder start and returns its root folder and name.
func moduleRoot(start string) (root, module string, err error) {
	for root = start; ; root = filepath.Dir(root) {
		text, err := os.ReadFile(filepath.Join(root, "go.mod"))
		if errors.Is(err, fs.ErrNotExist) && filepath.Dir(root) != root {
			continue
		}
		if err != nil {
			return "", "", fmt.Errorf("looking for go.mod above %s: %w", start, err)
		}
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "module "); ok {
				return root, strings.TrimSpace(name), nil
			}
		}
		return "", "", fmt.Errorf("%s names no module", filepath.Join(root, "go.mod"))
	}
}
