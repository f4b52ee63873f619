from billing.models.catalog import Customer, Product, Tag
from billing.models.invoice import Invoice, InvoiceLine
from billing.models.payment import Payment

__all__ = ["Customer", "Invoice", "InvoiceLine", "Payment", "Product", "Tag"]
