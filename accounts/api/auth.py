"""Signing in: JSON Web Tokens with refresh rotation, and a limit on failures."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer
from rest_framework_simplejwt.settings import api_settings as jwt_settings
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.utils import get_md5_hash_password
from rest_framework_simplejwt.views import TokenBlacklistView, TokenObtainPairView, TokenRefreshView

from accounts.models import User
from csms_project.common.api.parsers import StrictJSONParser


class FailedLoginThrottle(SimpleRateThrottle):
    """Counts failed sign-ins of an address; who signs in correctly is never slowed down."""

    scope = "token"
    duration: int | None

    def get_cache_key(self, request: Request, view: APIView) -> str:
        return str(self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)})

    def throttle_success(self) -> bool:
        return True  # not counted here, but by `count_failure`

    def count_failure(self, request: Request, view: APIView) -> None:
        """Note one failure."""
        if self.rate is None or self.duration is None:
            return
        key, now = self.get_cache_key(request, view), self.timer()
        recent = [moment for moment in self.cache.get(key, []) if moment > now - self.duration]
        self.cache.set(key, [now, *recent], self.duration)


class Credentials(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)


class Tokens(serializers.Serializer[Any]):
    access = serializers.CharField()
    refresh = serializers.CharField()


class Refresh(serializers.Serializer[Any]):
    refresh = serializers.CharField()


class ObtainSerializer(TokenObtainPairSerializer):
    """Refuses NUL characters and endless passwords before they are hashed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"] = serializers.CharField(max_length=150)
        self.fields["password"] = serializers.CharField(max_length=1000, trim_whitespace=False)


class RefreshSerializer(TokenRefreshSerializer):
    """A refresh token ends with its user, and with the password that it was given for."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        payload = RefreshToken(attrs["refresh"]).payload
        user = User.objects.filter(pk=payload.get(jwt_settings.USER_ID_CLAIM, 0)).first()
        if user is None or not user.is_active:
            raise AuthenticationFailed("The user is no longer active.", "user_inactive")
        if payload.get(jwt_settings.REVOKE_TOKEN_CLAIM) != get_md5_hash_password(user.password):
            raise AuthenticationFailed("The password has changed: sign in again.", "password_changed")
        tokens: dict[str, str] = super().validate(attrs)
        return tokens


@extend_schema(tags=["auth"])
class ObtainView(TokenObtainPairView):
    """Sign in: an access token for minutes and a refresh token for days."""

    serializer_class = ObtainSerializer
    parser_classes = (StrictJSONParser,)
    throttle_classes = (FailedLoginThrottle,)

    @extend_schema(request=Credentials, responses={200: Tokens}, auth=[])
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            return super().post(request, *args, **kwargs)
        except AuthenticationFailed:
            FailedLoginThrottle().count_failure(request, self)
            raise

    def throttled(self, request: Request, wait: float | None) -> None:  # type: ignore[override]
        raise Throttled(wait, "Too many failed attempts.")


@extend_schema(tags=["auth"])
class RefreshView(TokenRefreshView):
    """Exchange a refresh token, once, for a new pair."""

    serializer_class = RefreshSerializer
    parser_classes = (StrictJSONParser,)

    @extend_schema(request=Refresh, responses={200: Tokens}, auth=[])
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().post(request, *args, **kwargs)


@extend_schema(tags=["auth"])
class LogoutView(TokenBlacklistView):
    """Sign out: the refresh token can no longer be used."""

    parser_classes = (StrictJSONParser,)

    @extend_schema(request=Refresh, responses={204: None}, auth=[])
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        try:
            serializer.is_valid(raise_exception=True)
        except TokenError as error:
            raise InvalidToken(error.args[0]) from error
        return Response(status=status.HTTP_204_NO_CONTENT)
