package durablevet

import (
	"go/types"
)

// durablePath is the package that orchestrators are written with. Types are
// recognised by it, so that the analyzer depends on no version of the module.
const durablePath = "github.com/go-taskhub/taskhub/durable"

func isNamed(t types.Type, path, name string) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return false
	}
	obj := named.Obj()
	return obj.Name() == name && obj.Pkg() != nil && obj.Pkg().Path() == path
}

// isDurableContext recognises *durable.Context.
func isDurableContext(t types.Type) bool {
	ptr, ok := types.Unalias(t).(*types.Pointer)
	return ok && isNamed(ptr.Elem(), durablePath, "Context")
}

// isGoContext recognises context.Context.
func isGoContext(t types.Type) bool { return isNamed(t, "context", "Context") }

func firstParameter(sig *types.Signature, is func(types.Type) bool) bool {
	return sig.Params().Len() > 0 && is(sig.Params().At(0).Type())
}

func anyParameter(sig *types.Signature, is func(types.Type) bool) bool {
	for param := range sig.Params().Variables() {
		if is(param.Type()) {
			return true
		}
	}
	return false
}

func inDurable(fn *types.Func) bool {
	return fn.Pkg() != nil && fn.Pkg().Path() == durablePath
}

// isDurableFunc recognises one of the package-level functions of durable.
func isDurableFunc(fn *types.Func, name string) bool {
	return inDurable(fn) && fn.Name() == name && fn.Signature().Recv() == nil
}

// dependsOnOrder tells whether the history notices in which order calls of fn, a
// function of durable, are made: the ones that decide something, wait, or draw the
// next of a sequence. Reading the time or the instance id is not among them.
func dependsOnOrder(fn *types.Func) bool {
	sig := fn.Signature()
	switch {
	case fn.Name() == "SetCustomStatus":
		return false
	case sig.Recv() != nil && isDurableContext(sig.Recv().Type()):
		switch fn.Name() {
		case "NewUUID", "Rand", "Patched":
			return true
		}
		return false
	case sig.Recv() != nil && fn.Name() == "Await":
		return true
	case anyParameter(sig, isDurableContext):
		return true
	}
	switch fn.Name() {
	case "WhenAll", "WhenAny", "AwaitAll", "InOrder":
		return true
	}
	return false
}

// callName names a function so that readers in any package know it:
// sync.Mutex.Lock, time.Now.
func callName(fn *types.Func) string {
	if fn.Pkg() == nil {
		return localName(fn)
	}
	return fn.Pkg().Name() + "." + localName(fn)
}

// localName is callName inside fn's own package.
func localName(fn *types.Func) string {
	if recv := receiverName(fn); recv != "" {
		return recv + "." + fn.Name()
	}
	return fn.Name()
}

func receiverName(fn *types.Func) string {
	recv := fn.Signature().Recv()
	if recv == nil {
		return ""
	}
	t := types.Unalias(recv.Type())
	if ptr, ok := t.(*types.Pointer); ok {
		t = types.Unalias(ptr.Elem())
	}
	if named, ok := t.(*types.Named); ok {
		return named.Obj().Name()
	}
	return ""
}

// funcKey is how the table of rules names functions: package path, receiver's type
// if any, name.
func funcKey(fn *types.Func) string {
	if fn.Pkg() == nil {
		return ""
	}
	if recv := receiverName(fn); recv != "" {
		return fn.Pkg().Path() + "." + recv + "." + fn.Name()
	}
	return fn.Pkg().Path() + "." + fn.Name()
}
