package storage

import (
	"context"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// serviceInfo travels with every request, so that an error can say what it is about.
type serviceInfo struct {
	service    service
	account    string
	emulator   bool
	credential credentialKind
}

type credentialKind int

const (
	credentialKey credentialKind = iota
	credentialSAS
	credentialToken
)

type serviceInfoKey struct{}

// infoOf returns nil for requests that did not come through an Account.
func infoOf(req *http.Request) *serviceInfo {
	if req == nil {
		return nil
	}
	info, _ := req.Context().Value(serviceInfoKey{}).(*serviceInfo)
	return info
}

// identifyPolicy tells the service who is calling, and the errors who was called.
type identifyPolicy struct {
	info    *serviceInfo
	product string
}

// Do implements policy.Policy.
func (p *identifyPolicy) Do(req *policy.Request) (*http.Response, error) {
	const header = "User-Agent"
	agent := p.product
	if sdk := req.Raw().Header.Get(header); sdk != "" {
		agent += " " + sdk
	}
	req.Raw().Header.Set(header, agent)
	return req.WithContext(context.WithValue(req.Raw().Context(), serviceInfoKey{}, p.info)).Next()
}

const modulePath = "github.com/go-taskhub/taskhub"

// userAgent returns "{application} taskhub-go/{version}".
func userAgent(application string) string {
	product := "taskhub-go/" + moduleVersion()
	if application = headerSafe(application); application != "" {
		return application + " " + product
	}
	return product
}

func headerSafe(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text))
}

func moduleVersion() string {
	const unknown = "devel"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	version := ""
	if info.Main.Path == modulePath {
		version = info.Main.Version
	}
	for _, dep := range info.Deps {
		if dep.Path == modulePath {
			version = dep.Version
		}
	}
	version = strings.TrimPrefix(version, "v")
	if version == "" || strings.HasPrefix(version, "(") {
		return unknown
	}
	return version
}
