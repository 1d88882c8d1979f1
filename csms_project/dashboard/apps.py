from django.apps import AppConfig


class DashboardConfig(AppConfig):
    name = "csms_project.dashboard"
    label = "dashboard"
    verbose_name = "Dashboard"
