"""Tieline: let the users of your application connect their accounts at other services, and use them."""
