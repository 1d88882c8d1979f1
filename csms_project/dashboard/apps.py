from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class DashboardConfig(AppConfig):
    default = True
    name = "csms_project.dashboard"
    label = "dashboard"
    verbose_name = "Dashboard"


class CsmsAdminConfig(admin_apps.AdminConfig):
    """Stands for `django.contrib.admin`, with our site as `admin.site`."""

    default = False
    default_site = "csms_project.dashboard.site.CsmsAdminSite"
