package layout

import (
	"crypto/sha256"
	"encoding/hex"
)

// AnswerID derives the id of the message with an activity's result from the id of the work item, so that a second run of the
// same work item makes the same id. It keeps the version that the work item's id has as a UUID: an answer whose id is
// [Derived] answers a work item that a Go worker put, and says which.
func AnswerID(workItem string) string {
	sum := sha256.Sum256([]byte("answer:" + workItem))
	version := byte(0x40)
	if Derived(workItem) {
		version = 0x80
	}
	sum[6], sum[8] = sum[6]&0x0f|version, sum[8]&0x3f|0x80
	s := hex.EncodeToString(sum[:16])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Derived says whether an id is a UUID of version 8, the one for ids made by a rule of one's own, in the form that messages
// have. Go workers derive the ids of what orchestrations send; those of .NET are random, of version 4.
func Derived(id string) bool {
	return len(id) == 36 && id[14] == '8' && (id[19] == '8' || id[19] == '9' || id[19]|0x20 == 'a' || id[19]|0x20 == 'b')
}
