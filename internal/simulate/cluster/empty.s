// The declaration without a body in scheduler_seeded.go needs an assembly file beside it.
