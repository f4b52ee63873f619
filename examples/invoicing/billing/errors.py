"""Why the billing services refuse to do something."""


class BillingError(Exception):
    """A rule of the business forbids it; nothing was changed."""


class WrongStatusError(BillingError):
    """The invoice has already moved on, or is not there yet."""

    def __init__(self, number: str, status: str, verb: str) -> None:
        super().__init__(f"invoice {number} is {status} and cannot be {verb}")


class PaymentRefusedError(BillingError):
    """The payment does not fit the invoice; it was rolled back."""


class IncompleteInvoiceError(BillingError):
    """The invoice lacks something that its customer needs to see."""
