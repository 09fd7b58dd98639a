package service

import (
	"encoding/xml"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// Properties are a service's settings. They are kept and given back; logging,
// metrics, retention and CORS have no effect here.
type Properties struct {
	XMLName         xml.Name       `xml:"StorageServiceProperties"`
	Logging         *Logging       `xml:"Logging"`
	HourMetrics     *Metrics       `xml:"HourMetrics"`
	MinuteMetrics   *Metrics       `xml:"MinuteMetrics"`
	Cors            *Cors          `xml:"Cors"`
	DefaultVersion  *string        `xml:"DefaultServiceVersion"`
	DeleteRetention *Retention     `xml:"DeleteRetentionPolicy"`
	StaticWebsite   *StaticWebsite `xml:"StaticWebsite"`
}

// Logging says what Storage Analytics records.
type Logging struct {
	Version   string    `xml:"Version"`
	Delete    bool      `xml:"Delete"`
	Read      bool      `xml:"Read"`
	Write     bool      `xml:"Write"`
	Retention Retention `xml:"RetentionPolicy"`
}

// Metrics says what Storage Analytics counts.
type Metrics struct {
	Version   string    `xml:"Version"`
	Enabled   bool      `xml:"Enabled"`
	APIs      *bool     `xml:"IncludeAPIs"`
	Retention Retention `xml:"RetentionPolicy"`
}

// Retention says how long something is kept.
type Retention struct {
	Enabled bool `xml:"Enabled"`
	Days    *int `xml:"Days"`
}

// Cors lists rules for browsers.
type Cors struct {
	Rules []CorsRule `xml:"CorsRule"`
}

// CorsRule is one of them.
type CorsRule struct {
	Origins string `xml:"AllowedOrigins"`
	Methods string `xml:"AllowedMethods"`
	MaxAge  int    `xml:"MaxAgeInSeconds"`
	Exposed string `xml:"ExposedHeaders"`
	Headers string `xml:"AllowedHeaders"`
}

// StaticWebsite says whether a container is served as a web site.
type StaticWebsite struct {
	Enabled  bool   `xml:"Enabled"`
	Index    string `xml:"IndexDocument,omitempty"`
	NotFound string `xml:"ErrorDocument404Path,omitempty"`
}

// DefaultProperties are those of a new account.
func DefaultProperties(s rest.Service) *Properties {
	metrics := func() *Metrics { return &Metrics{Version: "1.0"} }
	p := &Properties{
		Logging:     &Logging{Version: "1.0"},
		HourMetrics: metrics(), MinuteMetrics: metrics(), Cors: &Cors{},
	}
	if s == rest.Blob {
		p.DeleteRetention = &Retention{}
		p.StaticWebsite = &StaticWebsite{}
	}
	return p
}

// ReadProperties reads the body of a Set Service Properties request.
func ReadProperties(r *rest.Request) (*Properties, error) {
	body, err := r.Body(64 << 10)
	if err != nil {
		return nil, err
	}
	var doc Properties
	if err := rest.DecodeXML(body, &doc); err != nil {
		return nil, err
	}
	if doc.Cors != nil && len(doc.Cors.Rules) > 5 {
		return nil, rest.ErrInvalidXML.WithMessage("XML specified is not syntactically valid. At most 5 CORS rules are possible.")
	}
	return &doc, nil
}

// With lays a change over the settings: what it does not name stays.
func (p *Properties) With(doc *Properties) *Properties {
	merged := *p
	if doc.Logging != nil {
		merged.Logging = doc.Logging
	}
	if doc.HourMetrics != nil {
		merged.HourMetrics = doc.HourMetrics
	}
	if doc.MinuteMetrics != nil {
		merged.MinuteMetrics = doc.MinuteMetrics
	}
	if doc.Cors != nil {
		merged.Cors = doc.Cors
	}
	if doc.DefaultVersion != nil {
		merged.DefaultVersion = doc.DefaultVersion
	}
	if doc.DeleteRetention != nil {
		merged.DeleteRetention = doc.DeleteRetention
	}
	if doc.StaticWebsite != nil {
		merged.StaticWebsite = doc.StaticWebsite
	}
	return &merged
}

// XML is the body of a Get Service Properties answer.
func (p *Properties) XML() []byte {
	body, err := xml.Marshal(p)
	if err != nil { // plain texts, numbers and truth values always encode
		return nil
	}
	return append(rest.AppendXMLHeader(nil), body...)
}

// ParseProperties reads what XML wrote.
func ParseProperties(body []byte) (*Properties, error) {
	var p Properties
	if err := rest.DecodeXML(body, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// Stats answers Get Service Stats; it exists on the secondary endpoint only.
func Stats(r *rest.Request) (*rest.Response, error) {
	if !r.Secondary {
		return nil, rest.InvalidParameter("comp", "stats")
	}
	b := rest.AppendXMLHeader(nil)
	b = append(b, "<StorageServiceStats><GeoReplication><Status>live</Status>"...)
	b = rest.AppendXMLElement(b, "LastSyncTime", rest.HTTPDate(r.Now))
	b = append(b, "</GeoReplication></StorageServiceStats>"...)
	return rest.XML(200, b), nil
}
