from django.db.models import ProtectedError
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Role
from billing import services
from billing.api.permissions import BACK_OFFICE
from billing.api.serializers import (
    CancellationSerializer,
    CustomerSerializer,
    InvoiceSerializer,
    PaymentSerializer,
    ProductImportSerializer,
    ProductSerializer,
    TagNameSerializer,
)
from billing.models import Invoice, Tag
from invoicing.tenancy import active_tenant, enter_tenant_of


class TenantViewMixin:
    """Enters the tenant of whoever is authenticated, by session or by token."""

    def perform_authentication(self, request: Request) -> None:
        super().perform_authentication(request)
        enter_tenant_of(request.user)

    def get_queryset(self):
        return self.serializer_class.Meta.model.objects.all()


class CustomerViewSet(TenantViewMixin, viewsets.ModelViewSet):
    serializer_class = CustomerSerializer
    roles = {"destroy": BACK_OFFICE}

    def destroy(self, request: Request, *args: object, **kwargs: object) -> Response:
        try:
            return super().destroy(request, *args, **kwargs)
        except ProtectedError:
            return Response(
                {"detail": "the customer has invoices"}, status=status.HTTP_409_CONFLICT
            )


class ProductViewSet(
    TenantViewMixin,
    mixins.CreateModelMixin,
    mixins.UpdateModelMixin,
    viewsets.ReadOnlyModelViewSet,
):
    serializer_class = ProductSerializer
    roles = {
        "create": BACK_OFFICE,
        "update": BACK_OFFICE,
        "partial_update": BACK_OFFICE,
        "import_list": BACK_OFFICE | {Role.INTEGRATION},
    }

    @action(detail=False, methods=["post"], url_path="import", url_name="import")
    def import_list(self, request: Request) -> Response:
        """Take over a whole price list."""
        rows = ProductImportSerializer(data=request.data, many=True)
        rows.is_valid(raise_exception=True)
        products = services.import_products(active_tenant(), rows.validated_data)
        return Response({"imported": len(products)}, status=status.HTTP_201_CREATED)


class InvoiceViewSet(TenantViewMixin, viewsets.ModelViewSet):
    serializer_class = InvoiceSerializer
    roles = {
        "validate": BACK_OFFICE,
        "send": BACK_OFFICE,
        "pay": BACK_OFFICE,
        "cancel": BACK_OFFICE,
    }

    def get_queryset(self):
        return super().get_queryset().prefetch_related("lines", "tags")

    def perform_destroy(self, instance: Invoice) -> None:
        services.delete_draft(instance)

    @action(detail=True, methods=["post"])
    def validate(self, request: Request, pk: str) -> Response:
        return self._answer(services.validate_invoice(self.get_object(), by=request.user))

    @action(detail=True, methods=["post"])
    def send(self, request: Request, pk: str) -> Response:
        return self._answer(services.send_invoice(self.get_object()))

    @action(detail=True, methods=["post"])
    def pay(self, request: Request, pk: str) -> Response:
        payment = PaymentSerializer(data=request.data)
        payment.is_valid(raise_exception=True)
        booked = services.register_payment(self.get_object(), **payment.validated_data)
        return Response(PaymentSerializer(booked).data, status=status.HTTP_201_CREATED)

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        body = CancellationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return self._answer(services.cancel_invoice(self.get_object(), **body.validated_data))

    @action(detail=True, methods=["post", "delete"])
    def tags(self, request: Request, pk: str) -> Response:
        """Put a tag on the invoice (POST) or take it off (DELETE), by name."""
        body = TagNameSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        invoice = self.get_object()
        tag, _ = Tag.objects.get_or_create(name=body.validated_data["tag"])
        if request.method == "POST":
            invoice.tags.add(tag)
        else:
            invoice.tags.remove(tag)
        return self._answer(invoice)

    def _answer(self, invoice: Invoice) -> Response:
        fresh = self.get_queryset().get(pk=invoice.pk)
        return Response(self.get_serializer(fresh).data)
