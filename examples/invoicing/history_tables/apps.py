from django.apps import AppConfig


class HistoryTablesConfig(AppConfig):
    name = "history_tables"

    def ready(self) -> None:
        from simple_history import register

        from billing import models

        tracked = [
            models.Customer,
            models.Product,
            models.Invoice,
            models.InvoiceLine,
            models.Payment,
        ]
        for model in tracked:
            register(model, app=self.name)
