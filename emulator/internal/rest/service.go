// Package rest holds what the three storage services share on the wire:
// requests as the services see them, responses, errors in their XML and OData
// forms, header and query parsing, dates and identifiers.
package rest

// Service is one of the three storage services.
type Service uint8

// The services. The order is that of the development ports 10000 to 10002.
const (
	Blob Service = iota
	Queue
	Table
)

// Services lists every service in port order.
var Services = [...]Service{Blob, Queue, Table}

// Label is the service's part of a host name ("account.blob.core.windows.net")
// and of a canonicalised SAS resource ("/blob/account/container").
func (s Service) Label() string {
	switch s {
	case Blob:
		return "blob"
	case Queue:
		return "queue"
	default:
		return "table"
	}
}

// Letter is the service's letter in an account SAS (ss=bqt).
func (s Service) Letter() byte { return s.Label()[0] }

// String is the service's name for logs and the Server header.
func (s Service) String() string {
	switch s {
	case Blob:
		return "Blob"
	case Queue:
		return "Queue"
	default:
		return "Table"
	}
}
