package partition

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/go-taskhub/taskhub/history"
)

// Ids that an orchestration hands out derive from what it decided, so that a decision made again after a crash makes
// the same ids and receivers recognise the copy. In a mixed fleet a decision may be dropped by another worker and made
// differently, so kind, target, name and input are part of the derivation too.

// deriveID hashes its parts, each preceded by its length so that different splits cannot collide.
func deriveID(parts ...string) [16]byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(strconv.Itoa(len(p))))
		h.Write([]byte{':'})
		h.Write([]byte(p))
	}
	var id [16]byte
	copy(id[:], h.Sum(nil))
	id[6] = id[6]&0x0f | 0x80 // UUID version 8: made by an own rule
	id[8] = id[8]&0x3f | 0x80
	return id
}

// hexID is the form of execution ids: 32 hex digits.
func hexID(id [16]byte) string { return hex.EncodeToString(id[:]) }

// dashedID is the form of message ids.
func dashedID(id [16]byte) string {
	s := hex.EncodeToString(id[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// messageID derives the id of a message that an orchestration sends for the action with this event id.
func messageID(executionID string, eventID int32, kind history.Kind, target, name string, input *string) string {
	return dashedID(deriveID("message", executionID, itoa(eventID), kind.String(), target, name, deref(input)))
}

// againID derives the id of a message that is sent once more because a rewind has undone the decision.
func againID(message string, rewound int32) string {
	return dashedID(deriveID("again", message, itoa(rewound)))
}

// childExecutionID derives the execution id of a sub-orchestration.
func childExecutionID(executionID string, eventID int32, instanceID, name string, input *string) string {
	return hexID(deriveID("child", executionID, itoa(eventID), instanceID, name, deref(input)))
}

// madeHere says whether an execution id has the form of those that Go workers derive.
func madeHere(executionID string) bool {
	return len(executionID) == 32 && executionID[12] == '8' && strings.IndexByte("89ab", executionID[16]) >= 0
}

// childAnswerID derives the id of the answer of a sub-orchestration from the execution id that its start named. Its variant is none
// that other ids have.
func childAnswerID(start string) string {
	id := deriveID("child answer", strings.ToLower(start))
	id[8] = id[8]&0x1f | 0xc0
	return dashedID(id)
}

func isChildAnswer(id string) bool {
	return len(id) == 36 && id[14] == '8' && (id[19]|0x20 == 'c' || id[19]|0x20 == 'd')
}

// nextExecutionID derives the execution id of the generation that continues as new.
func nextExecutionID(executionID string, completionID int32) string {
	return hexID(deriveID("generation", executionID, itoa(completionID)))
}

func itoa(n int32) string { return strconv.Itoa(int(n)) }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
