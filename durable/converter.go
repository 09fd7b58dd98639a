package durable

// Converter turns values into the text that is kept in the hub and back. The
// default writes JSON as .NET does.
//
// What Marshal returns must be JSON text: an activity's input is put into an array,
// as .NET wants it, and tools show payloads as JSON. Converters must be safe for
// concurrent use. An orchestrator's decisions must not depend on more than the
// value, but the text may: encryption may write the same value differently each
// time.
type Converter interface {
	// Marshal returns the JSON of a value. "null" counts as no value at all.
	Marshal(v any) ([]byte, error)
	// Unmarshal reads JSON into the variable v points to.
	Unmarshal(data []byte, v any) error
}

// JSON returns the default converter.
//
// It writes what .NET reads without settings: no HTML escaping, times in UTC with at
// most seven digits of a second. In reading it ignores the $type members that
// Newtonsoft adds to objects and dictionaries, and takes a time without a zone,
// which .NET writes for a DateTime of unspecified kind, for UTC.
func JSON() Converter { return jsonConverter{} }

type jsonConverter struct{}

func (jsonConverter) Marshal(v any) ([]byte, error)      { return marshalJSON(v) }
func (jsonConverter) Unmarshal(data []byte, v any) error { return unmarshalJSON(data, v) }

func converterOr(c Converter) Converter {
	if c == nil {
		return jsonConverter{}
	}
	return c
}

// marshal serializes a value; nil stands for null, as .NET has it.
func marshal(c Converter, v any) (*string, error) {
	data, err := c.Marshal(v)
	if err != nil {
		return nil, err
	}
	s := string(data)
	if s == "null" || s == "" {
		return nil, nil
	}
	return &s, nil
}

// unmarshal reads what marshal wrote. No text leaves the zero value.
func unmarshal(c Converter, raw *string, v any) error {
	if raw == nil || *raw == "" {
		return nil
	}
	return c.Unmarshal([]byte(*raw), v)
}

// activityInput serializes the input of an activity: an array of the arguments, of
// which there is always one here. .NET workers, Durable Functions' too, take null
// for an activity without input.
func (e *environment) activityInput(v any) (string, error) {
	data, err := e.converter.Marshal(v)
	if err != nil {
		return "", err
	}
	if len(data) == 0 {
		return "[null]", nil
	}
	return "[" + string(data) + "]", nil
}

// readActivityInput reads the input of an activity: an array of at most one
// argument, or the bare value, which some callers write.
func (e *environment) readActivityInput(raw *string, v any) error {
	if raw == nil {
		return nil
	}
	if argument, ok := soleElement(*raw); ok {
		err := unmarshal(e.converter, argument, v)
		if err == nil || argument == nil {
			return err
		}
		if unmarshal(e.converter, raw, v) == nil {
			return nil // the value itself is an array of one element
		}
		return err
	}
	return unmarshal(e.converter, raw, v)
}

// readInput reads the input of an orchestrator: the bare value, or an array of one
// argument.
func (e *environment) readInput(raw *string, v any) error {
	if err := unmarshal(e.converter, raw, v); err != nil {
		return e.readWrapped(raw, v, err)
	}
	return nil
}

func (e *environment) readWrapped(raw *string, v any, err error) error {
	if argument, ok := soleElement(*raw); ok && unmarshal(e.converter, argument, v) == nil {
		return nil
	}
	return err
}
