package doccheck

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
)

var (
	codeSpan  = regexp.MustCompile("`[^`]*`")
	inline    = regexp.MustCompile(`\]\(\s*<?([^)>\s]+)>?(?:\s+"[^"]*")?\s*\)`)
	reference = regexp.MustCompile(`^\[[^\]]+\]:\s*(\S+)`)
	attribute = regexp.MustCompile(`\b(?:href|src|srcset)="([^"]+)"`)
	heading   = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	linkText  = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	scheme    = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*:`)
)

// CheckLinks returns the links of the pages, within the module that is at root, that lead nowhere: to a file or to a heading that does not exist.
// Links to other places are not looked at.
func CheckLinks(root string, pages []Page) []Problem {
	headings := map[string]map[string]bool{}
	for _, p := range pages {
		headings[p.File] = p.anchors()
	}
	var problems []Problem
	for _, p := range pages {
		for _, l := range p.Prose {
			for _, target := range linksIn(l.Text) {
				if wrong := checkLink(root, p.File, target, headings); wrong != "" {
					problems = append(problems, Problem{p.File, l.Number, wrong})
				}
			}
		}
	}
	return problems
}

func linksIn(line string) []string {
	line = codeSpan.ReplaceAllString(line, "code")
	var targets []string
	for _, pattern := range []*regexp.Regexp{inline, reference, attribute} {
		for _, match := range pattern.FindAllStringSubmatch(line, -1) {
			targets = append(targets, match[1])
		}
	}
	return targets
}

func checkLink(root, from, target string, headings map[string]map[string]bool) string {
	if scheme.MatchString(target) {
		return ""
	}
	file, anchor, hasAnchor := strings.Cut(target, "#")
	to := from
	if file != "" {
		to = path.Join(path.Dir(from), file)
	}
	if strings.HasPrefix(to, "../") || path.IsAbs(file) {
		return fmt.Sprintf("the link %q leaves the module", target)
	}
	if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(to))); err != nil {
		return fmt.Sprintf("the link %q leads to %s, which does not exist", target, to)
	}
	if anchors, isPage := headings[to]; hasAnchor && isPage && !anchors[anchor] {
		return fmt.Sprintf("the link %q leads to a heading that %s does not have", target, to)
	}
	return ""
}

// anchors are the names under which GitHub makes the page's headings reachable.
func (p Page) anchors() map[string]bool {
	anchors := map[string]bool{}
	for _, l := range p.Prose {
		match := heading.FindStringSubmatch(l.Text)
		if match == nil {
			continue
		}
		name := slug(match[1])
		unique := name
		for n := 1; anchors[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", name, n)
		}
		anchors[unique] = true
	}
	return anchors
}

// slug is the name of a heading: letters, digits, dashes and underscores, in lower case, with dashes for blanks.
func slug(heading string) string {
	heading = linkText.ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}
