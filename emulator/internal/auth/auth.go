// Package auth checks who sent a request: SharedKey, SharedKeyLite, account
// and service shared access signatures, and anonymous access. The signatures
// are those of the articles "Authorize with Shared Key", "Create an account
// SAS" and "Create a service SAS".
package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// Authenticator knows the accounts and their keys.
type Authenticator struct {
	keys map[string]*accountKey
	skew time.Duration

	lastDate atomic.Pointer[signedAt]
}

// New makes an authenticator. Keys are base64. A skew of zero switches the
// check of a signed request's date off.
func New(accounts map[string]string, skew time.Duration) (*Authenticator, error) {
	a := &Authenticator{keys: make(map[string]*accountKey, len(accounts)), skew: skew}
	for name, key := range accounts {
		raw, err := base64.StdEncoding.DecodeString(key)
		if err != nil || len(raw) == 0 {
			return nil, fmt.Errorf("the key of account %q is not base64", name)
		}
		a.keys[name] = newAccountKey(raw)
	}
	return a, nil
}

// Known reports whether an account exists.
func (a *Authenticator) Known(account string) bool {
	_, ok := a.keys[account]
	return ok
}

// Identify finds out who sent a request. It verifies signatures; what they
// allow is checked by Authorize.
func (a *Authenticator) Identify(r *rest.Request, dir rest.Directory) (rest.Identity, error) {
	key, ok := a.keys[r.Account]
	if !ok {
		return rest.Identity{}, failed("The account being accessed does not exist.")
	}
	if header := r.Header.Get("Authorization"); header != "" {
		return rest.Identity{}, a.sharedKey(r, key, header)
	}
	if r.Query.Has("sig") {
		return identifySAS(r, key, dir)
	}
	return rest.Identity{Anonymous: true}, nil
}

// Authorize checks that an identity allows an operation.
func Authorize(r *rest.Request, id rest.Identity, access rest.Access, dir rest.Directory) error {
	switch {
	case id.Anonymous:
		if access.Public == rest.PublicNever {
			return rest.ErrNoAuthentication
		}
		if level := dir.PublicLevel(r); level == rest.PublicNever || level > access.Public {
			return rest.ErrNoAuthentication
		}
		return nil
	case id.AccountSAS:
		if strings.IndexByte(id.ResourceTypes, access.Resource) < 0 {
			return rest.ErrResourceTypeMismatch
		}
		if !strings.ContainsAny(id.Permissions, access.Account) {
			return rest.ErrPermissionMismatch
		}
	case id.SAS:
		if access.Service == "" {
			return rest.ErrAuthorizationFailure
		}
		if !strings.ContainsAny(id.Permissions, access.Service) {
			return rest.ErrPermissionMismatch
		}
	}
	return nil
}

func failed(format string, args ...any) error {
	return rest.ErrAuthenticationFailed.With("AuthenticationErrorDetail", fmt.Sprintf(format, args...))
}

// accountKey verifies signatures made with an account's key.
type accountKey struct {
	macs sync.Pool // of hash.Hash; to make one costs as much as to use it
}

func newAccountKey(key []byte) *accountKey {
	return &accountKey{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

func (k *accountKey) verify(stringToSign, signature string) bool {
	want, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return false
	}
	mac := k.macs.Get().(hash.Hash) //nolint:forcetypeassert // as made above
	defer k.macs.Put(mac)
	mac.Reset()
	mac.Write([]byte(stringToSign))
	var sum [sha256.Size]byte
	return hmac.Equal(mac.Sum(sum[:0]), want)
}
