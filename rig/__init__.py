"""What `bench` and `torture` stand on: real brokers, real programs, a publisher that loses nothing, and reading everything back."""
