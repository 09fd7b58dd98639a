package rest

// Operation is a request's meaning: what it is called, who may do it, and how
// it is done.
type Operation struct {
	Name   string
	Access Access
	Run    func(*Request) (*Response, error)
}

// Access is what a shared access signature must allow for an operation (the
// articles "Create an account SAS" and "Create a service SAS").
type Access struct {
	// Resource is the account SAS resource type: 's'ervice, 'c'ontainer or
	// 'o'bject.
	Resource byte
	// Account and Service are permission letters of which one is enough. An
	// empty Service means that no service SAS allows the operation.
	Account, Service string
	// Public is the lowest public access level of a container that allows
	// the operation to anybody.
	Public PublicAccess
	// Write is set when the operation changes something; a secondary
	// endpoint refuses it.
	Write bool
}

// PublicAccess is a container's level of anonymous access.
type PublicAccess uint8

// The levels; PublicNever is no container's level but an operation's.
const (
	PublicNever PublicAccess = iota
	PublicContainer
	PublicBlob
)

// KeyRange limits a table SAS to a range of keys; empty bounds are open.
type KeyRange struct {
	StartPartition, StartRow, EndPartition, EndRow string
	HasStartPartition, HasStartRow                 bool
	HasEndPartition, HasEndRow                     bool
}

// Identity is who sent a request.
type Identity struct {
	// SAS is set when a shared access signature was used, Anonymous when
	// nothing was.
	SAS, Anonymous bool
	// Account SAS: permissions, resource types. Service SAS: permissions.
	AccountSAS    bool
	Permissions   string
	ResourceTypes string
	// Keys limits a table SAS.
	Keys *KeyRange
}

// Policy is a stored access policy of a container, queue or table.
type Policy struct{ ID, Start, Expiry, Permission string }

// Directory answers what authentication must know of stored resources.
type Directory interface {
	// StoredPolicy finds a stored access policy of the addressed container,
	// queue or table.
	StoredPolicy(r *Request, id string) (Policy, bool)
	// PublicLevel is the level of anonymous access of the addressed
	// container.
	PublicLevel(r *Request) PublicAccess
	// SASResource is the canonical name a service SAS of the given kind (sr
	// or tn) signs for the addressed resource.
	SASResource(r *Request) (string, bool)
}
