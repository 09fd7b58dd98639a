package tables

import (
	"bytes"
	"context"
	"slices"

	"github.com/go-taskhub/taskhub/internal/layout"
)

// rowsPerID is how many rows are worth reading to learn about one instance: more, and a request of its own is cheaper.
const rowsPerID = 25

// FindInstances looks up many instances at once and returns the rows of those it learned about, with nil for those that
// do not exist. Ids that are missing in the result are to be looked up one by one. It reads the range of keys in which the
// ids are, as long as enough of the rows there are wanted, so that ids which are neighbours cost a request per thousand,
// and ids scattered among many others a single one. Rows come without inputs, and as with [GetOptions.Raw];
// outputs says whether they come with those.
func (s *Store) FindInstances(ctx context.Context, ids []string, outputs bool) (map[string]*InstanceRow, error) {
	keys := make(map[string]string, len(ids))
	for _, id := range ids {
		keys[layout.EscapeKey(id)] = id
	}
	sorted := make([]string, 0, len(keys))
	for key := range keys {
		sorted = append(sorted, key)
	}
	slices.SortFunc(sorted, compareUTF16)
	found := make(map[string]*InstanceRow, len(ids))
	if len(sorted) == 0 {
		return found, nil
	}
	filter := Filter{Raw: true, within: keyRange{from: sorted[0], upTo: sorted[len(sorted)-1]}}
	rows, known := 0, 0
	for token, first := "", true; first || token != ""; first = false {
		raws, next, err := s.page(ctx, filter.String(), selection(false, outputs), token, s.scanPage)
		if err != nil {
			return nil, err
		}
		page, last, err := s.decodePage(ctx, filter, worthDecoding(raws, keys))
		if err != nil {
			return nil, err
		}
		for _, row := range page {
			if id, wanted := keys[row.key]; wanted {
				found[id] = row
			}
		}
		token = next
		for known < len(sorted) && (next == "" || last != "" && compareUTF16(sorted[known], last) <= 0) {
			if id := keys[sorted[known]]; found[id] == nil {
				found[id] = nil // it is known not to exist
			}
			known++
		}
		if rows += len(raws); rows > known*rowsPerID {
			break
		}
	}
	return found, nil
}

// worthDecoding leaves out rows of other instances than those wanted, which may be most of what is between them. The last row
// stays: it says how far the page goes.
func worthDecoding(raws [][]byte, wanted map[string]string) [][]byte {
	kept := make([][]byte, 0, min(len(raws), len(wanted)+1))
	for i, raw := range raws {
		key, plain := partitionKey(raw)
		if _, ok := wanted[string(key)]; ok || !plain || i == len(raws)-1 {
			kept = append(kept, raw)
		}
	}
	return kept
}

// partitionKey finds the key in a row's text; false when it takes more than a glance. Within a value its name does not occur in
// this form, as quotes are escaped there.
func partitionKey(raw []byte) (key []byte, plain bool) {
	_, rest, found := bytes.Cut(raw, []byte(`"`+colPartitionKey+`":"`))
	key, _, closed := bytes.Cut(rest, []byte(`"`))
	return key, found && closed && !bytes.ContainsRune(key, '\\')
}
