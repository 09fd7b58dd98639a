package storage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/go-taskhub/taskhub/emulator"
)

const headerErrorCode = "X-Ms-Error-Code"

// Error codes of the services that callers decide by.
const (
	CodeBlobAlreadyExists      = "BlobAlreadyExists"
	CodeBlobNotFound           = "BlobNotFound"
	CodeContainerAlreadyExists = "ContainerAlreadyExists"
	CodeContainerBeingDeleted  = "ContainerBeingDeleted"
	CodeContainerNotFound      = "ContainerNotFound"
	CodeEntityAlreadyExists    = "EntityAlreadyExists"
	CodeMessageNotFound        = "MessageNotFound"
	CodePopReceiptMismatch     = "PopReceiptMismatch"
	CodeQueueAlreadyExists     = "QueueAlreadyExists"
	CodeQueueBeingDeleted      = "QueueBeingDeleted"
	CodeQueueNotFound          = "QueueNotFound"
	CodeResourceNotFound       = "ResourceNotFound"
	CodeTableAlreadyExists     = "TableAlreadyExists"
	CodeTableBeingDeleted      = "TableBeingDeleted"
	CodeTableNotFound          = "TableNotFound"
	CodeConditionNotMet        = "ConditionNotMet"
	CodeUpdateConditionNotMet  = "UpdateConditionNotSatisfied"
)

// ConnectionError is the failure of an attempt that got no answer.
type ConnectionError struct {
	Service string // "blob", "queue" or "table"
	Account string // name of the account
	Address string // host and port
	Err     error  // the cause; it contains no URL

	emulator  bool
	permanent bool
}

func newConnectionError(info *serviceInfo, req *http.Request, err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	return &ConnectionError{
		Service: info.service.String(), Account: info.account, Address: addressOf(req.URL), Err: err,
		emulator: info.emulator, permanent: isPermanent(err),
	}
}

// Error implements error.
func (e *ConnectionError) Error() string {
	text := fmt.Sprintf("the %s service of storage account %s cannot be reached at %s: %v", e.Service, e.Account, e.Address, rootCause(e.Err))
	if remedy := e.remedy(); remedy != "" {
		text += "; " + remedy
	}
	return text
}

// Unwrap returns the cause.
func (e *ConnectionError) Unwrap() error { return e.Err }

// Timeout implements net.Error.
func (e *ConnectionError) Timeout() bool {
	var cause net.Error
	return errors.As(e.Err, &cause) && cause.Timeout()
}

// Temporary implements net.Error: whether another attempt may succeed.
func (e *ConnectionError) Temporary() bool { return !e.permanent }

func (e *ConnectionError) remedy() string {
	var dns *net.DNSError
	var late *lateError
	switch {
	case errors.Is(e.Err, emulator.ErrClosed):
		return "the account was closed before its last request"
	case errors.Is(e.Err, http.ErrSchemeMismatch):
		return "the address answers http: check DefaultEndpointsProtocol or the endpoints"
	case e.emulator && !errors.As(e.Err, &late):
		return `start "taskhub dev" or Azurite, or use the connection string embedded: for the embedded storage`
	case errors.As(e.Err, &dns):
		return "check the account's name, EndpointSuffix and endpoints"
	case isCertificateError(e.Err):
		return "check the endpoint, and the certificates that this machine trusts"
	case errors.As(e.Err, &late):
		return "check the network and the service's load"
	}
	return "check the endpoint, the network and the account's firewall"
}

// addressOf returns host and port, the port also where the URL leaves it out.
func addressOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80"}[u.Scheme]
	}
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// rootCause shortens a dial error to what happened: address and operation are said already.
func rootCause(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return fmt.Errorf("the host name %s does not exist", dns.Name)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// isPermanent tells failures that another attempt will not change.
func isPermanent(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound || isCertificateError(err) || errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, emulator.ErrClosed)
}

func isCertificateError(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid)
}

// HasCode reports whether the service answered with one of the error codes, for operations inside a transaction too.
func HasCode(err error, codes ...string) bool {
	var answer *azcore.ResponseError
	return errors.As(err, &answer) && slices.Contains(codes, answer.ErrorCode)
}

// StatusOf returns the HTTP status of the service's answer that err stands for, or 0 when there was none. For a failed
// transaction it is the status of the operation that failed.
func StatusOf(err error) int {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return 0
	}
	return answer.StatusCode
}

// IsNotFound reports an answer 404: there is no such account object, entity or message.
func IsNotFound(err error) bool { return StatusOf(err) == http.StatusNotFound }

// IsConflict reports an answer 409: the object exists already, is being deleted, or is leased otherwise.
func IsConflict(err error) bool { return StatusOf(err) == http.StatusConflict }

// IsPreconditionFailed reports an answer 412: the object has changed, or a lease id is missing.
func IsPreconditionFailed(err error) bool { return StatusOf(err) == http.StatusPreconditionFailed }

// IsThrottled reports that the service refuses work because of its load.
func IsThrottled(err error) bool {
	status := StatusOf(err)
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// IsUnauthorized reports an answer 401 or 403: the key, signature or role is not sufficient.
func IsUnauthorized(err error) bool {
	status := StatusOf(err)
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// IsUnreachable reports that no answer was had from the service.
func IsUnreachable(err error) bool {
	var connection *ConnectionError
	return errors.As(err, &connection)
}

// InDoubt reports that a request may have been carried out although it failed: there was no answer, the caller stopped
// waiting, or the service answered with an error of its own. Answers 4xx other than 408 exclude it, unless an earlier
// attempt was carried out and the answer is about its effect; who writes conditionally has to look after 409 and 412.
func InDoubt(err error) bool {
	if err == nil {
		return false
	}
	if status := StatusOf(err); status != 0 {
		return retryableStatus(status) || status >= http.StatusInternalServerError
	}
	var connection *ConnectionError
	return errors.As(err, &connection) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
