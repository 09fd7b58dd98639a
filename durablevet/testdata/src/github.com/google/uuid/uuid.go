package uuid

import "crypto/rand"

type UUID [16]byte

func (UUID) String() string                { return "" }
func (UUID) ID() uint32                    { return 0 }
func New() UUID                            { return Must(NewRandom()) }
func NewString() string                    { return New().String() }
func NewRandom() (id UUID, err error)      { _, err = rand.Read(id[:]); return id, err }
func NewV7() (UUID, error)                 { return NewRandom() }
func Must(id UUID, err error) UUID         { return id }
func Parse(s string) (UUID, error)         { return UUID{}, nil }
func NewSHA1(space UUID, data []byte) UUID { return space }
