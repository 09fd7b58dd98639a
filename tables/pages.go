package tables

import (
	"context"
	"errors"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/internal/jsontext"
	"github.com/go-taskhub/taskhub/storage"
)

// nextPage reads a page of a query. The entities are cut out of the answer as they are: the SDK would decode each of
// them and encode it again, which takes longer than all else.
func nextPage(ctx context.Context, pager *runtime.Pager[aztables.ListEntitiesResponse]) (aztables.ListEntitiesResponse, error) {
	var answer []byte
	page, err := pager.NextPage(storage.WithResponseBody(ctx, &answer))
	if err != nil {
		return page, err
	}
	if page.Entities, err = entitiesOf(answer); err != nil {
		return page, fmt.Errorf("the service's answer is not a page of entities: %w", err)
	}
	return page, nil
}

var errNoValue = errors.New(`there is no member "value"`)

// entitiesOf returns the texts of the entities in an answer, which they share memory with.
func entitiesOf(answer []byte) ([][]byte, error) {
	reader := jsontext.NewReader(answer)
	value, ok := reader.Find("value")
	if !ok {
		return nil, errNoValue
	}
	var entities [][]byte
	err := value.Array(func(int) error {
		entity, err := value.Raw()
		entities = append(entities, entity)
		return err
	})
	return entities, err
}
