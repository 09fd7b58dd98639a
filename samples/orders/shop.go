package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-taskhub/taskhub/durable"
)

// shop stands for the services of a shop: the warehouse, the bank and the carrier. Like good services they know orders by their ids: the same
// request twice has the effect of one, which is what activities need, since they may run twice.
type shop struct {
	mu       sync.Mutex
	stock    map[string]int   // pieces by item
	balance  map[string]int   // cents by customer
	reserved map[string]Order // by id
	charged  map[string]Order // by id
}

func newShop() *shop {
	return &shop{
		stock:    map[string]int{"book": 10, "lamp": 1},
		balance:  map[string]int{"ada": 100_00, "ken": 5_00},
		reserved: map[string]Order{}, charged: map[string]Order{},
	}
}

// bind gives the activities the shop they work with.
func bind(s *shop) []durable.Registrable {
	return []durable.Registrable{
		ProcessOrder,
		checkInventory.With(s.effect(s.reserve)), releaseInventory.With(s.effect(s.release)),
		chargeCustomer.With(s.effect(s.charge)), refundCustomer.With(s.effect(s.refund)),
		createShipment.With(s.ship),
	}
}

// effect makes an activity of a method that gives no result.
func (s *shop) effect(f func(Order) error) func(context.Context, Order) (durable.Void, error) {
	return func(_ context.Context, order Order) (durable.Void, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return durable.Void{}, f(order)
	}
}

func (s *shop) reserve(order Order) error {
	if _, again := s.reserved[order.ID]; again {
		return nil
	}
	if order.Quantity > s.stock[order.Item] {
		return durable.Permanent(fmt.Errorf("%d × %s: %w", order.Quantity, order.Item, ErrOutOfStock))
	}
	s.stock[order.Item] -= order.Quantity
	s.reserved[order.ID] = order
	return nil
}

func (s *shop) release(order Order) error {
	s.stock[order.Item] += s.reserved[order.ID].Quantity
	delete(s.reserved, order.ID)
	return nil
}

func (s *shop) charge(order Order) error {
	if _, again := s.charged[order.ID]; again {
		return nil
	}
	if order.Cents > s.balance[order.Customer] {
		return durable.Permanent(fmt.Errorf("%s: %w", order.Customer, ErrDeclined))
	}
	s.balance[order.Customer] -= order.Cents
	s.charged[order.ID] = order
	return nil
}

func (s *shop) refund(order Order) error {
	s.balance[order.Customer] += s.charged[order.ID].Cents
	delete(s.charged, order.ID)
	return nil
}

func (s *shop) ship(_ context.Context, order Order) (tracking string, err error) {
	if order.Country == "Atlantis" {
		return "", durable.Permanent(fmt.Errorf("%s: %w", order.Country, ErrNoCarrier))
	}
	return "T-" + order.ID, nil
}
