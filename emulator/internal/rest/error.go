package rest

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Error is a refusal in the terms of the storage services. The codes and
// statuses are those of the articles "Common REST API error codes", "Blob
// Storage error codes", "Queue Storage error codes" and "Table Storage error
// codes".
type Error struct {
	Status  int
	Code    string
	Message string
	// Details are the extra elements of an XML error body, such as
	// QueryParameterName; in an OData error they are added to the message.
	Details []Detail
	// Headers are added to the response.
	Headers []Detail
}

// Detail is a named text that explains an error.
type Detail struct{ Name, Value string }

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("%s (%d): %s", e.Code, e.Status, e.Message)
}

// Is makes errors of one code and status equal.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code && t.Status == e.Status
}

// Errorf builds an error with a formatted message.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// With returns a copy of the error that carries one more detail.
func (e *Error) With(name, value string) *Error {
	c := *e
	c.Details = append(append([]Detail(nil), e.Details...), Detail{name, value})
	return &c
}

// WithMessage returns a copy of the error with another message.
func (e *Error) WithMessage(format string, args ...any) *Error {
	c := *e
	c.Message = fmt.Sprintf(format, args...)
	return &c
}

// Errors every service can answer with.
var (
	ErrAuthenticationFailed = &Error{Status: 403, Code: "AuthenticationFailed",
		Message: "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature."}
	ErrNoAuthentication = &Error{Status: 401, Code: "NoAuthenticationInformation",
		Message: "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
		Headers: []Detail{{"WWW-Authenticate", "SharedKey"}}}
	ErrInvalidAuthentication = &Error{Status: 400, Code: "InvalidAuthenticationInfo",
		Message: "Authentication information is not given in the correct format. Check the value of Authorization header."}
	ErrPermissionMismatch = &Error{Status: 403, Code: "AuthorizationPermissionMismatch",
		Message: "This request is not authorized to perform this operation using this permission."}
	ErrServiceMismatch = &Error{Status: 403, Code: "AuthorizationServiceMismatch",
		Message: "This request is not authorized to perform this operation using this service."}
	ErrResourceTypeMismatch = &Error{Status: 403, Code: "AuthorizationResourceTypeMismatch",
		Message: "This request is not authorized to perform this operation using this resource type."}
	ErrProtocolMismatch = &Error{Status: 403, Code: "AuthorizationProtocolMismatch",
		Message: "This request is not authorized to perform this operation using this protocol."}
	ErrSourceIPMismatch = &Error{Status: 403, Code: "AuthorizationSourceIPMismatch",
		Message: "This request is not authorized to perform this operation using this source IP."}
	ErrAuthorizationFailure = &Error{Status: 403, Code: "AuthorizationFailure",
		Message: "This request is not authorized to perform this operation."}
	ErrInternal = &Error{Status: 500, Code: "InternalError",
		Message: "The server encountered an internal error. Please retry the request."}
	ErrServerBusy = &Error{Status: 503, Code: "ServerBusy",
		Message: "The server is busy."}
	ErrInvalidURI = &Error{Status: 400, Code: "InvalidUri",
		Message: "The requested URI does not represent any resource on the server."}
	ErrURLTooLong = &Error{Status: 400, Code: "RequestUrlFailedToParse",
		Message: "The url in the request could not be parsed."}
	ErrMissingContentLength = &Error{Status: 411, Code: "MissingContentLengthHeader",
		Message: "The Content-Length header was not specified."}
	ErrBodyTooLarge = &Error{Status: 413, Code: "RequestBodyTooLarge",
		Message: "The request body is too large and exceeds the maximum permissible limit."}
	ErrInvalidXML = &Error{Status: 400, Code: "InvalidXmlDocument",
		Message: "XML specified is not syntactically valid."}
	ErrMD5Mismatch = &Error{Status: 400, Code: "Md5Mismatch",
		Message: "The MD5 value specified in the request did not match with the MD5 value calculated by the server."}
	ErrInvalidMD5 = &Error{Status: 400, Code: "InvalidMd5",
		Message: "The MD5 value specified in the request is invalid. MD5 value must be 128 bits and base64 encoded."}
	ErrUnsupportedVerb = &Error{Status: 405, Code: "UnsupportedHttpVerb",
		Message: "The resource doesn't support specified Http Verb."}
	ErrInvalidResourceName = &Error{Status: 400, Code: "InvalidResourceName",
		Message: "The specified resource name contains invalid characters."}
	ErrResourceNameLength = &Error{Status: 400, Code: "OutOfRangeInput",
		Message: "The specified resource name length is not within the permissible limits."}
	ErrConditionNotMet = &Error{Status: 412, Code: "ConditionNotMet",
		Message: "The condition specified using HTTP conditional header(s) is not met."}
	ErrNotModified = &Error{Status: 304, Code: "ConditionNotMet",
		Message: "The condition specified using HTTP conditional header(s) is not met."}
	ErrMetadataTooLarge = &Error{Status: 400, Code: "MetadataTooLarge",
		Message: "The metadata specified exceeds the maximum permissible limit (8KB)."}
	ErrInvalidMetadata = &Error{Status: 400, Code: "InvalidMetadata",
		Message: "The metadata specified is invalid. It has characters that are not permitted."}
	ErrEmptyMetadataKey = &Error{Status: 400, Code: "EmptyMetadataKey",
		Message: "The key for one of the metadata key-value pairs is empty."}
	ErrInsufficientPermission = &Error{Status: 403, Code: "InsufficientAccountPermissions",
		Message: "The account being accessed does not have sufficient permissions to execute this operation."}
	ErrCORS = &Error{Status: 403, Code: "CorsPreflightFailure",
		Message: "CORS not enabled or no matching rule found for this request."}
)

