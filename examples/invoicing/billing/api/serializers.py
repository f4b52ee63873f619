"""JSON in and out.

Related objects are looked up through managers, not through query sets made at
import, so that a request finds only those of its tenant.
"""

from typing import Any

from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from billing import services
from billing.models import Customer, Invoice, InvoiceLine, Payment, Product, Tag


class CustomerSerializer(serializers.ModelSerializer):
    class Meta:
        model = Customer
        fields = [
            "id",
            "name",
            "email",
            "vat_number",
            "billing_address",
            "payment_days",
            "is_active",
        ]


class ProductSerializer(serializers.ModelSerializer):
    class Meta:
        model = Product
        fields = ["id", "sku", "name", "unit_price", "tax_rate", "units_sold", "is_active"]
        extra_kwargs = {"sku": {"validators": [UniqueValidator(queryset=Product.objects)]}}


class ProductImportSerializer(serializers.ModelSerializer):
    """A row of a price list: its SKU may exist, then the row updates it."""

    class Meta:
        model = Product
        fields = ["sku", "name", "unit_price", "tax_rate"]
        extra_kwargs = {"tax_rate": {"required": True}}


class LineSerializer(serializers.ModelSerializer):
    """A line is sent whole, in a PATCH of its invoice too."""

    id = serializers.IntegerField(required=False)
    product = serializers.PrimaryKeyRelatedField(
        queryset=Product.objects, required=False, allow_null=True, default=None
    )

    class Meta:
        model = InvoiceLine
        fields = ["id", "product", "description", "quantity", "unit_price", "tax_rate"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        missing = {"description", "unit_price"} - attrs.keys()
        if missing:
            raise serializers.ValidationError(
                {name: self.fields[name].error_messages["required"] for name in sorted(missing)}
            )
        return attrs


class InvoiceSerializer(serializers.ModelSerializer):
    customer = serializers.PrimaryKeyRelatedField(queryset=Customer.objects)
    lines = LineSerializer(many=True)
    tags = serializers.PrimaryKeyRelatedField(queryset=Tag.objects, many=True, required=False)

    class Meta:
        model = Invoice
        fields = [
            "id",
            "public_id",
            "number",
            "customer",
            "status",
            "issue_date",
            "due_date",
            "paid_on",
            "currency",
            "exchange_rate",
            "discount_percent",
            "subtotal",
            "tax",
            "total",
            "amount_paid",
            "po_reference",
            "notes",
            "terms",
            "billing_address",
            "is_recurring",
            "sent_at",
            "validated_by",
            "pdf_file",
            "created_at",
            "updated_at",
            "lines",
            "tags",
        ]
        # What the services own.
        read_only_fields = [
            "number",
            "status",
            "paid_on",
            "subtotal",
            "tax",
            "total",
            "amount_paid",
            "sent_at",
            "validated_by",
            "pdf_file",
        ]
        extra_kwargs = {"due_date": {"required": False}}

    def create(self, validated_data: dict[str, Any]) -> Invoice:
        return services.create_invoice(**validated_data)

    def update(self, instance: Invoice, validated_data: dict[str, Any]) -> Invoice:
        return services.update_draft(instance, **validated_data)


class PaymentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Payment
        fields = ["id", "amount", "method", "reference", "received_on"]


class TagNameSerializer(serializers.Serializer):
    tag = serializers.CharField(max_length=40)


class CancellationSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=300)
