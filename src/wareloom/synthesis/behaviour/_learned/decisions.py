"""One decision after the other, of a shopper's events in order: drawn, or written down of a real user's."""

from __future__ import annotations

from numba import njit

from wareloom.core.kernel import kernel
from wareloom.shop.log import NO_TIME
from wareloom.synthesis.behaviour._dates import UNKNOWN
from wareloom.synthesis.behaviour._learned.clock import (
    BRIEF,
    DAY,
    HALF,
    LENGTHS,
    LONG,
    NONE,
    SHORT,
    _run,
    log_class,
    place_of,
)
from wareloom.synthesis.behaviour._learned.habits import (
    ASKED,
    BRANDS,
    BUCKET_SUM,
    CATEGORIES,
    DATED,
    DATES,
    EARLIER,
    FARS,
    FEW,
    FRESH,
    ITEMS,
    KINDS,
    KNOWN_SUM,
    LAGS,
    LAST_BRAND,
    LAST_CATEGORY,
    LAST_ITEM,
    LAST_KNOWN,
    LAST_PARENT,
    MEANS,
    MIDDLE_SUM,
    NUMBERS,
    OTHER,
    PARENTS,
    PRICE_SUM,
    PRICED,
    PRICES,
    RANKS,
    RUN,
    SAME,
    SESSION,
    SHARES,
    TRIES,
    _share,
    first_in,
    first_of_brand,
    first_of_category,
)
from wareloom.synthesis.behaviour._learned.tables import decided
from wareloom.synthesis.behaviour._outline import ANY, NEW, POPULARITY_BUCKETS, UNPRICED
from wareloom.synthesis.behaviour._walk import LOOK_BACK, _begin, _next


@kernel
def _had(outline, event, weights, category, room):  # type: ignore[no-untyped-def]
    """Draw an event before whose item (or `category`) is another than the last one's; -1 where none is met.

    Any event is as likely, so that what was had often comes again often, times what events so long ago weigh.
    """
    e, first = event
    last = first_of_category(outline, first, e - 1) if category else first_in(outline, first, e - 1)
    begin, found = max(first, e - LOOK_BACK), -1
    for _ in range(TRIES):
        at = begin + int(_next(room.state) * (e - begin))
        root = first_of_category(outline, first, at) if category else first_in(outline, first, at)
        if root == last:
            continue
        found = at
        here = 1 if at >= int(room.memory[SESSION]) else 0
        if _next(room.state) < weights[here, log_class(e - at, LAGS)]:
            break
    return found


@kernel
def _branded(outline, event, wanted, category, state):  # type: ignore[no-untyped-def]
    """Draw an event of another brand than the last one's; `wanted` 1: in the category that began at `category`."""
    e, first = event
    last = first_of_brand(outline, first, e - 1)
    begin = max(first, e - LOOK_BACK)
    start = int(_next(state) * (e - begin))
    for step in range(e - begin):
        at = begin + (start + step) % (e - begin)
        inside = first_of_category(outline, first, at) == category
        if first_of_brand(outline, first, at) != last and inside == (wanted == 1):
            return at
    return -1


@kernel
def _brand(habits, outline, seen, event, of, room, learn):  # type: ignore[no-untyped-def]
    """Decide the brand of a new item; `of`: which category it is of, kind of gap."""
    e, first = event
    category, gap = of
    context = (category * 3 + gap) * SHARES + _share(room.memory[BRANDS], room.memory[ITEMS])
    context = (context * NUMBERS + log_class(room.memory[ITEMS], NUMBERS)) * 5 + int(
        room.memory[LAST_BRAND]
    )
    known, own = -1, first_of_category(outline, first, e)
    if learn:
        known = 3
        if outline.same_brand[e] >= 0:
            root, known = first + outline.same_brand[e], 2
            if root == first_of_brand(outline, first, e - 1):
                known = 0
            else:
                for at in range(max(root, e - LOOK_BACK), e):
                    if first_of_brand(outline, first, at) == root and (
                        first_of_category(outline, first, at) == own
                    ):
                        known = 1
                        break
    found = decided(habits.brand, seen.brand, e, context, known, room.state) if e > first else 3
    if not learn:
        at = -1
        if found == 0:
            at = e - 1
        elif found < 3:
            at = _branded(outline, event, found, own, room.state)
        outline.same_brand[e] = NEW if at < 0 else first_of_brand(outline, first, at) - first
    room.memory[LAST_BRAND] = 1 + found
    room.memory[BRANDS] += 1.0 if outline.same_brand[e] < 0 else 0.0


