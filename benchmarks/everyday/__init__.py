"""Fitted distributions of everyday data compared with the data."""
