package tables

import "testing"

func TestEntitiesOf(t *testing.T) {
	t.Parallel()
	answer := `{"odata.metadata":"http://x/$metadata#T","value":[{"PartitionKey":"a","X":"]}"}, {"PartitionKey":"b"}]}`
	entities, err := entitiesOf([]byte(answer))
	if err != nil || len(entities) != 2 || string(entities[0]) != `{"PartitionKey":"a","X":"]}"}` || string(entities[1]) != `{"PartitionKey":"b"}` {
		t.Errorf("%s, %v", entities, err)
	}
	if entities, err := entitiesOf([]byte(`{"value":[]}`)); err != nil || len(entities) != 0 {
		t.Errorf("%s, %v", entities, err)
	}
	for _, bad := range []string{"", "{}", `{"value":1}`, `{"value":[{]}`, `{"value":[{}`, `<html>`} {
		if _, err := entitiesOf([]byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
