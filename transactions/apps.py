from django.apps import AppConfig


class TransactionsConfig(AppConfig):
    name = "transactions"
    label = "transactions"
    verbose_name = "Charging"

    def ready(self) -> None:
        from chargepoints.services.cautions import register_open_sessions
        from transactions import charging, panels
        from transactions.selectors import open_sessions

        panels.register()
        charging.register()
        register_open_sessions(open_sessions)
