// Package edm reads and writes the entities of Azure Table storage in the JSON
// form of OData version 3, which is what the service speaks.
//
// An entity is a flat list of named values, and each value has a type of the
// Entity Data Model. JSON has fewer types than that, so a value whose type
// cannot be seen gets a second property, its annotation:
//
//	{"Count":5,"At":"2026-06-01T12:34:57.0000000Z","At@odata.type":"Edm.DateTime"}
//
// The types and their forms:
//
//	Edm.String    string     "text"
//	Edm.Int32     int32      5
//	Edm.Boolean   bool       true
//	Edm.Double    float64    1.5, "NaN", "Infinity", "-Infinity" (annotated)
//	Edm.Int64     int64      "5"                                 (annotated)
//	Edm.DateTime  time.Time  "2026-06-01T12:34:57.0000000Z"      (annotated)
//	Edm.Guid      GUID       "5406d369-4369-4673-afae-6671a2fa1e57" (annotated)
//	Edm.Binary    []byte     Base64                              (annotated)
//
// What the service answers at the metadata levels "minimalmetadata" and
// "fullmetadata" reads alike. At "nometadata" the annotations are missing and
// the types are lost, so ask for one of the other two.
package edm