@kernel
def _parent(habits, outline, seen, event, gap, room, learn):  # type: ignore[no-untyped-def]
    """Decide the parent of a new category."""
    e, first = event
    mine = room.had[-1]
    last = outline.parent[e - 1] if e > first else -1
    context = (habits.rank[last] * 3 + gap) * SHARES
    context = (context + _share(room.memory[PARENTS], room.memory[CATEGORIES])) * NUMBERS
    context = (context + log_class(room.memory[CATEGORIES], NUMBERS)) * 4 + int(
        room.memory[LAST_PARENT]
    )
    known, parent = -1, outline.parent[e] if learn else -1
    if learn:
        known = SAME if parent == last else (EARLIER if room.had[parent] == mine else OTHER)
    found = OTHER
    if e > first:
        found = decided(habits.parent, seen.parent, e, context, known, room.state)
    if not learn and found == SAME:
        parent = last
    elif not learn and found == EARLIER:
        for _ in range(TRIES):
            parent = outline.parent[first + int(_next(room.state) * (e - first))]
            if parent != last:
                break
    if found == OTHER:
        row = min(FRESH - 1, int(room.memory[PARENTS]))
        row = row * habits.bounds[4] + (last + 1) * (1 if habits.bounds[4] > 1 else 0)
        for _ in range(1 if learn else TRIES):
            parent = decided(habits.fresh, seen.fresh, e, row, parent if learn else -1, room.state)
            if room.had[parent] != mine:
                break
    room.memory[LAST_PARENT] = 1 + found
    room.memory[PARENTS] += 1.0 if room.had[parent] != mine else 0.0
    room.had[parent] = mine
    outline.parent[e] = parent


@kernel
def _category(habits, outline, seen, event, gap, room, learn):  # type: ignore[no-untyped-def]
    """Decide the category of a new item: (which it is, an event in it before or -1)."""
    e, first = event
    context = (gap * 4 + int(room.memory[LAST_CATEGORY])) * SHARES
    context = (context + _share(room.memory[CATEGORIES], room.memory[ITEMS])) * NUMBERS
    context = (context + log_class(room.memory[ITEMS], NUMBERS)) * LENGTHS + int(room.had[-2])
    known, at = -1, -1
    if learn:
        known = OTHER
        if outline.same_category[e] >= 0:
            at = first + outline.same_category[e]
            known = SAME if at == first_of_category(outline, first, e - 1) else EARLIER
    found = OTHER
    if e > first:
        found = decided(habits.category, seen.category, e, context, known, room.state)
    if found == SAME:
        at = e - 1
    elif found == EARLIER and not learn:
        at = _had(outline, event, habits.back, True, room)
    if at < 0:
        found = OTHER
        outline.same_category[e] = -1
        _parent(habits, outline, seen, event, gap, room, learn)
        room.memory[CATEGORIES] += 1
    else:
        outline.same_category[e] = first_of_category(outline, first, at) - first
        outline.parent[e] = outline.parent[at]
    room.memory[LAST_CATEGORY] = 1 + found
    return found, at


