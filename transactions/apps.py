from django.apps import AppConfig


class TransactionsConfig(AppConfig):
    name = "transactions"
    label = "transactions"
    verbose_name = "Charging"

    def ready(self) -> None:
        from transactions import panels

        panels.register()
