"""Brings releases to this machine. So far by hand, by digest; signed releases and rollouts are to come."""
