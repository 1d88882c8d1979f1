from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "csms_project.common"
    label = "common"
    verbose_name = "Common"
