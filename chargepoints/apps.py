from django.apps import AppConfig


class ChargepointsConfig(AppConfig):
    name = "chargepoints"
    label = "chargepoints"
    verbose_name = "Network"
