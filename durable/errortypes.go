package durable

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
)

// errorTypes maps names to the error types and sentinels of this program. It is
// process-wide, like the tables of encoding/gob: what a name means depends on the
// program's types, not on a hub, and errors are matched far from any worker.
type errorTypes struct {
	mu        sync.RWMutex
	types     map[string]reflect.Type
	names     map[reflect.Type]string
	sentinels map[string]error
}

var registeredErrors = func() *errorTypes {
	r := &errorTypes{types: map[string]reflect.Type{}, names: map[reflect.Type]string{}, sentinels: map[string]error{}}
	r.sentinels[typeTimeout] = ErrTimeout
	r.sentinels[typeCanceled] = ErrCanceled
	r.sentinels["System.Threading.Tasks.TaskCanceledException"] = ErrCanceled
	r.sentinels["context.Canceled"] = context.Canceled
	r.sentinels["context.DeadlineExceeded"] = context.DeadlineExceeded
	r.sentinels["io.EOF"] = io.EOF
	r.sentinels["io.ErrUnexpectedEOF"] = io.ErrUnexpectedEOF
	return r
}()

// RegisterError gives an error type the name under which it travels between
// workers. errors.As then finds it again in the failure of a call, with the exported
// fields it had:
//
//	func init() { durable.RegisterError[*CardDeclined]("CardDeclined") }
//
// The name may be the class of a .NET exception, whose properties fill the fields.
// E is the type that is returned as an error, often a pointer. It is meant for init
// functions, and panics when the name or the type is already taken by another.
func RegisterError[E error](name string) {
	t := reflect.TypeFor[E]()
	if strings.TrimSpace(name) == "" || t.Kind() == reflect.Interface {
		panic(fmt.Sprintf("durable: RegisterError: a name and a concrete error type are needed, got %q and %v", name, t))
	}
	r := registeredErrors
	r.mu.Lock()
	defer r.mu.Unlock()
	if have, ok := r.types[name]; ok && have != t {
		panic(fmt.Sprintf("durable: RegisterError: %q already stands for %v and cannot stand for %v too", name, have, t))
	}
	if have, ok := r.names[t]; ok && have != name {
		panic(fmt.Sprintf("durable: RegisterError: %v is already registered as %q and cannot be %q too", t, have, name))
	}
	if have, ok := r.sentinels[name]; ok {
		panic(fmt.Sprintf("durable: RegisterError: %q already stands for the error %q", name, have))
	}
	r.types[name], r.names[t] = t, name
}

// RegisterSentinel gives an error value the name under which it travels between
// workers, so that errors.Is finds it in the failure of a call. ErrTimeout,
// ErrCanceled, context.Canceled, context.DeadlineExceeded, io.EOF and
// io.ErrUnexpectedEOF are registered already. It is meant for init functions, and
// panics when the name is already taken.
func RegisterSentinel(name string, err error) {
	if strings.TrimSpace(name) == "" || err == nil {
		panic("durable: RegisterSentinel: a name and an error are needed")
	}
	r := registeredErrors
	r.mu.Lock()
	defer r.mu.Unlock()
	if have, ok := r.sentinels[name]; ok && !sameError(have, err) {
		panic(fmt.Sprintf("durable: RegisterSentinel: %q already stands for the error %q", name, have))
	}
	if have, ok := r.types[name]; ok {
		panic(fmt.Sprintf("durable: RegisterSentinel: %q already stands for the type %v", name, have))
	}
	r.sentinels[name] = err
}

// sameError compares like ==, without panicking on types that cannot be compared.
func sameError(a, b error) bool {
	return reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && any(a) == any(b)
}

// nameOf returns the name under which an error travels.
func (r *errorTypes) nameOf(err error) (string, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if name, ok := r.names[reflect.TypeOf(err)]; ok {
		return name, true
	}
	found := ""
	for name, sentinel := range r.sentinels {
		// Several names may stand for one error; which is chosen must not vary.
		if sameError(sentinel, err) && (found == "" || preferred(name, found)) {
			found = name
		}
	}
	return found, found != ""
}

// preferred prefers the shorter name, then the alphabetically first.
func preferred(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

func (r *errorTypes) hasType(err error) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.names[reflect.TypeOf(err)]
	return ok
}

// value makes the error of this program that a remote one stands for, nil if none.
func (r *errorTypes) value(e *RemoteError) error {
	r.mu.RLock()
	sentinel, isSentinel := r.sentinels[e.Type]
	t, isType := r.types[e.Type]
	r.mu.RUnlock()
	switch {
	case isSentinel:
		return sentinel
	case !isType:
		return nil
	}
	target := reflect.New(t)
	if t.Kind() == reflect.Pointer {
		target.Elem().Set(reflect.New(t.Elem()))
	}
	// A field that no longer fits must not hide the error itself.
	_ = json.Unmarshal(e.fields(), target.Interface())
	if t.Kind() == reflect.Pointer && target.Elem().IsNil() {
		target.Elem().Set(reflect.New(t.Elem()))
	}
	value, _ := target.Elem().Interface().(error)
	return value
}

// fields returns the JSON a registered error was made into.
func (e *RemoteError) fields() []byte {
	if value, ok := e.Properties.Get(propertyValue); ok && e.Properties.Len() == 1 {
		return []byte(value.JSON())
	}
	fields := make(map[string]json.RawMessage, e.Properties.Len())
	for name, value := range e.Properties.All() {
		fields[name] = json.RawMessage(value.JSON())
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return []byte("{}")
	}
	return raw
}
