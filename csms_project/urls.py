"""All addresses, except the chargers' sockets (`csms_project.asgi`)."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from chargepoints.file_views import firmware_view
from csms_project import pki_view
from csms_project.error_views import api_not_found
from csms_project.health import health, live
from csms_project.metrics_view import metrics
from csms_project.status_view import StatusView
from transactions import payment_pages

v1: list[URLPattern | URLResolver] = [
    re_path(r"^status/?$", StatusView.as_view(), name="status"),
    path("", include("accounts.api.urls")),
    path("", include("chargepoints.api.urls")),
    path("", include("transactions.api.urls")),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    re_path(r"^health/?$", health, name="health"),
    re_path(r"^health/live/?$", live, name="live"),
    path("files/firmware/<str:token>/", firmware_view, name="firmware-nameless"),
    path("files/firmware/<str:token>/<path:name>", firmware_view, name="firmware"),
    path("pay/session/<str:public_id>/", payment_pages.session, name="pay-session"),
    path("pay/session/<str:public_id>/checkout/", payment_pages.checkout, name="pay-checkout"),
    path("pay/session/<str:public_id>/cancel/", payment_pages.cancel, name="pay-cancel"),
    path("pay/fake/<str:public_id>/", payment_pages.fake, name="pay-fake"),
    path(
        "pay/<str:identity>/<int:evse>/<str:code>/<str:version>/", payment_pages.scanned, name="pay-scanned"
    ),
    path("receipts/<str:token>/", payment_pages.receipt, name="receipt"),
    path("metrics", metrics, name="metrics"),
    path("pki/roots.pem", pki_view.roots, name="pki_roots"),
    path("pki/bundle.pem", pki_view.bundle, name="pki_bundle"),
    re_path(r"^pki/(?P<name>[0-9a-f]{16})\.crl$", pki_view.revocations, name="pki_crl"),
    re_path(r"^pki/(?P<name>[0-9a-f]{16})\.(?P<form>pem|cer)$", pki_view.certificate, name="pki_authority"),
    path("api/v1/", include(v1)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/<path:path>", api_not_found),
    path("api/", api_not_found),
]

handler400 = "csms_project.error_views.bad_request"
handler403 = "csms_project.error_views.forbidden"
handler404 = "csms_project.error_views.not_found"
handler500 = "csms_project.error_views.server_error"
