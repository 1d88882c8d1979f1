from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class CommonConfig(AppConfig):
    name = "csms_project.common"
    label = "common"
    verbose_name = "Common"

    def ready(self) -> None:
        from csms_project.common import migrating

        pre_migrate.connect(migrating.limit_waiting, sender=self)
        post_migrate.connect(migrating.unlimit_waiting, sender=self)
