"""The rules that keep one statement one task on a distributed database, read off its syntax tree.

A statement is a tree of queries (SELECT, UPDATE, DELETE, INSERT). In each of them every large
table must be tied to `$1`: by `table.shard = $1`, or by `table.shard = other.shard` with one that
is tied, in the query itself or around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp, parse_one

from tierline.store.named_queries import Statement

ROUTE = "$1"


def complaints(statement: Statement, large: set[str], volatile: set[str]) -> list[str]:
    """What is wrong with a statement, in words; empty: nothing."""
    # A parameter becomes a quoted name: the parser takes `$1,$` for the start of a dollar quote.
    tree = parse_one(re.sub(r"\$(\d+)", r'"$\1"', statement.text), read="postgres")
    complaints = [*_forms(tree), *_volatile_updates(tree, statement.text, volatile)]
    if statement.wide is None:
        complaints += [*_routes(tree, large), *_beside_small(tree, large)]
    elif any(query.args.get("locks") for query in tree.find_all(exp.Select)):
        complaints.append("row locks need one shard")
    return [f"{statement.name}: {what}" for what in complaints]


def _forms(tree: exp.Expr) -> Iterator[str]:
    """Forms that a distributed database refuses wherever they stand."""
    if tree.find(exp.Merge):
        yield "MERGE is refused"
    for with_ in tree.find_all(exp.With):
        if any(with_.find_all(exp.Insert, exp.Update, exp.Delete)):
            yield "a CTE changes data"
    if any(tree.find_all(exp.GroupingSets, exp.Rollup, exp.Cube)):
        yield "grouping sets are refused across shards"
    for membership in tree.find_all(exp.In):
        query = membership.args.get("query")
        if isinstance(membership.this, exp.Tuple) and query and query.find(exp.Limit):
            yield "row IN a query with LIMIT"
    for query in tree.find_all(exp.Select):
        arrays = [*query.find_all(exp.Any), *query.find_all(exp.Unnest)]
        if query.args.get("locks") and arrays and not query.args.get("order"):
            yield "many rows are locked in no order"


def _volatile_updates(tree: exp.Expr, text: str, volatile: set[str]) -> Iterator[str]:
    if tree.find(exp.Update) or " DO UPDATE " in " ".join(text.upper().split()):
        for called in set(re.findall(r"\b([a-z_][a-z0-9_]*)\s*\(", text.lower())) & volatile:
            yield f"{called}() is volatile, in an UPDATE"
    for update in tree.find_all(exp.Update):
        if any(_is_shard(change.this) for change in update.expressions):
            yield "a row's shard never changes"


def _routes(tree: exp.Expr, large: set[str]) -> Iterator[str]:
    for query in tree.find_all(exp.Select, exp.Update, exp.Delete, exp.Insert):
        if isinstance(query, exp.Insert):
            yield from _insert_routes(query, large)
            continue
        tied = _tied(query, large)
        for alias, table in _sources(query):
            if table in large and alias not in tied:
                yield f"{alias} has no shard = {ROUTE}"


def _beside_small(tree: exp.Expr, large: set[str]) -> Iterator[str]:
    """Where a small table stands, which every node has, the planner takes all nodes sooner."""
    for insert in tree.find_all(exp.Insert):
        source = insert.expression
        if _table_name(insert.this) in large and _small(source, tree, large):
            yield "an INSERT from a query reads a small table"
    for query in tree.find_all(exp.Select):
        joined = {table for _, table in _sources(query)}
        locks = query.find_ancestor(exp.CTE) and query.args.get("locks")
        if locks and joined & _small(query, tree, large):
            yield "a CTE locks rows of a join with a small table"
        if not query.find_ancestor(exp.Select, exp.Update, exp.Delete):
            continue
        ours = {alias for alias, table in _sources(query) if table in large}
        if _small(tree, tree, large) and not ours <= _tied_here(query, large):
            yield f"a subquery beside a small table has no shard = {ROUTE} of its own"


def _small(part: exp.Expr, tree: exp.Expr, large: set[str]) -> set[str]:
    """The small tables that a part of a statement reads."""
    with_names = {with_.alias for with_ in tree.find_all(exp.CTE)}
    tables = [table for table in part.find_all(exp.Table) if isinstance(table.this, exp.Identifier)]
    return {table.name for table in tables} - with_names - large


def _tied_here(query: exp.Expr, large: set[str]) -> set[str]:
    """The aliases whose shard equals $1 by this query's own words."""
    pairs = _pairs(query, large)
    return {a for a, b in pairs if b == ROUTE} | {b for a, b in pairs if a == ROUTE}


