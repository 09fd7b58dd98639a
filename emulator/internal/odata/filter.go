package odata

import (
	"math"
	"strconv"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// Filter is a parsed $filter expression ("Querying tables and entities"):
// comparisons of properties and constants, and, or, not, parentheses.
type Filter struct{ root node }

// Row gives a filter the values of an entity.
type Row interface {
	// Property returns a value; ok is false when the entity has no such
	// property.
	Property(name string) (Value, bool)
}

// Match reports whether an entity satisfies the filter. A comparison with a
// property that the entity has not, or with one of another type, is false.
func (f *Filter) Match(row Row) bool {
	return f == nil || f.root.match(row)
}

type node interface{ match(Row) bool }

type logical struct {
	or          bool
	left, right node
}

func (n *logical) match(row Row) bool {
	if n.or {
		return n.left.match(row) || n.right.match(row)
	}
	return n.left.match(row) && n.right.match(row)
}

type negation struct{ inner node }

func (n *negation) match(row Row) bool { return !n.inner.match(row) }

// truth is an operand that stands alone.
type truth struct{ operand operand }

func (n *truth) match(row Row) bool {
	v, ok := n.operand.value(row)
	return ok && v.Type == Boolean && v.Num != 0
}

type operator uint8

const (
	opEq operator = iota
	opNe
	opGt
	opGe
	opLt
	opLe
)

type comparison struct {
	op          operator
	left, right operand
}

func (n *comparison) match(row Row) bool {
	a, ok := n.left.value(row)
	if !ok {
		return false
	}
	b, ok := n.right.value(row)
	if !ok {
		return false
	}
	order, ok := Compare(a, b)
	if !ok {
		return false
	}
	return n.op.holds(order)
}

func (op operator) holds(order int) bool {
	switch op {
	case opEq:
		return order == 0
	case opNe:
		return order != 0
	case opGt:
		return order > 0
	case opGe:
		return order >= 0
	case opLt:
		return order < 0
	default:
		return order <= 0
	}
}

func (op operator) mirrored() operator {
	switch op {
	case opGt:
		return opLt
	case opGe:
		return opLe
	case opLt:
		return opGt
	case opLe:
		return opGe
	}
	return op
}

// operand is a constant, or a property when it has a name.
type operand struct {
	property string
	constant Value
}

func (o operand) value(row Row) (Value, bool) {
	if o.property == "" {
		return o.constant, true
	}
	return row.Property(o.property)
}

// Range bounds a key by the comparisons that every match must satisfy.
type Range struct {
	Low, High string
	HasHigh   bool
	// Exact is set when only one key is possible.
	Exact bool
}

// KeyRange finds the range of a key property; it may be wider than the
// matches, never narrower.
func (f *Filter) KeyRange(property string) Range {
	var r Range
	if f != nil {
		r.narrow(f.root, property)
	}
	return r
}

func (r *Range) narrow(n node, property string) {
	switch n := n.(type) {
	case *logical:
		if !n.or {
			r.narrow(n.left, property)
			r.narrow(n.right, property)
		}
	case *comparison:
		op, constant := n.op, n.right.constant
		switch {
		case n.left.property == property && n.right.property == "":
		case n.right.property == property && n.left.property == "":
			op, constant = op.mirrored(), n.left.constant
		default:
			return
		}
		if constant.Type == String {
			r.apply(op, constant.Text)
		}
	}
}

func (r *Range) apply(op operator, key string) {
	order := func(a, b string) int {
		o, _ := Compare(StringValue(a), StringValue(b))
		return o
	}
	if (op == opEq || op == opGt || op == opGe) && order(key, r.Low) > 0 {
		r.Low = key
	}
	if (op == opEq || op == opLt || op == opLe) && (!r.HasHigh || order(key, r.High) < 0) {
		r.High, r.HasHigh = key, true
	}
	r.Exact = r.HasHigh && r.Low == r.High
}

// ErrFilter refuses a filter that does not follow the grammar.
var ErrFilter = &rest.Error{Status: 400, Code: "InvalidInput",
	Message: "One of the request inputs is not valid: $filter."}

var errNotImplemented = &rest.Error{Status: 501, Code: "NotImplemented",
	Message: "The requested operation is not implemented on the specified resource."}

// maxFilter bounds the text, maxFilterDepth nesting and maxFilterNodes the
// comparisons. The service allows 15 comparisons by its documentation and
// more in practice.
const (
	maxFilter      = 32 << 10
	maxFilterDepth = 100
	maxFilterNodes = 500
)

// ParseFilter reads a $filter; an empty one matches everything.
func ParseFilter(text string) (*Filter, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	if len(text) > maxFilter {
		return nil, ErrFilter.WithMessage("%s It is too long.", ErrFilter.Message)
	}
	p := &filterParser{text: text}
	if err := p.next(); err != nil {
		return nil, err
	}
	root, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.token.kind != tokenEnd {
		return nil, p.fail("unexpected '%s'", p.token.text)
	}
	return &Filter{root}, nil
}

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenOpen
	tokenClose
	tokenWord
	tokenConstant
	tokenOther
)

