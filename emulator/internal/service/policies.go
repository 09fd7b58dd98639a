package service

import (
	"encoding/xml"

	"github.com/go-taskhub/taskhub/emulator/internal/codec"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// MaxPolicies is how many stored access policies a resource can have.
const MaxPolicies = 5

// Policies are a resource's stored access policies.
type Policies []rest.Policy

// Find returns the policy with an id.
func (p Policies) Find(id string) (rest.Policy, bool) {
	for _, policy := range p {
		if policy.ID == id {
			return policy, true
		}
	}
	return rest.Policy{}, false
}

type signedIdentifiers struct {
	XMLName xml.Name           `xml:"SignedIdentifiers"`
	List    []signedIdentifier `xml:"SignedIdentifier"`
}

type signedIdentifier struct {
	ID     string `xml:"Id"`
	Policy struct {
		Start      string `xml:"Start"`
		Expiry     string `xml:"Expiry"`
		Permission string `xml:"Permission"`
	} `xml:"AccessPolicy"`
}

// ReadPolicies reads the body of a Set ACL request; an empty one clears.
func ReadPolicies(r *rest.Request) (Policies, error) {
	body, err := r.Body(64 << 10)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	var doc signedIdentifiers
	if err := rest.DecodeXML(body, &doc); err != nil {
		return nil, err
	}
	if len(doc.List) > MaxPolicies {
		return nil, rest.Errorf(400, "InvalidXmlDocument", "XML specified is not syntactically valid. At most %d stored access policies are possible.", MaxPolicies)
	}
	var out Policies
	for _, s := range doc.List {
		if s.ID == "" || len(s.ID) > 64 {
			return nil, (&rest.Error{Status: 400, Code: "InvalidXmlNodeValue",
				Message: "The value for one of the XML nodes is not in the correct format."}).With("XmlNodeName", "Id")
		}
		if _, dup := out.Find(s.ID); dup {
			return nil, (&rest.Error{Status: 400, Code: "InvalidXmlNodeValue",
				Message: "The value for one of the XML nodes is not in the correct format."}).With("XmlNodeName", "Id")
		}
		out = append(out, rest.Policy{ID: s.ID, Start: s.Policy.Start, Expiry: s.Policy.Expiry, Permission: s.Policy.Permission})
	}
	return out, nil
}

// XML is the body of a Get ACL answer.
func (p Policies) XML() []byte {
	b := rest.AppendXMLHeader(nil)
	b = append(b, "<SignedIdentifiers>"...)
	for _, policy := range p {
		b = append(b, "<SignedIdentifier>"...)
		b = rest.AppendXMLElement(b, "Id", policy.ID)
		b = append(b, "<AccessPolicy>"...)
		for _, e := range [...]rest.Meta{{Name: "Start", Value: policy.Start}, {Name: "Expiry", Value: policy.Expiry}, {Name: "Permission", Value: policy.Permission}} {
			if e.Value != "" {
				b = rest.AppendXMLElement(b, e.Name, e.Value)
			}
		}
		b = append(b, "</AccessPolicy></SignedIdentifier>"...)
	}
	return append(b, "</SignedIdentifiers>"...)
}

// Encode writes the policies into a record.
func (p Policies) Encode(w *codec.Writer) {
	w.Uint(uint64(len(p)))
	for _, policy := range p {
		w.String(policy.ID)
		w.String(policy.Start)
		w.String(policy.Expiry)
		w.String(policy.Permission)
	}
}

// DecodePolicies reads what Encode wrote.
func DecodePolicies(r *codec.Reader) Policies {
	n := r.Len()
	if n == 0 {
		return nil
	}
	p := make(Policies, 0, n)
	for range n {
		p = append(p, rest.Policy{ID: r.String(), Start: r.String(), Expiry: r.String(), Permission: r.String()})
	}
	return p
}