@kernel
def _worth(habits, outline, seen, event, of, room, learn):  # type: ignore[no-untyped-def]
    """Decide how popular and how dear a new item is; `of`: an event in its category before, or -1."""
    e, items = event[0], room.memory[ITEMS]
    many, mean = min(FEW - 1, log_class(items, FEW + 1) // 2 + (1 if items > 0 else 0)), 0
    if items > 0:
        mean = 1 + min(MEANS - 2, int(2.0 * room.memory[BUCKET_SUM] / items))
    near = outline.bucket[of] + 1 if of >= 0 else 0
    context = mean * RANKS + habits.rank[outline.parent[e]]
    context = (context * (POPULARITY_BUCKETS + 1) + near) * FEW + many
    known = int(outline.bucket[e]) if learn else -1
    outline.bucket[e] = decided(habits.bucket, seen.bucket, e, context, known, room.state)
    room.memory[BUCKET_SUM] += outline.bucket[e]
    dear = 0
    if room.memory[PRICED] > 0:
        dear = 1 + min(10, max(0, int(room.memory[PRICE_SUM] / room.memory[PRICED] / 2.0 + 5.5)))
    near = _band(outline.price[of]) + 1 if of >= 0 else 0
    known = _band(outline.price[e]) if learn else -1
    band = decided(habits.price, seen.price, e, (near * 12 + dear) * FEW + many, known, room.state)
    if not learn:
        outline.price[e] = UNPRICED if band == PRICES - 1 else band - 10
    if band < PRICES - 1:
        room.memory[PRICED] += 1
        room.memory[PRICE_SUM] += band - 10


@njit(inline="always")
def _band(price):  # type: ignore[no-untyped-def]
    """Class of a price band."""
    return PRICES - 1 if price == UNPRICED else min(20, max(0, price + 10))


@kernel
def _follows(habits, outline, seen, event, of, room, learn):  # type: ignore[no-untyped-def]
    """Decide which of the events before a new item follows; `of`: which category it is of, kind of gap."""
    e, first = event
    share = 0
    if room.memory[ASKED] > 0:
        of_all = room.memory[KNOWN_SUM] / room.memory[ASKED]
        share = 1 if of_all < 0.1 else (2 + min(3, int(4.0 * of_all)))
    context = (min(11, int(outline.bucket[e])) * 6 + share) * LENGTHS + int(room.had[-2])
    context = context * 3 + of[0]
    context = ((context * 5 + min(4, e - first)) * 3 + of[1]) * 3 + int(room.memory[LAST_KNOWN])
    known = int(outline.predecessors[e]) if learn else -1
    found = decided(habits.known, seen.known, e, context, known, room.state)
    if not learn:
        # What was backed off to wider circumstances may name events before the user's first.
        found &= (1 << min(4, e - first)) - 1
    outline.predecessors[e] = found
    room.memory[LAST_KNOWN] = 0 if found == 0 else (1 if found & (found - 1) == 0 else 2)
    room.memory[ASKED] += 1
    room.memory[KNOWN_SUM] += 1.0 if found else 0.0


@kernel
def _dated(habits, outline, seen, event, room, learn):  # type: ignore[no-untyped-def]
    """Decide where a new item's event lies among others' dates of it."""
    e, span = event[0], max(1, habits.bounds[1] - habits.bounds[0])
    when, mean = 0, 0
    if outline.time[e] != NO_TIME:
        when = min(DATES - 1, int(DATES * (outline.time[e] - habits.bounds[0]) / span))
    if room.memory[DATED] > 0:
        mean = 1 + min(7, int((room.memory[MIDDLE_SUM] / room.memory[DATED] + 15.0) / 4.0))
    known, side = -1, -1
    if learn:
        known, side = 3 * FARS, _side(outline.middle[e])
        if outline.where[e] != UNKNOWN:
            far = log_class(16.0 * outline.apart[e] / DAY, FARS)
            known = (outline.where[e] + 1) * FARS + far
    context = (int(outline.bucket[e]) * DATES + when) * 9 + mean
    found = decided(habits.place, seen.place, e, context, known, room.state)
    where, far = found // FARS, found % FARS
    if where < 3:
        context = ((where * FARS + far) * 9 + mean) * DATES + when
        side = decided(habits.middle, seen.middle, e, context, side, room.state)
        room.memory[DATED] += 1
        room.memory[MIDDLE_SUM] += side - 15
    if not learn:
        least = habits.bounds[2]
        outline.where[e] = UNKNOWN if where == 3 else where - 1
        apart = 2.0 ** (far - 1 + _next(room.state)) if far else _next(room.state)
        outline.apart[e] = max(least, int(apart * DAY / 16.0) // least * least) if where < 3 else 0
        size = abs(side - 15)
        middle = (2.0 ** (size - 1 + _next(room.state)) if size else _next(room.state)) * DAY / 4.0
        outline.middle[e] = 0 if where == 3 else (int(middle) if side >= 15 else -int(middle))


@njit(inline="always")
def _side(middle):  # type: ignore[no-untyped-def]
    """Class of a time after (or before) the median: 15 in the middle."""
    size = log_class(4.0 * abs(middle) / DAY, 16)
    return 15 + size if middle >= 0 else 15 - size


@njit(inline="always")
def _gap(outline, habits, first, e):  # type: ignore[no-untyped-def]
    """Kind of the gap before an event, and its class among all."""
    if e == first:
        return LONG, SHORT + 1
    before, now = outline.time[e - 1], outline.time[e]
    if before == NO_TIME or now == before:
        return NONE, 0
    if now - before >= HALF:
        return LONG, SHORT + 1
    return BRIEF, 1 + place_of(habits.brief, now - before)


@kernel
def _begins(habits, outline, seen, event, of_gap, room, learn):  # type: ignore[no-untyped-def]
    """Decide whether a session begins."""
    e, first = event
    if e > first:
        known = int(outline.starts[e]) if learn else -1
        context = of_gap * 14 + _run(max(1, int(room.memory[RUN])))
        outline.starts[e] = decided(habits.begin, seen.begin, e, context, known, room.state) == 1
    else:
        outline.starts[e] = True
    if outline.starts[e]:
        room.memory[RUN], room.memory[SESSION] = 0, e
    room.memory[RUN] += 1


@kernel
def _acts(habits, outline, seen, event, gap, room, learn):  # type: ignore[no-untyped-def]
    """Decide the kind of an event and whether it is on the last item, another one had (then which), or a new one."""
    e, first = event
    before = outline.event[e - 1] + 1 if e > first else 0
    context = (before * 3 + gap) * SHARES + _share(room.memory[ITEMS], e - first)
    context = (context * NUMBERS + log_class(e - first, NUMBERS)) * 4 + int(room.memory[LAST_ITEM])
    known = -1
    if learn:
        item = OTHER
        if outline.same_item[e] >= 0:
            last = first_in(outline, first, e - 1)
            item = SAME if first + outline.same_item[e] == last else EARLIER
        known = item * KINDS + outline.event[e]
    context = context * LENGTHS + int(room.had[-2])
    found = decided(habits.action, seen.action, e, context, known, room.state)
    item, at = found // KINDS, -1
    outline.event[e] = found % KINDS
    if not learn:
        if item == EARLIER and e > first:
            at = _had(outline, event, habits.again, False, room)
        if item == SAME and e > first:
            at = e - 1
        outline.same_item[e] = -1 if at < 0 else first_in(outline, first, at) - first
        item = OTHER if at < 0 else item
    room.memory[LAST_ITEM] = 1 + item
    return item


@kernel
def _walk_on(habits, outline, seen, lengths, users, room, learn):  # type: ignore[no-untyped-def]
    """Decide the structure of some users' events in order, or with `learn` write down how real ones would have been."""
    for u in range(users.first, users.last):
        _begin(room.state, users.seed, u)
        room.memory[:] = 0.0
        room.had[-1], room.had[-2] = u + 1, lengths.of[u]
        first = lengths.offsets[u]
        for e in range(first, lengths.offsets[u + 1]):
            event = (e, first)
            gap, of_gap = _gap(outline, habits, first, e)
            _begins(habits, outline, seen, event, of_gap, room, learn)
            item = _acts(habits, outline, seen, event, gap, room, learn)
            if item != OTHER:
                if not learn:
                    root = first_in(outline, first, e)
                    outline.same_category[e] = first_of_category(outline, first, root) - first
                    if outline.same_brand[root] != ANY:
                        outline.same_brand[e] = first_of_brand(outline, first, root) - first
                    else:
                        outline.same_brand[e] = ANY
                    outline.parent[e], outline.bucket[e] = (
                        outline.parent[root],
                        outline.bucket[root],
                    )
                    outline.price[e], outline.where[e] = outline.price[root], UNKNOWN
                continue
            category, at = _category(habits, outline, seen, event, gap, room, learn)
            of = (category, gap)
            if habits.bounds[3]:
                _brand(habits, outline, seen, event, of, room, learn)
            elif not learn:
                outline.same_brand[e] = ANY
            _worth(habits, outline, seen, event, at, room, learn)
            _follows(habits, outline, seen, event, of, room, learn)
            _dated(habits, outline, seen, event, room, learn)
            room.memory[ITEMS] += 1
