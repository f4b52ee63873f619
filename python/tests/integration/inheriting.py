"""What the tests of objects with rows in several tables share."""


def brief(events):
    return [(e["action"], e["model"], e.get("object_id")) for e in events]


def states(events):
    return [
        (e["action"], e["model"].removeprefix("shapes."), e.get("before"), e.get("after"))
        for e in events
    ]


def whole(diner, name="diner", stars=1):
    return {"id": diner.pk, "name": name, "place_ptr": diner.pk, "stars": stars}