def _insert_routes(insert: exp.Insert, large: set[str]) -> Iterator[str]:
    target = insert.this
    if _table_name(target) not in large:
        return
    columns = [column.name for column in getattr(target, "expressions", ())]
    if columns[:1] != ["shard"]:
        yield "an INSERT names its columns, shard first"
        return
    source = insert.expression
    if isinstance(source, exp.Select):
        first = source.expressions[0]
        if not _is_shard(first) or _alias_of(first, source, large) not in _tied(source, large):
            yield "an INSERT from a query takes its shard from a row that is already there"
    elif isinstance(source, exp.Values):
        if any(row.expressions[0].name != ROUTE for row in source.expressions):
            yield f"a row of values has shard = {ROUTE}"
    else:
        yield "an INSERT of an unknown form"


def _tied(query: exp.Expr, large: set[str]) -> set[str]:
    """The aliases of this query, and of those around it, whose shard equals $1."""
    around = query.find_ancestor(exp.Select, exp.Update, exp.Delete)
    tied = _tied(around, large) if around is not None else set()
    pairs = _pairs(query, large)
    grew = True
    while grew:
        bound = {ROUTE, *tied}
        new = {b for a, b in pairs if a in bound and b} | {a for a, b in pairs if b in bound and a}
        grew = not new <= bound
        tied |= new - {ROUTE}
    return tied


def _pairs(query: exp.Expr, large: set[str]) -> list[tuple[str, str]]:
    """What has the same shard by this query's own words."""
    return [
        (_side(equal.this, query, large), _side(equal.expression, query, large))
        for equal in _equalities(query)
    ]


def _side(side: exp.Expr, query: exp.Expr, large: set[str]) -> str:
    if isinstance(side, exp.Column) and side.name == ROUTE:
        return ROUTE
    return _alias_of(side, query, large) if _is_shard(side) else ""


def _equalities(query: exp.Expr) -> Iterator[exp.EQ]:
    """The equalities that hold for every row: conjuncts of WHERE, and of ON of joins that drop
    rows (under an outer join the joined side is what the condition restricts)."""
    conditions = [where.this] if (where := query.args.get("where")) else []
    conditions += [join.args["on"] for join in query.args.get("joins") or () if join.args.get("on")]
    while conditions:
        condition = conditions.pop()
        if isinstance(condition, exp.And):
            conditions += [condition.this, condition.expression]
        elif isinstance(condition, exp.Paren):
            conditions.append(condition.this)
        elif isinstance(condition, exp.EQ):
            yield condition


def _sources(query: exp.Expr) -> list[tuple[str, str]]:
    """(alias, table) of what this query itself reads or changes, not its subqueries."""
    places = [query.this] if isinstance(query, (exp.Update, exp.Delete)) else []
    if from_ := query.args.get("from_"):
        places += [from_.this, *(from_.this.args.get("joins") or ())]
    places += query.args.get("joins") or ()
    places += query.args.get("using") or ()
    sources = []
    for place in places:
        table = place.this if isinstance(place, exp.Join) else place
        if isinstance(table, exp.Table):
            sources.append((table.alias_or_name, table.name))
    return sources


def _is_shard(side: exp.Expr) -> bool:
    return isinstance(side, exp.Column) and side.name == "shard"


def _alias_of(column: exp.Expr, query: exp.Expr, large: set[str]) -> str:
    """Whose column it is; without a table's name it can only be that of the one large table."""
    if isinstance(column, exp.Column) and column.table:
        return column.table
    own = [alias for alias, table in _sources(query) if table in large]
    return own[0] if len(own) == 1 else ""


def _table_name(target: exp.Expr) -> str:
    return target.this.name if isinstance(target, exp.Schema) else target.name
