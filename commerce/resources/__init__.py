from commerce.resources import activity, catalog, customers, fulfilment, markets, organizations, payments, prices

__all__ = ["activity", "catalog", "customers", "fulfilment", "markets", "organizations", "payments", "prices"]
