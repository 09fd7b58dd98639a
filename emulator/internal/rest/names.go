package rest

// CheckDNSName applies the rule for container and queue names: 3 to 63
// lower-case letters, digits and single hyphens, beginning and ending with a
// letter or digit.
func CheckDNSName(name string) error {
	for i := range len(name) {
		c := name[i]
		alnum := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		hyphen := c == '-' && i > 0 && i < len(name)-1 && name[i-1] != '-'
		if !alnum && !hyphen {
			return ErrInvalidResourceName
		}
	}
	if len(name) < 3 || len(name) > 63 {
		return ErrResourceNameLength
	}
	return nil
}
