package blobs

import (
	"net/http"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// Resolve implements service.Backend.
func (s *Store) Resolve(r *rest.Request) (rest.Operation, error) {
	if err := refuseUnsupported(r); err != nil {
		return rest.Operation{}, err
	}
	name, blobName := split(r.Path)
	if r.Keyword("restype") == "account" && r.Keyword("comp") == "properties" {
		return rest.Operation{Name: "GetAccountInformation", Run: accountInformation,
			Access: rest.Access{Resource: 's', Account: "rwdlacup", Service: "rwdlacup"}}, nil
	}
	switch {
	case name == "":
		return s.resolveService(r)
	case blobName == "" && (r.Keyword("restype") == "container" || r.Keyword("comp") == "list" || !strings.Contains(r.Path, "/") && r.Keyword("restype") != ""):
		return s.resolveContainer(r, name)
	case blobName == "":
		return rest.Operation{}, rest.ErrInvalidURI.WithMessage(
			"The requested URI does not represent any resource on the server. Blobs in the root container are addressed as $root/name here.")
	}
	return s.resolveBlob(r, name, blobName)
}

// refuseUnsupported names what of Blob Storage is not implemented, instead of
// doing something else than was asked.
func refuseUnsupported(r *rest.Request) error {
	for _, name := range [...]string{"snapshot", "versionid", "deletetype"} {
		if r.Query.Has(name) {
			return rest.UnsupportedParameter(name, r.Param(name))
		}
	}
	for _, name := range [...]string{"X-Ms-Copy-Source", "X-Ms-Encryption-Key", "X-Ms-Encryption-Scope", "X-Ms-Tags",
		"X-Ms-Immutability-Policy-Until-Date", "X-Ms-Legal-Hold", "X-Ms-Expiry-Option", "X-Ms-Structured-Body"} {
		if v := r.Header.Get(name); v != "" {
			return rest.UnsupportedHeader(strings.ToLower(name), "")
		}
	}
	return nil
}

func (s *Store) resolveService(r *rest.Request) (rest.Operation, error) {
	method, restype, comp := r.Method(), r.Keyword("restype"), r.Keyword("comp")
	switch {
	case restype == "" && comp == "list" && method == http.MethodGet:
		return rest.Operation{Name: "ListContainers", Run: s.listContainers,
			Access: rest.Access{Resource: 's', Account: "l"}}, nil
	case restype == "service" && comp == "properties" && method == http.MethodGet:
		return rest.Operation{Name: "GetBlobServiceProperties", Run: s.getProperties,
			Access: rest.Access{Resource: 's', Account: "r"}}, nil
	case restype == "service" && comp == "properties" && method == http.MethodPut:
		return rest.Operation{Name: "SetBlobServiceProperties", Run: s.setProperties,
			Access: rest.Access{Resource: 's', Account: "w", Write: true}}, nil
	case restype == "service" && comp == "stats" && method == http.MethodGet:
		return rest.Operation{Name: "GetBlobServiceStats", Run: s.stats,
			Access: rest.Access{Resource: 's', Account: "r"}}, nil
	}
	return unknown(r)
}

func (s *Store) resolveContainer(r *rest.Request, name string) (rest.Operation, error) {
	bind := func(fn func(*rest.Request, string) (*rest.Response, error)) func(*rest.Request) (*rest.Response, error) {
		return func(r *rest.Request) (*rest.Response, error) {
			if err := checkContainerName(name); err != nil {
				return nil, err
			}
			return fn(r, name)
		}
	}
	op := func(opName string, fn func(*rest.Request, string) (*rest.Response, error), access rest.Access) (rest.Operation, error) {
		access.Resource = 'c'
		return rest.Operation{Name: opName, Run: bind(fn), Access: access}, nil
	}
	method, comp := r.Method(), r.Keyword("comp")
	read := method == http.MethodGet || method == http.MethodHead
	switch {
	case comp == "" && method == http.MethodPut:
		return op("CreateContainer", s.createContainer, rest.Access{Account: "cw", Write: true})
	case comp == "" && method == http.MethodDelete:
		return op("DeleteContainer", s.deleteContainer, rest.Access{Account: "d", Write: true})
	case comp == "" && read, comp == "metadata" && read:
		return op("GetContainerProperties", s.getContainer, rest.Access{Account: "r", Public: rest.PublicContainer})
	case comp == "metadata" && method == http.MethodPut:
		return op("SetContainerMetadata", s.setContainerMetadata, rest.Access{Account: "w", Write: true})
	case comp == "acl" && read:
		return op("GetContainerACL", s.getContainerACL, rest.Access{})
	case comp == "acl" && method == http.MethodPut:
		return op("SetContainerACL", s.setContainerACL, rest.Access{Write: true})
	case comp == "lease" && method == http.MethodPut:
		return op("LeaseContainer", s.leaseContainer, rest.Access{Account: leasePermission(r), Write: true})
	case comp == "list" && method == http.MethodGet:
		return op("ListBlobs", s.listBlobs, rest.Access{Account: "l", Service: "l", Public: rest.PublicContainer})
	}
	return unknown(r)
}

func leasePermission(r *rest.Request) string {
	if strings.EqualFold(r.Header.Get("X-Ms-Lease-Action"), "break") {
		return "wd"
	}
	return "w"
}

func (s *Store) resolveBlob(r *rest.Request, containerName, name string) (rest.Operation, error) {
	bind := func(fn func(*rest.Request, string, string) (*rest.Response, error)) func(*rest.Request) (*rest.Response, error) {
		return func(r *rest.Request) (*rest.Response, error) {
			if err := checkBlobName(name); err != nil {
				return nil, err
			}
			return fn(r, containerName, name)
		}
	}
	op := func(opName string, fn func(*rest.Request, string, string) (*rest.Response, error), permission string, write bool) (rest.Operation, error) {
		access := rest.Access{Resource: 'o', Account: permission, Service: permission, Write: write}
		if permission == "r" {
			access.Public = rest.PublicBlob
		}
		return rest.Operation{Name: opName, Run: bind(fn), Access: access}, nil
	}
	method, comp := r.Method(), r.Keyword("comp")
	read := method == http.MethodGet || method == http.MethodHead
	switch {
	case comp == "" && method == http.MethodPut:
		return op("PutBlob", s.putBlob, "wc", true)
	case comp == "" && method == http.MethodGet:
		return op("GetBlob", s.getBlob, "r", false)
	case comp == "" && method == http.MethodHead:
		return op("GetBlobProperties", s.getBlobProperties, "r", false)
	case comp == "" && method == http.MethodDelete:
		return op("DeleteBlob", s.deleteBlob, "d", true)
	case comp == "metadata" && read:
		return op("GetBlobMetadata", s.getBlobMetadata, "r", false)
	case comp == "metadata" && method == http.MethodPut:
		return op("SetBlobMetadata", s.setBlobMetadata, "w", true)
	case comp == "properties" && method == http.MethodPut:
		return op("SetBlobProperties", s.setBlobProperties, "w", true)
	case comp == "tier" && method == http.MethodPut:
		return op("SetBlobTier", s.setBlobTier, "w", true)
	case comp == "lease" && method == http.MethodPut:
		return op("LeaseBlob", s.leaseBlob, leasePermission(r), true)
	case comp == "block" && method == http.MethodPut:
		return op("PutBlock", s.putBlock, "wc", true)
	case comp == "blocklist" && method == http.MethodPut:
		return op("PutBlockList", s.putBlockList, "wc", true)
	case comp == "blocklist" && method == http.MethodGet:
		return op("GetBlockList", s.getBlockList, "r", false)
	}
	return unknown(r)
}

// unknown refuses what no operation here answers to; operations the service
// has and this server has not are named by their parameter.
func unknown(r *rest.Request) (rest.Operation, error) {
	switch comp := r.Keyword("comp"); comp {
	case "", "list", "properties", "stats", "metadata", "acl", "lease", "block", "blocklist", "tier":
		if restype := r.Keyword("restype"); restype != "" && restype != "service" && restype != "container" && restype != "account" {
			return rest.Operation{}, rest.InvalidParameter("restype", restype)
		}
		return rest.Operation{}, rest.ErrUnsupportedVerb
	case "snapshot", "copy", "undelete", "tags", "blobs", "batch", "query", "seal", "appendblock", "page", "pagelist",
		"incrementalcopy", "userdelegationkey", "rename", "immutabilitypolicies", "legalhold", "expiry":
		return rest.Operation{}, rest.UnsupportedParameter("comp", comp)
	default:
		return rest.Operation{}, rest.InvalidParameter("comp", comp)
	}
}

func checkContainerName(name string) error {
	switch name {
	case "$root", "$web", "$logs":
		return nil
	}
	return rest.CheckDNSName(name)
}

// checkBlobName applies "Naming and referencing containers, blobs, and
// metadata": 1 to 1,024 characters.
func checkBlobName(name string) error {
	units := 0
	for _, c := range name {
		units++
		if c > 0xFFFF {
			units++
		}
	}
	if units == 0 || units > 1024 {
		return rest.ErrResourceNameLength
	}
	return nil
}

func accountInformation(*rest.Request) (*rest.Response, error) {
	p := rest.NewResponse(200)
	p.Set("X-Ms-Sku-Name", "Standard_RAGRS")
	p.Set("X-Ms-Account-Kind", "StorageV2")
	p.Set("X-Ms-Is-Hns-Enabled", "false")
	return p, nil
}
