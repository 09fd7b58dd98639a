package layout

import "testing"

func TestNotices(t *testing.T) {
	t.Parallel()
	for n := MinPartitions; n <= MaxPartitions; n++ {
		for p := range n {
			id := NoticeID(p, n)
			if Partition(id, n) != p || !IsNotice(id, NoticeEvent) || ValidateInstanceID(id) != nil {
				t.Errorf("partition %d of %d: %q", p, n, id)
			}
		}
	}
	if IsNotice("order-1", NoticeEvent) || IsNotice(NoticeID(0, 1), "Approval") {
		t.Error("what is none counts as a notice")
	}
}
