from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "csms_project"
    label = "project"
    verbose_name = "Project"