type token struct {
	kind  tokenKind
	text  string
	value Value
}

type filterParser struct {
	text  string
	at    int
	token token
	nodes int
}

func (p *filterParser) fail(format string, args ...any) error {
	return ErrFilter.WithMessage("%s Syntax error at position %d: "+format+".", append([]any{ErrFilter.Message, p.at}, args...)...)
}

func (p *filterParser) or(depth int) (node, error) {
	left, err := p.and(depth)
	for err == nil && p.isWord("or") {
		if err = p.next(); err != nil {
			break
		}
		var right node
		if right, err = p.and(depth); err == nil {
			left = &logical{true, left, right}
		}
	}
	return left, err
}

func (p *filterParser) and(depth int) (node, error) {
	left, err := p.unary(depth)
	for err == nil && p.isWord("and") {
		if err = p.next(); err != nil {
			break
		}
		var right node
		if right, err = p.unary(depth); err == nil {
			left = &logical{false, left, right}
		}
	}
	return left, err
}

func (p *filterParser) isWord(w string) bool {
	return p.token.kind == tokenWord && p.token.text == w
}

func (p *filterParser) unary(depth int) (node, error) {
	if p.nodes++; depth > maxFilterDepth || p.nodes > maxFilterNodes {
		return nil, ErrFilter.WithMessage("%s It is too complex.", ErrFilter.Message)
	}
	if p.isWord("not") {
		if err := p.next(); err != nil {
			return nil, err
		}
		inner, err := p.unary(depth + 1)
		if err != nil {
			return nil, err
		}
		return &negation{inner}, nil
	}
	if p.token.kind != tokenOpen {
		return p.comparison()
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	inner, err := p.or(depth + 1)
	if err != nil {
		return nil, err
	}
	if p.token.kind != tokenClose {
		return nil, p.fail("a closing parenthesis is missing")
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	// "(Count) gt 3" puts parentheses around an operand.
	if t, ok := inner.(*truth); ok {
		return p.compareWith(t.operand)
	}
	return inner, nil
}

func (p *filterParser) comparison() (node, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	return p.compareWith(left)
}

var operators = map[string]operator{"eq": opEq, "ne": opNe, "gt": opGt, "ge": opGe, "lt": opLt, "le": opLe}

func (p *filterParser) compareWith(left operand) (node, error) {
	op, ok := operators[p.token.text]
	if p.token.kind != tokenWord || !ok {
		if p.token.kind == tokenWord {
			switch p.token.text {
			case "add", "sub", "mul", "div", "mod":
				return nil, errNotImplemented
			}
		}
		return &truth{left}, nil
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	parens := 0
	for p.token.kind == tokenOpen && parens < maxFilterDepth {
		parens++
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	for ; parens > 0; parens-- {
		if p.token.kind != tokenClose {
			return nil, p.fail("a closing parenthesis is missing")
		}
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	return &comparison{op, left, right}, nil
}

func (p *filterParser) operand() (operand, error) {
	t := p.token
	switch t.kind {
	case tokenConstant:
		return operand{constant: t.value}, p.next()
	case tokenWord:
		if _, isOperator := operators[t.text]; isOperator || t.text == "and" || t.text == "or" || t.text == "not" {
			return operand{}, p.fail("an operand is missing before '%s'", t.text)
		}
		if err := p.next(); err != nil {
			return operand{}, err
		}
		if p.token.kind == tokenOpen {
			return operand{}, errNotImplemented // a function call
		}
		if t.text == "null" {
			return operand{}, errNotImplemented
		}
		return operand{property: t.text}, nil
	case tokenEnd:
		return operand{}, p.fail("an operand is missing at the end")
	default:
		return operand{}, p.fail("unexpected '%s'", t.text)
	}
}

// next reads the following token.
func (p *filterParser) next() error {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t' || p.text[p.at] == '\r' || p.text[p.at] == '\n') {
		p.at++
	}
	if p.at == len(p.text) {
		p.token = token{kind: tokenEnd}
		return nil
	}
	switch c := p.text[p.at]; {
	case c == '(':
		p.at++
		p.token = token{kind: tokenOpen, text: "("}
	case c == ')':
		p.at++
		p.token = token{kind: tokenClose, text: ")"}
	case c == '\'':
		s, err := p.quoted()
		p.token = token{kind: tokenConstant, value: StringValue(s)}
		return err
	case c == '-' || '0' <= c && c <= '9' || c == '.':
		return p.number()
	case wordByte(c):
		return p.word()
	default:
		p.token = token{kind: tokenOther, text: string(c)}
		p.at++
	}
	return nil
}

func wordByte(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c >= 0x80 || c == ':'
}

// quoted reads a text in single quotes; two of them stand for one.
func (p *filterParser) quoted() (string, error) {
	var b strings.Builder
	for at := p.at + 1; at < len(p.text); at++ {
		if p.text[at] != '\'' {
			b.WriteByte(p.text[at])
			continue
		}
		if at+1 < len(p.text) && p.text[at+1] == '\'' {
			b.WriteByte('\'')
			at++
			continue
		}
		p.at = at + 1
		return b.String(), nil
	}
	return "", p.fail("a closing quote is missing")
}

func (p *filterParser) word() error {
	start := p.at
	for p.at < len(p.text) && wordByte(p.text[p.at]) {
		p.at++
	}
	w := p.text[start:p.at]
	if p.at < len(p.text) && p.text[p.at] == '\'' {
		return p.typed(w)
	}
	switch w {
	case "true", "false":
		p.token = token{kind: tokenConstant, text: w, value: boolValue(w == "true")}
	case "NaN", "Infinity", "INF":
		v, _ := parseDouble(w)
		p.token = token{kind: tokenConstant, text: w, value: v}
	default:
		p.token = token{kind: tokenWord, text: w}
	}
	return nil
}

// typed reads a constant like datetime'2026-06-01T00:00:00Z'.
func (p *filterParser) typed(prefix string) error {
	text, err := p.quoted()
	if err != nil {
		return err
	}
	var v Value
	var ok bool
	switch prefix {
	case "datetime":
		v, ok = parseDateTime(text)
	case "guid":
		v, ok = parseText(GUID, text)
	case "X", "binary":
		v, ok = parseHex(text)
	default:
		return p.fail("'%s' is no type of a constant", prefix)
	}
	if !ok {
		return p.fail("'%s' is no %s", text, prefix)
	}
	p.token = token{kind: tokenConstant, text: text, value: v}
	return nil
}

// number reads an integer, an Int64 with suffix L, or a double.
func (p *filterParser) number() error {
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		sign := (c == '+' || c == '-') && (p.at == start || p.text[p.at-1] == 'e' || p.text[p.at-1] == 'E')
		if !sign && c != '.' && !wordByte(c) {
			break
		}
		p.at++
	}
	text := p.text[start:p.at]
	v, ok := parseNumber(text)
	if !ok {
		return p.fail("'%s' is no number", text)
	}
	p.token = token{kind: tokenConstant, text: text, value: v}
	return nil
}

func parseNumber(text string) (Value, bool) {
	if text == "-INF" || text == "-Infinity" {
		return doubleValue(math.Inf(-1)), true
	}
	if digits, ok := strings.CutSuffix(text, "L"); ok {
		return parseText(Int64, digits)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < math.MinInt32 || n > math.MaxInt32 {
			return Value{Type: Int64, Num: n}, true
		}
		return Value{Type: Int32, Num: n}, true
	}
	return parseDouble(strings.TrimRight(text, "dDfFmM"))
}
