"""Voucherify's OAuth tokens as its pages describe them."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from tests.vendors.voucherify_api.published import Count, Shape


class PublishedToken(Shape, frozen=True):
    """oauth/generate-oauth-token."""

    access_token: str
    client_id: str
    expires_at: Count
    expires_in: Count
    scope: str
    token_type: Literal["Bearer"]


class PublishedIntrospection(Shape, frozen=True):
    """oauth/introspect-oauth-token: of a token that does not hold nothing but that."""

    active: bool
    access_token: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    expires_at: Count | UnsetType = UNSET
    expires_in: Count | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    token_type: Literal["Bearer"] | UnsetType = UNSET
