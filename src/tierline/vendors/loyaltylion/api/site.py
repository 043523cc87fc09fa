"""What a key speaks of: the site, and the program of which LoyaltyLion's routes speak."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from tierline.analysis.forecast import follow
from tierline.engine.decide import HistoryNeeded
from tierline.engine.member_state import begin
from tierline.errors import NotFound
from tierline.ledger.commands import ProgramRef
from tierline.model import validation
from tierline.model.standing import Standing
from tierline.model.view import View
from tierline.rules.program import Program
from tierline.store import customers, listing, members
from tierline.store.customers import CustomerRow
from tierline.vendors.loyaltylion import customer_payloads, ladder
from tierline.vendors.loyaltylion.api.errors import NoProgram
from tierline.vendors.loyaltylion.customer_payloads import LionCustomer
from tierline.vendors.loyaltylion.ladder import NAME, LionTier
from tierline.web.routes import customers as native
from tierline.web.routes.members import history
from tierline.web.routing import Call

_GID = "gid://"


class Site(Struct, frozen=True):
    """The program, by its number inside the installation, and the project's name for it."""

    number: int
    program: Program
    ref: ProgramRef

    def tiers(self, call: Call) -> dict[str, LionTier]:
        """Returns the tiers in force by our ids, lowest first."""
        version = self.program.version(call.now)
        return ladder.tiers(version, call.project.id, self.program.id)


async def site_or_none(call: Call) -> Site | None:
    """Returns the program that the project names for LoyaltyLion, or its only one."""
    catalog, project = call.parts.catalog, call.project
    named = project.vendor_programs.get(NAME)
    if named is None:
        own = catalog.programs(project.number)
        if len(own) != 1:
            await catalog.refresh_soon()
            own = catalog.programs(project.number)
        named = own[0].id if len(own) == 1 else None
    if named is None:
        return None
    number, program = await catalog.need_program(project.number, named)
    return Site(number, program, ProgramRef(project, number))


async def need_site(call: Call) -> Site:
    """As `site_or_none`. Raises NoProgram."""
    site = await site_or_none(call)
    if site is None:
        raise NoProgram
    return site


def merchant_id(call: Call, part: str = "customer") -> str:
    """Returns a customer's name from the path. Clients encode it twice."""
    return validation.identifier(unquote(call.param(part)), part)


def bare(name: str) -> str:
    """Returns a Shopify GID's number; any other name as it is."""
    return name.rpartition("/")[2] if name.startswith(_GID) and name[-1] != "/" else name


async def find(call: Call, name: str) -> CustomerRow:
    """Returns the customer of this merchant id, or of the number inside a GID. Raises NotFound."""
    for way in dict.fromkeys((name, bare(name))):
        try:
            return await native.find_customer(call, way)
        except NotFound:
            continue
    raise NotFound(what="customer", name=name, path="merchant_id")


async def of_path(call: Call) -> CustomerRow:
    return await find(call, merchant_id(call))


def name_of(row: CustomerRow) -> str:
    """Returns the name by which commands find them."""
    return row.customer.source_id or row.customer.id


# Customers as they are now ------------------------------------------------------------------------


async def standing_of(call: Call, site: Site, row: CustomerRow) -> Standing | None:
    """Returns where a customer stands now; None for whoever never was a member."""
    database = call.parts.database
    async with database.pool.acquire() as connection:
        stored = await members.standing(connection, database.shards, row.id, site.number)
    if stored is None or not stored.entries:
        return None
    return await _now(call, site, row.id, stored)


async def _now(call: Call, site: Site, customer: int, stored: Standing) -> Standing:
    """What fell due since the last change has happened."""
    at = max(call.now, stored.at)
    try:
        return follow(site.program, stored, (), at).standing
    except HistoryNeeded:
        entries = await history(call, customer, site.number)
        decision = await asyncio.to_thread(follow, site.program, stored, (), at, entries)
        return decision.standing


async def lion_customers(
    call: Call, site: Site | None, rows: list[CustomerRow]
) -> list[LionCustomer]:
    """Returns the customers as the Customers API shows them."""
    database = call.parts.database
    numbers = [row.id for row in rows]
    stored: dict[int, Standing] = {}
    async with database.pool.acquire() as connection:
        if site is not None:
            stored = await listing.standings(connection, database.shards, site.number, numbers)
        moved = await listing.changed_at(connection, database.shards, numbers)
    objects = []
    for row in rows:
        standing = stored.get(row.id)
        if standing is not None and site is not None:
            standing = await _now(call, site, row.id, standing)
        objects.append(lion_customer(call, site, row, standing, moved.get(row.id, 0)))
    return objects


async def lion_customer_of(call: Call, row: CustomerRow) -> LionCustomer:
    return (await lion_customers(call, await site_or_none(call), [row]))[0]


async def fresh(call: Call, row: CustomerRow) -> CustomerRow:
    """Returns the customer as they are stored now."""
    database = call.parts.database
    async with database.pool.acquire() as connection:
        return await customers.read(connection, database.shards, row.id) or row


def lion_customer(
    call: Call, site: Site | None, row: CustomerRow, standing: Standing | None, moved: int
) -> LionCustomer:
    """Returns the object of webhooks, here as of now. `moved`: the newest change of points or
    tier."""
    view, membership = View(), None
    if standing is not None and site is not None:
        view = begin(site.program, standing).view()
        tier = None if standing.tier is None else site.tiers(call).get(standing.tier)
        if tier is not None and view.joined_at is not None:
            since = view.joined_at if view.since is None else view.since
            membership = customer_payloads.lion_membership(view, since, tier.membership_object())
    customer = row.customer
    if moved > customer.updated_at:
        customer = replace(customer, updated_at=moved)
    return customer_payloads.lion_customer(customer, view, membership)
