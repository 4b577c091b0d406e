"""The words of the made-up organization: plain ones, no real person's, company's or address's."""

import json

FIRST_NAMES = (
    "Ada", "Amara", "Bram", "Chiara", "Dmitri", "Elif", "Farid", "Grace", "Hana", "Ines", "Jonas", "Kwame", "Lena",
    "Mateo", "Nadia", "Olu", "Priya", "Quentin", "Rosa", "Sven", "Tomoko", "Uma", "Viktor", "Wanda", "Yusuf", "Zoe",
)  # fmt: skip
LAST_NAMES = (
    "Adeyemi", "Bergström", "Castillo", "Dahl", "Eriksen", "Fontaine", "García", "Haddad", "Ivanova", "Jansen",
    "Kowalski", "Lindqvist", "Moreau", "Nakamura", "Okafor", "Petrov", "Quispe", "Rossi", "Schneider", "Tanaka",
    "Umarov", "Vargas", "Weiss", "Yilmaz", "Zhang",
)  # fmt: skip
TIMEZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Africa/Lagos", "America/Bogota")
AREAS = (
    "Checkout", "Search", "Warehouse", "Billing", "Onboarding", "Mobile app", "Data platform", "Support", "Logistics",
    "Website", "Partner portal", "Pricing", "Payments", "Reporting", "Security", "Field service", "Recruiting",
    "Procurement", "Customer success", "Infrastructure",
)  # fmt: skip
THEMES = ("relaunch", "reliability", "backlog", "costs", "quality", "migration", "roadmap", "automation")
GROUPS = ("Customers", "Operations", "Platform", "Growth", "Finance", "People")
AGENTS = ("Scout", "Drafter", "Checker", "Courier")
# Name -> colour.
TAGS = {
    "Bug": "d93025",
    "Feature": "1a73e8",
    "Chore": "9e9e9e",
    "Customer": "f29900",
    "Security": "a50e0e",
    "Performance": "9334e6",
    "Documentation": "188038",
    "Research": "12b5cb",
    "Quick win": "7cb342",
    "Needs design": "e91e63",
}

_VERBS = (
    "Fix", "Document", "Measure", "Simplify", "Automate", "Review", "Replace", "Migrate", "Test", "Investigate",
    "Speed up", "Clean up", "Translate", "Monitor", "Redesign", "Archive", "Validate", "Announce",
)  # fmt: skip
_THINGS = (
    "the login form", "the invoice export", "the nightly import", "the retry logic", "the address lookup",
    "the price calculation", "the welcome e-mail", "the search filters", "the stock forecast", "the refund flow",
    "the error messages", "the audit report", "the delivery estimate", "the password reset", "the dashboard charts",
    "the customer survey", "the access rights", "the image upload", "the tax rules", "the release notes",
    "the backup schedule", "the contact list", "the onboarding guide", "the rate limits", "the order history",
)  # fmt: skip
_PLACES = (
    "for new customers", "on small screens", "in the German market", "for large accounts", "before the summer release",
    "in the staging environment", "for the partner portal", "after the last incident", "for returning visitors",
    "in the warehouse app", "for annual contracts", "on slow connections", "for the support team",
    "during the nightly run", "for guests without an account",
)  # fmt: skip
TITLES = tuple(f"{verb} {thing} {place}" for verb in _VERBS for thing in _THINGS for place in _PLACES)
DESCRIPTIONS = (
    "Two customers reported this last week; the steps to reproduce it are in the attached notes.",
    "It has been slow since the last release. Compare the figures of both weeks before changing anything.",
    "Agree with the support team on the wording first, then roll it out to a tenth of the accounts.",
    "The present behaviour surprises people: what they expect is written down in the handbook.",
    "Done when the check runs by itself every night and tells somebody who can act on it.",
    "Keep the old way working until the partners have moved over, which they were promised.",
    "A small step only: what else comes up belongs into a task of its own.",
    "Ask the people who do this by hand today; they know the cases that nobody wrote down.",
)
COMMENTS = (
    "I can reproduce it. It happens only where the address has no postcode.",
    "First version is ready; please have a look at the wording.",
    "Measured again: 340 ms before, 90 ms after.",
    "Waiting for the numbers of the finance team.",
    "That is larger than it looked: I will split it.",
    "Tested on three devices, no difference seen.",
    "The supplier answered: they will change it on their side next week.",
    "Rolled out to ten percent of the accounts, no complaint so far.",
    "Good to go from my side.",
    "Please add a case for guests without an account.",
)
# What is asked for -> why.
APPROVALS = {
    "deploy_to_production": "All checks are green, and the change can be taken back within a minute.",
    "send_to_customers": "The wording follows the handbook; 1,200 people will get it.",
    "spend_budget": "Within this quarter's budget, and cheaper than doing it by hand.",
    "change_access_rights": "The new rights are fewer than the old ones.",
}
MEMORY = (
    "Releases go out on Tuesdays and Thursdays before noon.",
    "Figures for customers are rounded to whole euros, everywhere.",
    "The staging environment is reset every Sunday night.",
    "Whoever finds an incident opens a task first and talks about it afterwards.",
)
CHAT = (
    "Who can take the two tasks that came in this morning?",
    "I have them. The first one is nearly done.",
)
OBJECTIVES = (
    "Halve the time from order to delivery.",
    "No ticket waits longer than a day.",
    "Every figure can be traced to its source.",
    "A new colleague is productive within a week.",
)
WEBHOOK = "Builds and deployments"
CUSTOMERS = ("Alder & Co", "Birchwood", "Cedar Lane", "Dogwood", "Elm Street", "Fir Hill", "Hazel Works", "Juniper")
# Key -> label, type, whether it is required, and values in JSON, the first of which is the default of a required one.
FIELDS: dict[str, tuple[str, str, bool, tuple[str, ...]]] = {
    "effort_hours": ("Effort (hours)", "integer", True, tuple(map(str, (4, 1, 2, 8, 16, 24, 40)))),
    "customer": ("Customer", "text", False, tuple(map(json.dumps, CUSTOMERS))),
    "budget": ("Budget (EUR)", "decimal", False, ("250", "499.5", "1200", "3750.25", "10000")),
    "reference": ("Reference", "url", False, tuple(f'"https://wiki.example.com/notes/{n}"' for n in range(100, 140))),
    "release_date": ("Release date", "date", False, tuple(f'"2026-{month:02}-15"' for month in range(1, 13))),
    "needs_legal": ("Needs legal advice", "boolean", False, ("true", "false")),
}
