package layout

import (
	"strconv"
	"strings"
)

// noticePrefix begins the ids that notices are sent to. No instance has such an id.
const noticePrefix = "taskhub.schedules-"

// NoticeEvent is the name of the event that tells the owner of a partition that schedules have changed. It is sent as an event
// for an instance that does not exist, which workers that know nothing of it delete.
const NoticeEvent = "taskhub.schedules.changed"

// NoticeID is an instance id, to be used for notices only, that belongs to a partition.
func NoticeID(partition, partitions int) string {
	for n := 0; ; n++ {
		if id := noticePrefix + strconv.Itoa(n); Partition(id, partitions) == partition {
			return id
		}
	}
}

// IsNotice tells whether an event is a notice.
func IsNotice(instanceID, event string) bool {
	return event == NoticeEvent && strings.HasPrefix(instanceID, noticePrefix)
}
