"""Django REST framework: views that tell who has read their objects.

```python
class InvoiceViewSet(AccessMixin, ModelViewSet):
    queryset = Invoice.objects.all()
    records_lists = True
```
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Model
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import SAFE_METHODS

from trailkeeper.accesses import access
from trailkeeper.recording import Outcome

__all__ = ["AccessMixin"]


def _tell(found: Iterable[Any], *, outcome: Outcome = "success") -> None:
    """Records the reads of objects; views also show what is no object of a model."""
    access(*(item for item in found if isinstance(item, Model)), outcome=outcome)


class AccessMixin:
    """For a `GenericAPIView`: records each object that is read, and each that is refused.

    An object is read when a safe method has got it by `get_object()`. Objects of a list are those
    that are given to the serializer: the page, or all of them.
    """

    #: Whether each object of a list is recorded too.
    records_lists = False

    request: Any

    def get_object(self) -> Any:
        """The object of the view; recorded if it is read."""
        found = super().get_object()  # type: ignore[misc]
        if self.request.method in SAFE_METHODS:
            _tell([found])
        return found

    def check_object_permissions(self, request: Any, obj: Any) -> None:
        """Checks as the view does; a refusal is recorded."""
        try:
            super().check_object_permissions(request, obj)  # type: ignore[misc]
        except (NotAuthenticated, PermissionDenied):
            if request.method in SAFE_METHODS:
                _tell([obj], outcome="denied")
            raise

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """The serializer of the view; the objects of a list are recorded, if they are to be."""
        is_list = self.records_lists and kwargs.get("many") and bool(args)
        if is_list and self.request.method in SAFE_METHODS:
            # A queryset keeps what it has read: it is not read twice.
            _tell(args[0])
        return super().get_serializer(*args, **kwargs)  # type: ignore[misc]
