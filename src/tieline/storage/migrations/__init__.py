"""The history of the schema, in the package: an upgrade needs nothing but the new Tieline."""
