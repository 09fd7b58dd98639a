package taskhub

import (
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/telemetry"
)

// Telemetry is where the hub reports to; nil for none.
func (h *Hub) Telemetry() *telemetry.Telemetry { return h.cfg.Telemetry }

// report begins to report what the hub's client does and which requests are sent to its accounts.
func (h *Hub) report() {
	h.recorder = h.cfg.Telemetry.For(h.Name())
	if !h.recorder.Measuring() {
		return
	}
	accounts := []*storage.Account{h.accounts.main}
	if h.accounts.tracking != h.accounts.main {
		accounts = append(accounts, h.accounts.tracking)
	}
	for _, account := range accounts {
		h.measured = append(h.measured, h.cfg.Telemetry.Account(account, account.Name(), func() []telemetry.StoragePace { return paces(account) },
			func(report func(telemetry.StorageCall)) (disconnect func()) {
				return account.Observe(func(c storage.Call) { report(telemetry.StorageCall(c)) })
			}))
	}
}

func paces(account *storage.Account) []telemetry.StoragePace {
	var list []telemetry.StoragePace
	for _, p := range account.Paces() {
		list = append(list, telemetry.StoragePace(p))
	}
	return list
}
