package storage

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// Error is an answer of the service that is an error, in one line and with what to do about it.
type Error struct {
	Operation string // what was attempted, in the caller's words
	Service   string // "blob", "queue" or "table"; empty when unknown
	Account   string // name of the account; empty when unknown
	Status    int    // HTTP status
	Code      string // the service's error code; may be empty
	Message   string // the first line of the service's message; may be empty
	RequestID string // the service's id of the request, for support; may be empty
	Remedy    string // what to do; may be empty
	Err       error  // the SDK's error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Operation != "" {
		b.WriteString(e.Operation + ": ")
	}
	if e.Service != "" {
		fmt.Fprintf(&b, "the %s service of storage account %s answered ", e.Service, e.Account)
	} else {
		b.WriteString("the storage service answered ")
	}
	fmt.Fprintf(&b, "%d", e.Status)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// Unwrap returns the SDK's error.
func (e *Error) Unwrap() error { return e.Err }

// Explain turns an error of the SDK's clients into one clear error that begins with the operation: an [*Error] when the
// service answered, otherwise the error itself behind the operation's name. Predicates such as [IsNotFound] and
// errors.Is still see what it was. It returns nil for nil, and does not explain twice.
func Explain(err error, operation string) error {
	if err == nil {
		return nil
	}
	var explained *Error
	var answer *azcore.ResponseError
	if errors.As(err, &explained) || !errors.As(err, &answer) {
		return prefixed(err, operation)
	}
	e := &Error{Operation: operation, Status: answer.StatusCode, Code: answer.ErrorCode, Err: err}
	var info *serviceInfo
	if answer.RawResponse != nil {
		e.Message = messageOf(answer.RawResponse)
		e.RequestID = answer.RawResponse.Header.Get("x-ms-request-id")
		info = infoOf(answer.RawResponse.Request)
	}
	if info != nil {
		e.Service, e.Account = info.service.String(), info.account
	}
	e.Remedy = remedyFor(answer, info)
	return e
}

func prefixed(err error, operation string) error {
	if operation == "" {
		return err
	}
	return fmt.Errorf("%s: %w", operation, err)
}

// briefly is Explain for log records.
func briefly(err error) string { return Explain(err, "").Error() }

// remedyFor knows what to do about answers that a wrong set-up causes.
func remedyFor(answer *azcore.ResponseError, info *serviceInfo) string {
	switch answer.ErrorCode {
	case "AuthorizationPermissionMismatch":
		return remedyPermission(info)
	case "AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation":
		return remedyAuthentication(info)
	case "AuthorizationFailure":
		if info != nil && info.emulator {
			return remedyAuthentication(info)
		}
		return "the account's firewall may exclude this machine, or the credential does not allow the operation: check the account's networking settings, then " + remedyPermission(info)
	case "AuthorizationServiceMismatch":
		return "the shared access signature does not cover this service: generate one for blob, queue and table"
	case "AuthorizationResourceTypeMismatch":
		return "the shared access signature does not cover this kind of resource: generate one for service, container and object"
	case "AuthorizationProtocolMismatch":
		return "the shared access signature allows https only"
	case "AuthorizationSourceIPMismatch":
		return "the shared access signature does not allow this machine's address"
	case "KeyBasedAuthenticationNotPermitted":
		return "the account does not accept keys: set a Credential of azidentity instead of AccountKey"
	case "InsufficientAccountPermissions":
		return "the account is read-only at the moment, or the signature does not allow writing"
	case "AccountIsDisabled":
		return "enable the storage account"
	case "ServerBusy":
		return "the account's limits are reached: wait, or spread the load over more accounts"
	}
	if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
		return remedyAuthentication(info)
	}
	return ""
}

func remedyPermission(info *serviceInfo) string {
	if info == nil {
		return fmt.Sprintf("assign the roles %s, %s and %s to the identity", serviceBlob.role(), serviceQueue.role(), serviceTable.role())
	}
	if info.credential == credentialSAS {
		return "generate a shared access signature with the permissions read, write, delete, list, add, create, update and process"
	}
	return fmt.Sprintf("assign the role %q on the storage account to the identity (a new assignment takes some minutes to work)", info.service.role())
}

func remedyAuthentication(info *serviceInfo) string {
	switch {
	case info == nil:
		return "check the credential"
	case info.credential == credentialSAS:
		return "check that SharedAccessSignature was copied whole, belongs to this account and has not expired"
	case info.credential == credentialToken:
		return "check that the credential belongs to the account's tenant"
	}
	return "check that AccountKey belongs to this account and has not been renewed, and that this machine's clock is right"
}

// messageOf returns the first line of the message in an error's body, XML or JSON.
func messageOf(resp *http.Response) string {
	body, err := runtime.Payload(resp)
	if err != nil || len(body) == 0 {
		return ""
	}
	var text string
	var inXML struct {
		Message string `xml:"Message"`
	}
	var inJSON struct {
		Error struct {
			Message struct {
				Value string `json:"value"`
			} `json:"message"`
		} `json:"odata.error"`
	}
	switch {
	case json.Unmarshal(body, &inJSON) == nil:
		text = inJSON.Error.Message.Value
	case xml.Unmarshal(body, &inXML) == nil:
		text = inXML.Message
	}
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimRight(strings.TrimSpace(redactSignatures(line)), ".")
}

// redactPolicy takes signatures out of refusals: the service repeats them, and what it computed itself, to help debugging.
type redactPolicy struct{}

// Do implements policy.Policy.
func (*redactPolicy) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	if err == nil {
		err = redactAnswer(resp)
	}
	return resp, err
}

// redactAnswer takes signatures out of an answer that is a refusal.
func redactAnswer(resp *http.Response) error {
	if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusUnauthorized {
		return nil
	}
	body, err := runtime.Payload(resp)
	if err != nil || len(body) == 0 {
		return err
	}
	resp.Body = io.NopCloser(strings.NewReader(redactSignatures(string(body))))
	_, err = runtime.Payload(resp)
	return err
}

var (
	signatureParameter = regexp.MustCompile(`(?i)(\bsig=)[^&\s'"<]+`)
	signatureQuoted    = regexp.MustCompile(`(?i)((?:signature|sig)[^'<]{0,60}')[A-Za-z0-9+/%]{40,}={0,2}(')`)
	signatureHeader    = regexp.MustCompile(`(?i)(SharedKey(?:Lite)? [^:\s]+:|Bearer )[^\s'"<]+`)
)

func redactSignatures(text string) string {
	text = signatureParameter.ReplaceAllString(text, "${1}***")
	text = signatureQuoted.ReplaceAllString(text, "${1}***${2}")
	return signatureHeader.ReplaceAllString(text, "${1}***")
}
