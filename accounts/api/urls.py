"""Addresses of accounts below /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from accounts.api import auth, views

router = SimpleRouter()
router.register("users", views.UserViewSet, basename="user")
router.register("drivers", views.DriverViewSet, basename="driver")
router.register("token-groups", views.TokenGroupViewSet, basename="token-group")
router.register("id-tokens", views.IdTokenViewSet, basename="id-token")
router.register("events", views.EventViewSet, basename="event")

urlpatterns = [
    path("auth/token/", auth.ObtainView.as_view(), name="token"),
    path("auth/token/refresh/", auth.RefreshView.as_view(), name="token-refresh"),
    path("auth/logout/", auth.LogoutView.as_view(), name="logout"),
    *router.urls,
]
