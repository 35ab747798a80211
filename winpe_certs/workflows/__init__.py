"""Workflows: the one place that knows the order of steps. Each makes a plan, then carries it out."""