// InvalidHeader is the refusal of a header value.
func InvalidHeader(name, value string) *Error {
	return (&Error{Status: 400, Code: "InvalidHeaderValue",
		Message: "The value for one of the HTTP headers is not in the correct format."}).
		With("HeaderName", name).With("HeaderValue", value)
}

// MissingHeader is the refusal of a request that lacks a required header.
func MissingHeader(name string) *Error {
	return (&Error{Status: 400, Code: "MissingRequiredHeader",
		Message: "An HTTP header that's mandatory for this request is not specified."}).
		With("HeaderName", name)
}

// UnsupportedHeader is the refusal of a header this server does not implement.
func UnsupportedHeader(name, value string) *Error {
	return (&Error{Status: 400, Code: "UnsupportedHeader",
		Message: "One of the HTTP headers specified in the request is not supported."}).
		With("HeaderName", name).With("HeaderValue", value)
}

// InvalidParameter is the refusal of a query parameter's value.
func InvalidParameter(name, value string) *Error {
	return (&Error{Status: 400, Code: "InvalidQueryParameterValue",
		Message: "Value for one of the query parameters specified in the request URI is invalid."}).
		With("QueryParameterName", name).With("QueryParameterValue", value)
}

// ParameterOutOfRange is the refusal of a number outside its range.
func ParameterOutOfRange(name, value string, minimum, maximum int64) *Error {
	return (&Error{Status: 400, Code: "OutOfRangeQueryParameterValue",
		Message: "One of the query parameters specified in the request URI is outside the permissible range."}).
		With("QueryParameterName", name).With("QueryParameterValue", value).
		With("MinimumAllowed", fmt.Sprint(minimum)).With("MaximumAllowed", fmt.Sprint(maximum))
}

// MissingParameter is the refusal of a request that lacks a query parameter.
func MissingParameter(name string) *Error {
	return (&Error{Status: 400, Code: "MissingRequiredQueryParameter",
		Message: "A query parameter that's mandatory for this request is not specified."}).
		With("QueryParameterName", name)
}

// UnsupportedParameter is the refusal of a query parameter, or of a value of
// it, that this server does not implement.
func UnsupportedParameter(name, value string) *Error {
	return (&Error{Status: 400, Code: "UnsupportedQueryParameter",
		Message: "One of the query parameters specified in the request URI is not supported."}).
		With("QueryParameterName", name).With("QueryParameterValue", value)
}

// AsError turns any error into one of the service's kind; what is not one
// already is an internal error whose text stays in the log.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return ErrInternal
}

// FullMessage is the message as it stands in a body: followed by the request
// id and the time, each on its own line.
func (e *Error) FullMessage(requestID string, now time.Time) string {
	var b strings.Builder
	b.WriteString(e.Message)
	b.WriteString("\nRequestId:")
	b.WriteString(requestID)
	b.WriteString("\nTime:")
	b.WriteString(FormatTicks(now))
	return b.String()
}
