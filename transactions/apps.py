from django.apps import AppConfig


class TransactionsConfig(AppConfig):
    name = "transactions"
    label = "transactions"
    verbose_name = "Charging"

    def ready(self) -> None:
        from chargepoints import busy
        from chargepoints.services import vendor_messages
        from chargepoints.services.cautions import register_open_sessions
        from transactions import charging, panels
        from transactions.selectors import open_sessions, with_active_session
        from transactions.services.plug_and_charge import AUTHORIZE_CONTRACT
        from transactions.services.unplugged import UNPLUGGED

        panels.register()
        charging.register()
        register_open_sessions(open_sessions)
        vendor_messages.register(*UNPLUGGED)
        vendor_messages.register(*AUTHORIZE_CONTRACT)
        busy.register(with_active_session)
