package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
)

var order = Order{ID: "o-1", Customer: "ada", Item: "book", Quantity: 2, Cents: 40_00, Country: "Iceland"}

// newEnv is a hub in memory with a shop.
func newEnv(t *testing.T) (*durabletest.Env, *shop) {
	t.Helper()
	env, s := durabletest.New(t), newShop()
	for _, item := range bind(s) {
		env.Register(item)
	}
	return env, s
}

func (s *shop) untouched() bool {
	return s.stock["book"] == 10 && s.stock["lamp"] == 1 && s.balance["ada"] == 100_00 && len(s.reserved) == 0 && len(s.charged) == 0
}

func TestShipped(t *testing.T) {
	t.Parallel()
	env, s := newEnv(t)
	got := durabletest.Run(env, ProcessOrder, order)
	if got.Err != nil || got.Output.Status != "shipped" || s.stock["book"] != 8 || s.balance["ada"] != 60_00 {
		t.Errorf("%+v, %v; the shop has %+v", got.Output, got.Err, s)
	}
	env.AssertNotCalled(refundCustomer)
}

// TestNobodyKnows checks a charge that took place although its caller was told otherwise.
func TestNobodyKnows(t *testing.T) {
	t.Parallel()
	env, s := newEnv(t)
	lost := errors.New("the connection was lost")
	durabletest.Mock(env, chargeCustomer, func(ctx context.Context, o Order) (durable.Void, error) {
		_, err := s.effect(s.charge)(ctx, o)
		return durable.Void{}, errors.Join(err, lost)
	})
	got := durabletest.Run(env, ProcessOrder, order)
	if got.Err == nil || !s.untouched() {
		t.Errorf("%+v, %v; the shop has %+v", got.Output, got.Err, s)
	}
	env.AssertCalledTimes(chargeCustomer, 4)
	env.AssertNotCalled(createShipment)
}

// TestLatestFirst checks the order of compensation, and that it outlasts troubles of hours.
func TestLatestFirst(t *testing.T) {
	t.Parallel()
	env, s := newEnv(t)
	env.On(refundCustomer).FailTimes(20, errors.New("the bank is closed"))
	far := order
	far.Country = "Atlantis"
	got := durabletest.Run(env, ProcessOrder, far)
	if want := []string{"RefundCustomer", "ReleaseInventory"}; !slices.Equal(got.Output.Undone, want) || got.Elapsed < time.Hour || !s.untouched() {
		t.Errorf("%+v after %v, %v; the shop has %+v", got.Output, got.Elapsed, got.Err, s)
	}
}

// TestActivitiesTwice checks that activities which run twice do what they do once.
func TestActivitiesTwice(t *testing.T) {
	t.Parallel()
	s := newShop()
	for _, f := range []func(Order) error{s.reserve, s.reserve, s.charge, s.charge} {
		if err := f(order); err != nil {
			t.Fatal(err)
		}
	}
	if s.stock["book"] != 8 || s.balance["ada"] != 60_00 {
		t.Errorf("done twice: %+v", s)
	}
	for _, f := range []func(Order) error{s.refund, s.refund, s.release, s.release} {
		if err := f(order); err != nil {
			t.Fatal(err)
		}
	}
	if !s.untouched() {
		t.Errorf("undone twice: %+v", s)
	}
}
