"""What proctop costs, and whether it sees what goes wrong: measured on this host, never asserted in tests."""
