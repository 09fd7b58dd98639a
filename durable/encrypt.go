package durable

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
)

// EncryptionKey is an AES key with a name.
type EncryptionKey struct {
	// ID names the key; it is kept in clear beside what it encrypts. Required.
	ID string
	// Secret is the key: 16, 24 or 32 random bytes. Required.
	Secret []byte `json:"-"`
}

// String names the key without its secret.
func (k EncryptionKey) String() string { return "encryption key " + quote(k.ID) }

// GoString names the key without its secret.
func (k EncryptionKey) GoString() string { return k.String() }

// EncryptionConfig configures [EncryptingConverter].
type EncryptionConfig struct {
	// Keys are the known keys. The first one encrypts, all of them decrypt. Required.
	//
	// To rotate keys, first give every process the new key behind the old one, then
	// put it in front, and remove the old one once no instance has payloads under it.
	Keys []EncryptionKey
	// AllowPlaintext accepts payloads that are not encrypted, for the time in which
	// encryption is introduced. Defaults to refusing them.
	AllowPlaintext bool
	// Inner serializes the values. Defaults to JSON; a CompressingConverter compresses
	// before encrypting.
	Inner Converter
}

// ErrUnknownKey is what reading a payload fails with whose key is not configured.
var ErrUnknownKey = errors.New("durable: the payload is encrypted with a key that is not configured")

// ErrNotEncrypted is what reading a payload fails with that is not encrypted, unless
// [EncryptionConfig.AllowPlaintext] is set.
var ErrNotEncrypted = errors.New("durable: the payload is not encrypted")

// EncryptingConverter returns a converter that keeps payloads encrypted with AES-GCM,
// as {"$taskhub.aesgcm":{"key":"…","data":"…"}}. null stays null: whether there is a
// value is not a secret. Names, ids, tags and the texts of errors are not payloads
// and stay in clear. .NET workers and tools do not understand it.
func EncryptingConverter(cfg EncryptionConfig) (Converter, error) {
	if len(cfg.Keys) == 0 {
		return nil, errors.New("durable: EncryptionConfig.Keys is empty; at least one key is needed")
	}
	c := &encrypting{inner: converterOr(cfg.Inner), plain: cfg.AllowPlaintext, current: cfg.Keys[0].ID, keys: map[string]cipher.AEAD{}}
	for _, key := range cfg.Keys {
		if key.ID == "" {
			return nil, errors.New("durable: an encryption key has no ID")
		}
		if _, twice := c.keys[key.ID]; twice {
			return nil, fmt.Errorf("durable: two encryption keys have the ID %q", key.ID)
		}
		block, err := aes.NewCipher(key.Secret)
		if err != nil {
			return nil, fmt.Errorf("durable: encryption key %q: its secret has %d bytes, it must have 16, 24 or 32", key.ID, len(key.Secret))
		}
		if c.keys[key.ID], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fmt.Errorf("durable: encryption key %q: %w", key.ID, err)
		}
	}
	return c, nil
}

type encrypting struct {
	inner   Converter
	plain   bool
	current string
	keys    map[string]cipher.AEAD
}

const aesMember = "$taskhub.aesgcm"

// sealed is an encrypted payload: nonce, ciphertext and tag in one.
type sealed struct {
	Key  string `json:"key"`
	Data []byte `json:"data"`
}

func (c *encrypting) Marshal(v any) ([]byte, error) {
	plain, err := c.inner.Marshal(v)
	if err != nil || len(plain) == 0 || bytes.Equal(plain, []byte("null")) {
		return plain, err
	}
	data := c.keys[c.current].Seal(nil, nil, plain, []byte(c.current))
	return json.Marshal(map[string]sealed{aesMember: {c.current, data}})
}

func (c *encrypting) Unmarshal(data []byte, v any) error {
	raw, ok := soleMember(data, aesMember)
	if !ok {
		if c.plain || bytes.Equal(data, []byte("null")) {
			return c.inner.Unmarshal(data, v)
		}
		return ErrNotEncrypted
	}
	var s sealed
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("durable: an encrypted payload is damaged: %w", err)
	}
	key, ok := c.keys[s.Key]
	if !ok {
		return fmt.Errorf("%w: %q", ErrUnknownKey, s.Key)
	}
	plain, err := key.Open(nil, nil, s.Data, []byte(s.Key))
	if err != nil {
		return fmt.Errorf("durable: an encrypted payload is damaged, or its key %q is another one here: %w", s.Key, err)
	}
	return c.inner.Unmarshal(plain, v)
}
