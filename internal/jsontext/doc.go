// Package jsontext reads and writes JSON text token by token, without
// reflection. It is the common ground of the codecs: table entities, queue
// messages and history cells are all JSON, each with rules of its own that a
// general decoder does not know.
//
// Writing follows Newtonsoft.Json, the serializer of the .NET implementation,
// byte for byte: no white space, short escapes for \b \t \n \f \r \" \\, four
// lower-case hex digits for the other control characters and for U+0085,
// U+2028 and U+2029, and everything else as it is.
//
// Reading is bounded: nesting deeper than a limit is an error, and whatever is
// allocated is proportional to the input.
package jsontext
