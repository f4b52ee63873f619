"""The day itself, step by step.

Read it from top to bottom: each step is one HTTP request (or one command), the
status it must be answered with, and the line that tells it. The clock is the
story's; the trail has the real times, a few seconds in all.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from workday.client import Answer, Client
from workday.form import filled_fields
from workday.narrate import Person, tell
from workday.project import Project, StepFailedError
from workday.server import Server

PASSWORD = "a-good-day-2026"
PAYMENT_REFERENCES = ["BANK-2231", "BANK-2305"]

ALICE = Person("Alice", "sales", "Acme", "alice", "Firefox/145.0 (Linux; Alice's laptop)")
BOB = Person("Bob", "accountant", "Acme", "bob", "Chrome/142.0 (Windows; accounting)")
CAROL = Person("Carol", "admin", "Acme", "carol", "Safari/26.0 (Macintosh; Carol)")
SHOP = Person("Web shop", "token", "Acme", "acme-shop", "acme-shop/3.2 (integration)")
DORA = Person("Dora", "admin", "Borealis", "dora", "Edge/142.0 (Windows; studio)")


@dataclass(frozen=True)
class Outcome:
    """What the rest of `day.py` needs to know about the day."""

    star_id: int
    star_number: str
    noon: datetime


def play(project: Project, server: Server) -> Outcome:
    """Play the whole day; raises on the first step that goes otherwise."""
    people = {
        person: Client(server.url, person.user_agent) for person in [ALICE, BOB, CAROL, SHOP, DORA]
    }
    star = _sales_drafts_an_invoice(people[ALICE])
    _accounting_sends_it(people[ALICE], people[BOB], star)
    _the_web_shop_orders(people[SHOP])
    _the_other_tenant_works(people[DORA], star)

    noon = datetime.now(UTC)
    tell("12:00", "", "noon: remember this moment")

    _money_comes_in(people[BOB], star)
    _the_admin_corrects(people[CAROL], star)
    _the_overdue_run(project)
    _the_end_of_the_day(people, star)
    return Outcome(star["id"], star["number"], noon)


def _sales_drafts_an_invoice(alice: Client) -> dict[str, Any]:
    _fail_to_sign_in(alice, ALICE)
    tell("08:58", ALICE, "mistypes her password and is refused")
    _sign_in(alice, ALICE)
    tell("08:59", ALICE, "signs in")

    globex = _find(alice.get("/api/customers/"), name="Globex GmbH")
    prices = alice.get("/api/products/")
    drill, bits = _find(prices, sku="DRILL-18"), _find(prices, sku="BITS-50")
    draft = {
        "customer": globex["id"],
        "po_reference": "PO-7731",
        "notes": "Deliver to the back entrance.",
        "terms": "30 days net",
        "lines": [_line(drill, "4"), _line(bits, "4"), _service("Delivery", "39.00")],
    }
    star = alice.send_json("POST", "/api/invoices/", draft, expect=201).json()
    path = f"/api/invoices/{star['id']}/"
    tell("09:02", ALICE, f"drafts invoice {star['number']} over {star['total']} EUR")

    for tag in ["priority", "export"]:
        alice.send_json("POST", f"{path}tags/", {"tag": tag})
    tell("09:05", ALICE, "tags it priority and export")

    lines = star["lines"]
    lines[0]["quantity"] = "6"
    changed = {"lines": [*lines[:2], _service("Training, half a day", "420.00")]}
    star = alice.send_json("PATCH", path, changed).json()
    tell("09:11", ALICE, f"six drills, training for delivery: {star['total']} EUR")

    alice.send_json("DELETE", f"{path}tags/", {"tag": "export"})
    tell("09:12", ALICE, "takes the tag export off again")
    return star


def _accounting_sends_it(alice: Client, bob: Client, star: dict[str, Any]) -> None:
    path = f"/api/invoices/{star['id']}/"
    alice.send_json("POST", f"{path}validate/", expect=403)
    tell("09:20", ALICE, "tries to validate it: sales may not")

    _sign_in(bob, BOB)
    bob.send_json("POST", f"{path}validate/")
    tell("09:31", BOB, f"signs in and validates {star['number']}")
    bob.send_json("POST", f"{path}send/")
    tell("09:40", BOB, "sends it to the customer")
    alice.send_json("PATCH", path, {"notes": "And ring twice."}, expect=409)
    tell("09:52", ALICE, "wants to change it once more: too late")


def _the_web_shop_orders(shop: Client) -> None:
    login = {"username": SHOP.username, "password": PASSWORD}
    shop.use_token(shop.send_json("POST", "/api/token/", login).json()["token"])
    price_list = [
        {
            "sku": "DRILL-18",
            "name": "Cordless drill 18 V",
            "unit_price": "155.00",
            "tax_rate": "20",
        },
        {"sku": "SAW-7", "name": "Circular saw", "unit_price": "189.00", "tax_rate": "20"},
        {"sku": "GLOVES", "name": "Work gloves", "unit_price": "12.50", "tax_rate": "20"},
    ]
    shop.send_json("POST", "/api/products/import/", price_list, expect=201)
    tell("10:05", SHOP, "fetches a token and imports three prices in bulk")

    initech = _find(shop.get("/api/customers/"), name="Initech SARL")
    saw = _find(shop.get("/api/products/"), sku="SAW-7")
    order = {"customer": initech["id"], "lines": [_line(saw, "2")], "is_recurring": True}
    draft = shop.send_json("POST", "/api/invoices/", order, expect=201).json()
    tell("10:06", SHOP, f"drafts {draft['number']} from an order")


def _the_other_tenant_works(dora: Client, star: dict[str, Any]) -> None:
    _sign_in(dora, DORA)
    dora.get(f"/api/invoices/{star['id']}/", expect=404)
    tell("11:02", DORA, f"signs in; {star['number']} does not exist for her")

    umbrella = _find(dora.get("/api/customers/"), name="Umbrella AB")
    logo = _find(dora.get("/api/products/"), sku="LOGO")
    order = {"customer": umbrella["id"], "lines": [_line(logo, "1")], "discount_percent": "10"}
    invoice = dora.send_json("POST", "/api/invoices/", order, expect=201).json()
    path = f"/api/invoices/{invoice['id']}/"
    dora.send_json("POST", f"{path}validate/")
    dora.send_json("POST", f"{path}send/")
    tell("11:20", DORA, f"drafts, validates and sends {invoice['number']} in SEK")


def _money_comes_in(bob: Client, star: dict[str, Any]) -> None:
    path = f"/api/invoices/{star['id']}/"
    too_much = {"amount": "9999.00", "reference": "TYPO"}
    bob.send_json("POST", f"{path}pay/", too_much, expect=400)
    if bob.get(path).json()["amount_paid"] != "0.00":
        raise StepFailedError("the refused payment was not rolled back")
    tell("13:05", BOB, "books 9999.00 by mistake: refused, rolled back")

    first = {"amount": "500.00", "reference": PAYMENT_REFERENCES[0]}
    bob.send_json("POST", f"{path}pay/", first, expect=201)
    tell("13:08", BOB, "books the first payment, 500.00 EUR")


def _the_admin_corrects(carol: Client, star: dict[str, Any]) -> None:
    _sign_in(carol, CAROL)
    path = f"/admin/billing/invoice/{star['id']}/change/"
    page = carol.get(path)
    corrections = {"po_reference": "PO-7713", "terms": "14 days net, 2 % discount"}
    fields = [
        (name, corrections.get(name, value))
        for name, value in filled_fields(page.text, "invoice_form")
    ]
    carol.send_form(path, [*fields, ("_save", "Save")], expect=302)
    invoice = carol.get(f"/api/invoices/{star['id']}/").json()
    if any(invoice[name] != value for name, value in corrections.items()):
        raise StepFailedError("the correction in the admin was not stored")
    tell("14:15", CAROL, f"corrects the PO reference of {star['number']} in the admin")


def _the_overdue_run(project: Project) -> None:
    marked = project.manage("mark_overdue").replace("\n", ", ")
    tell("15:00", "mark_overdue (command)", f"nobody is signed in here: {marked}")


def _the_end_of_the_day(people: dict[Person, Client], star: dict[str, Any]) -> None:
    alice, bob = people[ALICE], people[BOB]
    globex = {"customer": star["customer"], "lines": [_service("Trial", "1.00")]}
    draft = alice.send_json("POST", "/api/invoices/", globex, expect=201).json()
    alice.send_json("DELETE", f"/api/invoices/{draft['id']}/", expect=204)
    tell("15:30", ALICE, f"drafts {draft['number']} by mistake and deletes it")
    alice.send_json("DELETE", f"/api/invoices/{star['id']}/", expect=409)
    tell("15:31", ALICE, f"cannot delete {star['number']}: it has been sent")

    late = _find(bob.get("/api/invoices/"), status="overdue")
    reason = {"reason": "delivered twice, agreed by telephone"}
    bob.send_json("POST", f"/api/invoices/{late['id']}/cancel/", reason)
    tell("16:10", BOB, f"cancels the overdue {late['number']} and says why")

    due = bob.get(f"/api/invoices/{star['id']}/").json()
    rest = str(Decimal(due["total"]) - Decimal(due["amount_paid"]))
    last = {"amount": rest, "reference": PAYMENT_REFERENCES[1], "method": "card"}
    bob.send_json("POST", f"/api/invoices/{star['id']}/pay/", last, expect=201)
    if bob.get(f"/api/invoices/{star['id']}/").json()["status"] != "paid":
        raise StepFailedError(f"invoice {star['number']} should be paid by now")
    tell("16:45", BOB, f"books the rest, {rest} EUR: {star['number']} is paid")

    for person in [ALICE, BOB, CAROL, DORA]:
        people[person].send_form("/logout/", [], expect=302)
    tell("17:30", "Everybody", "signs out")


def _sign_in(client: Client, person: Person) -> None:
    client.get("/login/")
    client.send_form("/login/", [("username", person.username), ("password", PASSWORD)], expect=302)
    if not client.is_signed_in:
        raise StepFailedError(f"{person} is not signed in")


def _fail_to_sign_in(client: Client, person: Person) -> None:
    client.get("/login/")
    client.send_form("/login/", [("username", person.username), ("password", "oops")], expect=200)
    if client.is_signed_in:
        raise StepFailedError(f"{person} is signed in with a wrong password")


def _find(answer: Answer, **wanted: str) -> dict[str, Any]:
    """Return the first object of a list that has the `wanted` values."""
    for row in answer.json()["results"]:
        if all(row[name] == value for name, value in wanted.items()):
            return row
    raise StepFailedError(f"the list has nothing with {wanted}")


def _line(product: dict[str, Any], quantity: str) -> dict[str, Any]:
    return {
        "product": product["id"],
        "description": product["name"],
        "quantity": quantity,
        "unit_price": product["unit_price"],
        "tax_rate": product["tax_rate"],
    }


def _service(description: str, price: str) -> dict[str, Any]:
    return {"description": description, "quantity": "1", "unit_price": price, "tax_rate": "20.00"}
