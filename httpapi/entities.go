package httpapi

import (
	"log/slog"
	"net/http"
	"strings"
)

// Entities are not hosted yet, so what follows answers as a hub does that has none.

func (c *call) listEntities() error {
	c.w.Header().Set(headerToken, "")
	c.answerText(http.StatusOK, []byte("[]"))
	return nil
}

func (c *call) getEntity() error {
	c.answer(http.StatusNotFound)
	return nil
}

// signalEntity accepts a signal for an entity that nobody hosts.
func (c *call) signalEntity() error {
	if strings.TrimSpace(c.name) == "" {
		return badRequest("The name of the entity is missing")
	}
	text, err := c.body()
	if err != nil {
		return err
	}
	if c.saysJSON() {
		if _, err := jsonText(text); err != nil {
			return err
		}
	}
	return c.signal(c.query.get("op"))
}

func (c *call) deleteEntity() error { return c.signal("delete") }

func (c *call) signal(operation string) error {
	c.api.cfg.Logger.WarnContext(c.r.Context(), "a signal was dropped, because entities are not hosted",
		slog.String(keyHub, c.api.hub.Name()), slog.String(keyEntity, "@"+strings.ToLower(c.name)+"@"+c.key), slog.String(keyOperation, operation))
	c.answer(http.StatusAccepted)
	return nil
}
