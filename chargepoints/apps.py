from django.apps import AppConfig


class ChargepointsConfig(AppConfig):
    name = "chargepoints"
    label = "chargepoints"
    verbose_name = "Network"

    def ready(self) -> None:
        from chargepoints.services import plug_and_charge, vendor_messages

        for handler in plug_and_charge.HANDLERS:
            vendor_messages.register(*handler)
